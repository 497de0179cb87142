"""`captioner demo --train`: draw pictures, train on them, and measure captions and maps on pictures that were not in training.

Two models are trained with configs/drawn.yaml: one attends after its LSTM has read the previous word, the other before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich import box
from rich.table import Table
from rich.text import Text

from captioner import builder
from captioner.builder.run_folder import has_finished
from captioner.commands.compare import pair_agreement
from captioner.commands.evaluate import MODEL, Evaluation, evaluate
from captioner.commands.photo_sources import with_placement
from captioner.commands.train import training_run as runs
from captioner.encoders.preprocess import open_photo
from captioner.explain.pairs import PairAgreement
from captioner.files import write_text_atomically
from captioner.progress import Report, console
from captioner.readers import CONFIGS
from captioner.search.result import in_digits
from captioner.visualize.sheet import contact, sheet

CONFIG = CONFIGS / "drawn.yaml"
MODELS = {"after": "demo", "before": "demo_before"}
SPLITS = {"val": "validation", "unseen": "unseen pairs"}
_NUM_SHOWN = 6
_LEGEND = """attend: the LSTM attends before or after it has read the previous word.
unseen pairs: pictures with combinations of colour and shape that never occur in training.
correct captions: share of captions in which every named pair of colour and shape is an object of the picture.
lift: weight of the map in the box of the named object, divided by the weight of a uniform map there; at the shape words of correct
pairs, as a ratio of sums. uniform: the lift of a uniform map.
pointing: share of these words for which the centre of the region with the largest weight is in the box. CIDEr-D: x100."""

_DASH = "-: no map to measure, since no correct pair names an object that is the only one of its name."


@dataclass(frozen=True)
class Figure:
    """The numbers of one model on one split."""

    attend: str
    split: str
    scores: dict[str, float]
    agreement: PairAgreement


def run(folder: Path, overrides: Sequence[str], report: Report) -> None:
    """Train both models unless they are trained, measure them, and write the sheet and the numbers into `folder`/demo."""
    for attend, name in MODELS.items():
        settings = [*overrides, f"decoder.attend={attend}", f"run.folder={folder / name}"]
        if has_finished(folder / name, builder.read(CONFIG, settings)):
            console.print(f"{folder / name} is trained already; delete it to train it again", soft_wrap=True)
        else:
            runs.train(CONFIG, settings, report)
    figures = []
    for attend, name in MODELS.items():
        for split in SPLITS:
            evaluation = evaluate(folder / name, split, report=report, baselines=False, java=False)
            figures.append(measure(attend, evaluation))
            if (attend, split) == ("after", "val"):
                show(folder / name, evaluation)
    console.print(_table(figures))
    console.print(Text(legend(figures)), soft_wrap=True)
    numbers = json.dumps([asdict(figure) for figure in figures], indent=1)
    write_text_atomically(folder / "demo" / "demo.json", numbers + "\n")
    console.print(f"maps: {folder / 'demo' / 'sheet.png'}; numbers: {folder / 'demo' / 'demo.json'}")


def measure(attend: str, evaluation: Evaluation) -> Figure:
    """Compare captions and maps with the objects that were drawn."""
    agreement = pair_agreement(evaluation)
    assert agreement is not None
    return Figure(attend, evaluation.split, evaluation.rows[MODEL], agreement)


def show(folder: Path, evaluation: Evaluation) -> None:
    """Print captions of six pictures and write a sheet with their maps."""
    order = torch.randperm(len(evaluation.captions), generator=torch.Generator().manual_seed(0)).tolist()
    sheets = []
    for index in order[:_NUM_SHOWN]:
        example = evaluation.examples[index]
        caption = with_placement(evaluation.captions[index], evaluation.source, index)
        sheets.append(sheet(open_photo(example.image), caption, name=Path(example.image).name))
        console.print(f"  {example.image}: {caption.text} ({in_digits(caption.confidence)})", soft_wrap=True)
    contact(sheets).save(folder / "sheet.png")


def legend(figures: Sequence[Figure]) -> str:
    """The meaning of the table's columns, and of dashes if there are any."""
    return f"{_LEGEND}\n{_DASH}" if any(figure.agreement.lift is None for figure in figures) else _LEGEND


def _table(figures: Sequence[Figure]) -> Table:
    table = Table(title="pictures that were not in training", box=box.SIMPLE)
    for name in ("attend", "pictures", "captions", "correct captions", "lift", "uniform", "pointing", "CIDEr-D"):
        table.add_column(
            name.replace(" ", "\n"), justify="left" if name in ("attend", "pictures") else "right", no_wrap=True
        )
    for figure in figures:
        agreement = figure.agreement
        table.add_row(
            figure.attend,
            SPLITS[figure.split],
            str(agreement.num_captions),
            f"{agreement.caption_accuracy:.1%}",
            _number(agreement.lift),
            _number(agreement.uniform_lift),
            "-" if agreement.pointing is None else f"{agreement.pointing:.1%}",
            f"{100 * figure.scores['CIDEr-D']:.1f}",
        )
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
