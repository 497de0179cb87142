"""Small parts of every kind, for tests."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path

import numpy
import torch

from captioner import attention, decoders
from captioner.attention import Attention, Score
from captioner.decoders import Decoder
from captioner.regions import Grid, Regions

QUERY, REGION, SIZE, VOCABULARY = 5, 7, 6, 11


def make_score(score: str, query_size: int = QUERY, region_size: int = REGION) -> Score:
    make = attention.SCORES[score]
    return make(query_size, region_size, **({"size": SIZE} if "size" in signature(make).parameters else {}))


def make_attention(
    kind: str,
    score: str = "additive",
    query_size: int = QUERY,
    region_size: int = REGION,
    cell_input_size: int = 4 + REGION,
    weigh: str = "softmax",
) -> Attention:
    """A small attention in float64. With the dot score, queries are as wide as regions, whatever `query_size` is."""
    torch.manual_seed(0)
    make, query_size = attention.KINDS[kind], region_size if score == "dot" else query_size
    arguments = {
        "query_size": query_size,
        "region_size": region_size,
        "heads": 3,
        "size": SIZE,
        "radius": 1,
        "cell_input_size": cell_input_size,
        "weigh": weigh,
    }
    if takes_score(kind):
        arguments["score"] = make_score(score, query_size, region_size)
    made = make(**{name: value for name, value in arguments.items() if name in signature(make).parameters})
    return made.double().eval()  # no draws


def takes_score(kind: str) -> bool:
    return "score" in signature(attention.KINDS[kind]).parameters


def takes_weigh(kind: str) -> bool:
    return "weigh" in signature(attention.KINDS[kind]).parameters


def make_decoder(kind: str = "lstm", vocabulary_size: int = VOCABULARY, attention: str = "soft", **options) -> Decoder:
    """A small decoder in float64, without dropout."""
    torch.manual_seed(1)
    if kind == "transformer":
        options = {"hidden_size": 6, "layers": 2, "heads": 2, "feedforward_size": 8, "dropout": 0.0} | options
    else:
        options = {"hidden_size": QUERY, "word_size": 4, "dropout": 0.0} | options
    make = decoders.KINDS[kind]
    cell_input_size = make.cell_input_size(options["hidden_size"], options.get("word_size", 0), REGION)
    module = make_attention(attention, query_size=options["hidden_size"], cell_input_size=cell_input_size)
    return make(module, REGION, vocabulary_size, **options).double()


def make_regions(num_photos: int = 3, seed: int = 0, rows: int = 2, columns: int = 3) -> Regions:
    """Random regions in float64; the last ones of some photos are padding."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(num_photos, rows * columns, REGION, generator=generator, dtype=torch.float64)
    mask = torch.ones(num_photos, rows * columns, dtype=torch.bool)
    for photo in range(1, num_photos):
        mask[photo, -photo:] = False
    return Regions(features, mask, Grid(rows, columns))


RELATIVES = [
    {"cell": "gru"},
    {"cell": "rnn", "output": "state"},
    {"cell": "gru", "attend": "after"},
]
DECODERS = {
    "lstm": {"kind": "lstm"},
    "lstm-after": {"kind": "lstm", "attend": "after"},
    **{"-".join(options.values()): {"kind": "lstm", **options} for options in RELATIVES},
    "att2in": {"kind": "att2in"},
    "att2all": {"kind": "att2in", "context_to": "gates"},
    "top_down": {"kind": "top_down"},
    "transformer-pre": {"kind": "transformer", "norm": "pre"},
    "transformer-post": {"kind": "transformer", "norm": "post"},
    "show_and_tell": {"kind": "show_and_tell", "attention": "none"},
}

LSTM_OPTIONS = [
    {"attend": attend, "gate": gate, "output": output}
    for attend in ("before", "after")
    for gate in ("none", "scalar", "vector")
    for output in ("deep", "state")
    if (attend, output) != ("after", "state")
]

TINY = {"num_train": 48, "num_val": 12, "num_unseen": 4}
CONFIGS = Path(__file__).parents[1] / "configs"
DRAWN = CONFIGS / "drawn.yaml"


def tiny_settings(pictures: Path, folder: Path) -> list[str]:
    sizes = [
        "encoder.width=4",
        "encoder.region_size=8",
        "attention.size=8",
        "decoder.hidden_size=16",
        "decoder.word_size=8",
    ]
    run = [
        "run.epochs=3",
        "run.batch_size=8",
        "run.validate_every=1",
        "run.device=cpu",
        "schedule.warm_up=0",
        f"run.folder={folder}",
        f"run.features={folder.parent / 'features'}",
    ]
    return [f"data.root={pictures}", *(f"data.{name}={count}" for name, count in TINY.items()), *sizes, *run]


def losses(folder: Path) -> list[dict]:
    """The lines of a run's log, without times and the line of its start."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    logged = [line for line in lines if line["kind"] != "start"]
    return [{name: value for name, value in line.items() if name not in ("time", "seconds")} for line in logged]


class FakeMeteor:
    """Replaces pycocoevalcap's class, which needs Java: every word of a caption matches."""

    asked: list[str] = []  # noqa: RUF012 (of all programs)

    class Process:
        killed = False

        def kill(self):
            self.killed = True

        def communicate(self):
            assert self.killed

    def __init__(self):
        self.meteor_p = self.Process()

    def _stat(self, caption, references):
        self.asked.append(caption)
        count = len(caption.split())
        return " ".join(map(str, [count, count, 0, 0, count, count, *[0] * 14, 2, count, count]))

    def compute_score(self, references, captions):
        from captioner.metrics.java import meteor_of

        lines = [self._stat(caption, references[photo]) for photo, (caption,) in captions.items()]
        numbers = numpy.array([[float(number) for number in line.split()] for line in lines])
        return meteor_of(numbers.sum(0)), meteor_of(numbers)
