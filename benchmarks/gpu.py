"""What a GPU does, in one table: training step, beam search, frozen encoders, and an epoch of COCO's size from random features.

    benchmarks/gpu.sh
    python benchmarks/gpu.py [--device cuda] [--rounds 7] [--seconds 200] [--tests "40 passed"]

`gpu.sh` runs the tests that need a GPU first, then this, in under eight minutes together. Sizes are those of train_step.py, beam.py and
coco_dry_run.py; encoders have random weights and 64 photos in a batch. Ways take turns, times are medians, and the device's queue is
waited for. The floor is the number of operations over the best matrix-product rate of the same device and precision. Parts that would
begin after --seconds are left out.

Without a GPU every size is tiny: this shows that the script runs, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import beam  # noqa: E402
import coco_dry_run  # noqa: E402
import train_step  # noqa: E402
from machine import all_times, precisions, where  # noqa: E402
from textbook import textbook_of  # noqa: E402

from captioner.encoders import TimmNetwork, TorchvisionNetwork  # noqa: E402
from captioner.regions import Grid, Regions  # noqa: E402
from captioner.search import BeamSearch, Limits  # noqa: E402

ENCODERS = {
    "resnet101, 224 pixels": lambda: TorchvisionNetwork("resnet101", "none"),
    "tf_efficientnet_lite2, 256 pixels": lambda: TimmNetwork("tf_efficientnet_lite2", "none", input_size=256),
}
TINY_ENCODERS = {"test_resnet, 64 pixels": lambda: TimmNetwork("test_resnet", "none", input_size=64)}
PHOTOS, BEAMS = 64, 5
TINY = {
    train_step: {
        "PHOTOS": 2,
        "CAPTIONS": 2,
        "REGION": 16,
        "COMPARISON": 16,
        "HIDDEN": 16,
        "WORD": 16,
        "VOCABULARY": 50,
    },
    beam: {"REGION": 16, "SIZE": 16, "VOCABULARY": 50},
    coco_dry_run: {"PHOTOS": 96, "REGION": 16, "VOCABULARY": 50},
}
"""Sizes without a GPU, by the module that has them."""


class Line(NamedTuple):
    """A line of the table."""

    what: str
    way: str
    figure: str
    compared: str = ""  # with what


def text(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def training(device: torch.device, rounds: int) -> Iterator[Line]:
    batch = train_step.make_batch(device)
    needed = train_step.operations(batch, **train_step.TEXTBOOK)
    dtypes = precisions(device)
    works = [train_step.textbook_step(batch)]
    works += [train_step.our_step(batch, dtype, **train_step.TEXTBOOK) for dtype in dtypes]
    textbook, *ours = medians(works, rounds, device)
    yield Line("training step", "textbook, float32", f"{1000 * textbook:.1f} ms")
    for dtype, took in zip(dtypes, ours, strict=True):
        share = needed / train_step.best_rate(device, dtype) / took
        compared = f"{textbook / took:.1f} times the textbook's speed, {share:.0%} of the floor"
        yield Line("training step", f"captioner, {text(dtype)}", f"{1000 * took:.1f} ms", compared)


@torch.no_grad()
def searching(device: torch.device, rounds: int) -> Iterator[Line]:
    torch.manual_seed(0)
    photos = PHOTOS if device.type == "cuda" else 4
    decoder, features = beam.make_decoder().to(device), beam.make_features(photos).to(device)
    textbook, regions = textbook_of(decoder).eval(), Regions.full(features, Grid(7, 7))
    search, dtypes = BeamSearch(BEAMS, limits=Limits(beam.LONGEST)), precisions(device)

    def ours(dtype: torch.dtype) -> None:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            search(decoder, decoder.remember(regions))

    loops = lambda: textbook.beams(features, BEAMS, beam.LONGEST)  # noqa: E731
    works = [loops, *(lambda dtype=dtype: ours(dtype) for dtype in dtypes)]
    theirs, *took = medians(works, rounds, device)
    yield Line(f"beam {BEAMS}", "textbook in one batch, with loops", f"{photos / theirs:,.0f} photos/s")
    for dtype, own in zip(dtypes, took, strict=True):
        compared = f"{theirs / own:.1f} times the loops' speed"
        yield Line(f"beam {BEAMS}", f"captioner, {text(dtype)}", f"{photos / own:,.0f} photos/s", compared)


@torch.no_grad()
def encoding(device: torch.device, rounds: int) -> Iterator[Line]:
    photos, dtypes = PHOTOS if device.type == "cuda" else 4, precisions(device)
    for name, make in (ENCODERS if device.type == "cuda" else TINY_ENCODERS).items():
        encoder = make().to(device).eval()
        width, height = encoder.preprocess.crop
        pixels = torch.randint(256, (photos, 3, height, width), dtype=torch.uint8, device=device)

        def work(dtype: torch.dtype, encoder=encoder, pixels=pixels) -> None:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                encoder(pixels)

        works = [lambda dtype=dtype, work=work: work(dtype) for dtype in dtypes]
        for dtype, took in zip(dtypes, medians(works, rounds, device), strict=True):
            yield Line("frozen encoder", f"{name}, {text(dtype)}", f"{photos / took:,.0f} photos/s")


def coco_epoch(device: torch.device, rounds: int) -> Iterator[Line]:
    share = 0.02 if device.type == "cuda" else 0.001
    hours = coco_dry_run.main(device, share, 7, "mixed")
    yield Line("epoch of COCO's size", "captioner, mixed, from the store", f"{hours:.2f} h", f"from {share:.1%} of it")


def medians(works: list[Callable[[], object]], rounds: int, device: torch.device) -> list[float]:
    return [statistics.median(times) for times in all_times(works, rounds, device)]


def main(device: torch.device, rounds: int, seconds: float, tests: str) -> None:
    started, on_gpu = time.perf_counter(), device.type == "cuda"
    if not on_gpu:
        rounds = 1
        for module, sizes in TINY.items():
            for name, size in sizes.items():
                setattr(module, name, size)
    table = Table(
        title="on a GPU" if on_gpu else "not run on a GPU: tiny sizes on the processor, whose figures mean nothing"
    )
    for name in Line._fields:
        table.add_column(name if name != "compared" else "", justify="right" if name == "figure" else "left")
    table.add_row("tests", "pytest -m cuda", tests or "not run")
    for part in (training, searching, encoding, coco_epoch):
        if time.perf_counter() - started > seconds:
            table.add_row(part.__name__, "", "left out", f"after --seconds {seconds:.0f}")
            continue
        for line in part(device, rounds):
            table.add_row(*line)
    console = Console(width=120, highlight=False)
    if on_gpu:
        table.add_row(
            "memory", "largest allocation of all parts", f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
        )
    console.print(table)
    console.print(where(device))
    if not on_gpu:
        console.print("not run on a GPU: torch sees none")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", type=torch.device)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--seconds", default=200.0, type=float)
    parser.add_argument("--tests", default="")
    main(**vars(parser.parse_args()))
