"""Beam search over all photos in one batch, against two textbooks.

    python benchmarks/beam.py [--device cpu] [--rounds 5] [--photos 64] [--beams 5] [--clock wall] [--memory kept]

1. One photo at a time, as the popular tutorial does it.
2. All photos in one batch, with loops over photos and beams that choose the words, and features copied for every beam.

49 regions x 2,048, sizes 512/512/512, 9,490 words, captions of 8 to 16 words. All decode with the same weights and find the same captions
in fp32, which is checked; they take turns in one process, figures are medians, and of ratios the medians over rounds. The floor is the
number of operations that the captions' products need, keys once per photo, over the best matrix-product rate of the same run and precision.
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

from machine import all_times, chosen, where  # noqa: E402
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
A_WORD = 0.05  # what the counting unit gains at every word
ENDING = 3.0  # what a word more adds to the logit of the end mark


@torch.no_grad()
def make_decoder() -> LSTMDecoder:
    """Random weights, but for one unit of the LSTM that counts words up from where the photo starts it, and makes the end mark likely."""
    attention = SoftAttention(AdditiveScore(SIZE, REGION, SIZE), REGION)
    decoder = LSTMDecoder(attention, REGION, VOCABULARY, SIZE, SIZE, gate="vector", output="state").eval()
    decoder.to_vocabulary.weight *= 5
    counting = torch.arange(4) * SIZE  # its gates and its candidate
    for layer in (decoder.from_word, decoder.from_hidden, decoder.from_photo):
        layer.weight[counting] = 0
    decoder.from_word.bias[counting] = torch.tensor([9.0, 9.0, 9.0, A_WORD])
    decoder.to_cell.weight[0] = torch.eye(REGION)[0]
    decoder.to_cell.bias[0] = 0
    decoder.to_vocabulary.weight[END] = torch.eye(SIZE)[0] * ENDING / A_WORD
    return decoder


def make_features(photos: int) -> Tensor:
    """Random features (B, R, D), where the first says how long the caption is to be."""
    features = torch.randn(photos, REGIONS, REGION)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (photos,))
    features[..., 0] = torch.atanh(-A_WORD * (lengths + 0.5))[:, None]
    return features


@dataclass
class Contender:
    """A way of decoding; its captions as numbers, and the precision of its products where its share of the floor is asked for."""

    name: str
    decode: Callable[[], list[list[int]]]
    precision: torch.dtype | None = None


def main(device: torch.device, rounds: int, photos: int, beams: int, clock: str) -> None:
    torch.manual_seed(0)
    decoder, features = make_decoder().to(device), make_features(photos).to(device)
    textbook = textbook_of(decoder).eval()
    regions, search = Regions.full(features, Grid(7, 7)), BeamSearch(beams, limits=Limits(LONGEST))
    needed = []

    @torch.no_grad()
    def ours(precision: torch.dtype) -> list[list[int]]:
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            found = search(decoder, decoder.remember(regions))
        needed.append(operations(found))
        return [hypotheses[0].words.tolist() for hypotheses in found]

    contenders = [
        Contender(
            "textbook, one photo at a time", lambda: [textbook.beam(photo, beams, LONGEST) for photo in features]
        ),
        Contender("textbook, one batch and loops", lambda: textbook.beams(features, beams, LONGEST)),
        Contender("ours", lambda: ours(torch.float32), torch.float32),
        Contender("ours, bf16", lambda: ours(torch.bfloat16), torch.bfloat16),
    ]
    expected, *others = [contender.decode() for contender in contenders]
    rates = {dtype: best_rate(device, dtype, clock) for dtype in (torch.float32, torch.bfloat16)}
    times = all_times([contender.decode for contender in contenders], rounds, device, clock)
    rates = {dtype: max(rate, best_rate(device, dtype, clock)) for dtype, rate in rates.items()}
    report(contenders, times, photos, {dtype: needed[0] / rate for dtype, rate in rates.items()})
    for contender, captions in zip(contenders[1:], others, strict=True):
        alike = sum(one == other for one, other in zip(expected, captions, strict=True))
        print(f"{contender.name}: {alike} of {photos} captions alike")
    shown = ", ".join(f"{str(dtype).removeprefix('torch.')} {rate / 1e9:,.0f}" for dtype, rate in rates.items())
    print(f"best matrix products: {shown} GFLOP/s; operations: {needed[0] / 1e9:,.0f} G")
    print(f"{where(device)}; {clock} time")


def operations(found: list[list[Hypothesis]]) -> float:
    """Floating-point operations of these captions and the other beams, 2 for each multiply-add; all beams share the first step."""
    a_word = (
        (SIZE + REGION + SIZE) * 4 * SIZE  # the LSTM's gates
        + SIZE * SIZE  # the query
        + SIZE * REGION  # the gate on the context
        + REGIONS * (REGION + SIZE)  # the weighted sum and the energy
        + SIZE * VOCABULARY
    )
    a_photo = REGION * 2 * SIZE + REGIONS * REGION * SIZE  # the first state, the keys
    words = sum(
        len(words) for hypotheses in found for words, _ in hypotheses[0].candidates
    )  # the end mark instead of the first
    return 2 * (len(found) * (a_photo + a_word) + words * a_word)


def report(
    contenders: list[Contender], times: list[list[float]], photos: int, floors: dict[torch.dtype, float]
) -> None:
    table = Table(title="beam search, medians")
    for name in ("decoding", "photos a second", "times the first", "times the second", "share of the floor"):
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
