"""Beam search over all photos in one batch, against two textbook implementations.

    python benchmarks/beam.py [--device cpu] [--rounds 5] [--photos 64] [--beams 5] [--clock wall] [--memory kept]

1. One photo at a time, as in the popular tutorial.
2. All photos in one batch, with loops over photos and beams that choose the words, and features copied for every beam.

49 regions x 2,048, sizes 512/512/512, 9,490 words, captions of 8 to 16 words. All decode with the same weights, and the script counts how
many of their captions are equal. They take turns in one process; figures are medians, and ratios are medians over rounds. The floor is the
number of operations of the captions' matrix products, with keys once per photo, over the best matrix-product rate of the same run and
precision.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import all_times, chosen, precisions, where  # noqa: E402
from textbook import textbook_of  # noqa: E402
from train_step import best_rate  # noqa: E402

from captioner.attention.scores import AdditiveScore  # noqa: E402
from captioner.attention.soft import SoftAttention  # noqa: E402
from captioner.decoders.lstm import LSTMDecoder  # noqa: E402
from captioner.regions import Grid, Regions  # noqa: E402
from captioner.search import BeamSearch, Limits  # noqa: E402
from captioner.search.hypotheses import Hypothesis  # noqa: E402
from captioner.text.vocabulary import END  # noqa: E402

REGIONS, REGION, SIZE, VOCABULARY = 49, 2048, 512, 9490
SHORTEST, LONGEST = 8, 16
STEP = 0.05  # added to the counting unit at every word
ENDING = 3.0  # added to the end token's logit by each further word


@torch.no_grad()
def make_decoder() -> LSTMDecoder:
    """Random weights, except for one unit of the LSTM, which counts words from a start set by the photo and drives the end token."""
    attention = SoftAttention(AdditiveScore(SIZE, REGION, SIZE), REGION)
    decoder = LSTMDecoder(attention, REGION, VOCABULARY, SIZE, SIZE, gate="vector", output="state").eval()
    decoder.to_vocabulary.weight *= 5
    counting = torch.arange(4) * SIZE  # the unit's gates and its candidate
    for layer in (decoder.from_word, decoder.from_hidden, decoder.from_photo):
        layer.weight[counting] = 0
    decoder.from_word.bias[counting] = torch.tensor([9.0, 9.0, 9.0, STEP])
    decoder.to_cell.weight[0] = torch.eye(REGION)[0]
    decoder.to_cell.bias[0] = 0
    decoder.to_vocabulary.weight[END] = torch.eye(SIZE)[0] * ENDING / STEP
    return decoder


def make_features(photos: int) -> Tensor:
    """Random features (B, R, D), whose first number sets the caption's length."""
    features = torch.randn(photos, REGIONS, REGION)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (photos,))
    features[..., 0] = torch.atanh(-STEP * (lengths + 0.5))[:, None]
    return features


@dataclass
class Contender:
    """A way of decoding: it returns captions as numbers. With a precision, its share of the floor is reported."""

    name: str
    decode: Callable[[], list[list[int]]]
    precision: torch.dtype | None = None


def main(device: torch.device, rounds: int, photos: int, beams: int, clock: str) -> None:
    torch.manual_seed(0)
    decoder, features = make_decoder().to(device), make_features(photos).to(device)
    textbook = textbook_of(decoder).eval()
    regions, search = Regions.full(features, Grid(7, 7)), BeamSearch(beams, limits=Limits(LONGEST))
    counts = []

    @torch.no_grad()
    def ours(precision: torch.dtype) -> list[list[int]]:
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            results = search(decoder, decoder.remember(regions))
        counts.append(operations(results))
        return [hypotheses[0].words.tolist() for hypotheses in results]

    contenders = [
        Contender(
            "textbook, one photo at a time", lambda: [textbook.beam(photo, beams, LONGEST) for photo in features]
        ),
        Contender("textbook, one batch and loops", lambda: textbook.beams(features, beams, LONGEST)),
        Contender("captioner, fp32", lambda: ours(torch.float32), torch.float32),
        Contender("captioner, bf16", lambda: ours(torch.bfloat16), torch.bfloat16),
    ]
    dtypes = precisions(device)
    contenders = [contender for contender in contenders if contender.precision in (None, *dtypes)]
    expected, *others = [contender.decode() for contender in contenders]
    rates = {dtype: best_rate(device, dtype, clock) for dtype in dtypes}
    times = all_times([contender.decode for contender in contenders], rounds, device, clock)
    rates = {dtype: max(rate, best_rate(device, dtype, clock)) for dtype, rate in rates.items()}
    report(contenders, times, photos, {dtype: counts[0] / rate for dtype, rate in rates.items()})
    for contender, captions in zip(contenders[1:], others, strict=True):
        equal = sum(caption == reference for caption, reference in zip(captions, expected, strict=True))
        print(f"{contender.name}: {equal} of {photos} captions equal to the first's")
    shown = ", ".join(f"{str(dtype).removeprefix('torch.')} {rate / 1e9:,.0f}" for dtype, rate in rates.items())
    print(f"best matrix products: {shown} GFLOP/s; operations: {counts[0] / 1e9:,.0f} G")
    print(f"{where(device)}; {clock} time")


def operations(results: list[list[Hypothesis]]) -> float:
    """Floating-point operations of these captions and the other beams, 2 per multiply-add; all beams share the first step."""
    per_word = (
        (SIZE + REGION + SIZE) * 4 * SIZE  # the LSTM's gates
        + SIZE * SIZE  # the query
        + SIZE * REGION  # the gate on the context
        + REGIONS * (REGION + SIZE)  # the weighted sum and the energy
        + SIZE * VOCABULARY
    )
    per_photo = REGION * 2 * SIZE + REGIONS * REGION * SIZE  # the first state, the keys
    words = sum(
        len(words) for hypotheses in results for words, _ in hypotheses[0].candidates
    )  # the end token instead of the first
    return 2 * (len(results) * (per_photo + per_word) + words * per_word)


def report(
    contenders: list[Contender], times: list[list[float]], photos: int, floors: dict[torch.dtype, float]
) -> None:
    table = Table(title="beam search, medians; speed-up over the textbook's two ways")
    for name in ("decoding", "photos/s", "over one photo at a time", "over loops", "share of the floor"):
        table.add_column(name, justify="left" if name == "decoding" else "right")
    for contender, took in zip(contenders, times, strict=True):
        seconds = statistics.median(took)
        first, second = (
            statistics.median(theirs / ours for theirs, ours in zip(textbook, took, strict=True))
            for textbook in times[:2]
        )
        share = f"{floors[contender.precision] / seconds:.0%}" if contender.precision else ""
        table.add_row(contender.name, f"{photos / seconds:.1f}", f"{first:.2f}", f"{second:.2f}", share)
    Console(width=110).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--photos", default=64, type=int)
    parser.add_argument("--beams", default=5, type=int)
    main(**chosen(parser))
