"""The products of a decoder with its weights in float32: PyTorch's own, by oneDNN, and by oneDNN with a weight that is packed once.

    python benchmarks/products.py [--rounds 7] [--clock wall] [--memory kept]

Weights of the sizes of `benchmarks/train_step.py`, and rows of one photo with 5 beams, of a training batch's word, and of a search over 64
photos. All take turns in one process; figures are medians of a round's mean. "Packing" is done once for all words of a search.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import chosen, in_turn, where  # noqa: E402

from captioner.layers import products  # noqa: E402

SIZES = {"gates from the state": (512, 2048), "gates from the context": (2048, 2048), "vocabulary": (512, 9490)}
ROWS = (5, 40, 320)
REPEATS = 5


def main(rounds: int, clock: str) -> None:
    table = Table(title="one product, ms; speed-up over PyTorch's in brackets")
    for name in ("weight", "rows", "PyTorch", "oneDNN", "oneDNN, packed", "packing"):
        table.add_column(name, justify="left" if name == "weight" else "right")
    for name, (inputs, outputs) in SIZES.items():
        weight = torch.randn(outputs, inputs)
        for count in ROWS:
            rows = torch.randn(count, inputs)
            if not products.is_faster(rows, weight):
                raise SystemExit("this processor or this PyTorch has no such products; an x86 processor is needed")
            packed = products.pack(weight)
            works = [
                lambda rows=rows, weight=weight: torch.nn.functional.linear(rows, weight),
                lambda rows=rows, weight=weight: products.linear(rows, weight),
                lambda rows=rows, packed=packed: products.linear(rows, packed),
                lambda weight=weight: products.pack(weight),
            ]
            plain, *others, packing = in_turn([repeated(work) for work in works], rounds, clock=clock)
            cells = [f"{1000 * took / REPEATS:.2f} ({plain / took:.2f})" for took in others]
            table.add_row(name, str(count), f"{1000 * plain / REPEATS:.2f}", *cells, f"{1000 * packing / REPEATS:.1f}")
    Console(width=110).print(table)
    print(f"{where()}; {clock} time")


def repeated(work: Callable[[], object]) -> Callable[[], None]:
    def several() -> None:
        for _ in range(REPEATS):
            work()

    return several


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", default=7, type=int)
    main(**chosen(parser))
