"""Captioning from the command line: what one photo costs beyond importing torch, and many photos beyond the network's own work.

    python benchmarks/captioning.py RUN PHOTOS [--count 1000] [--rounds 5]

RUN is a trained run, PHOTOS a folder. One photo: a whole process, greedy, against a process that imports torch and torchvision, in turn,
warm file cache, medians. Many: reading, preparing, encoding and searching, against the encoder on ready pixels plus the search on
ready regions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import in_turn, seconds, where  # noqa: E402

import captioner  # noqa: E402
from captioner.data.folder import photos_in  # noqa: E402
from captioner.encoders.preprocess import open_photo  # noqa: E402

BATCH = 32


def main(run: Path, photos: Path, count: int, rounds: int) -> None:
    paths = photos_in(photos)
    if not paths:
        sys.exit(f"no photos in {photos}")
    measure_one(run, paths[0], rounds)
    measure_many(run, [paths[number % len(paths)] for number in range(count)])
    print(where())


def measure_one(run: Path, photo: Path, rounds: int) -> None:
    imports = [sys.executable, "-c", "import torch, torchvision"]
    command = [
        sys.executable,
        "-m",
        "captioner",
        "caption",
        str(photo),
        "--model",
        str(run),
        "--set",
        "search.kind=greedy",
    ]
    works = [lambda one=one: subprocess.run(one, check=True, capture_output=True) for one in (imports, command)]
    importing, captioning = in_turn(works, rounds)
    rest = captioning - importing
    print(
        f"one photo: {captioning:.2f} s, of which importing torch and torchvision {importing:.2f} s; the rest {rest:.2f} s"
    )


@torch.inference_mode()
def measure_many(run: Path, paths: list[Path]) -> None:
    model = captioner.load(run)
    pixels = torch.stack([model.model.encoder.preprocess(open_photo(path))[0] for path in paths[:BATCH]])
    regions = model.model.encoder(pixels)
    batches = len(paths) / BATCH

    def whole() -> None:
        for _ in model.stream(paths):
            pass

    for work in (lambda: model.model.encoder(pixels), lambda: model.captions_of(regions)):
        work()
    found = {"encoder": 0.0, "search": 0.0, "whole": 0.0}
    for part in range(4):  # a quarter of the parts before, between and after, since the machine's speed drifts
        found["encoder"] += sum(seconds(lambda: model.model.encoder(pixels)) for _ in range(round(batches / 4)))
        found["search"] += sum(seconds(lambda: model.captions_of(regions)) for _ in range(round(batches / 4)))
        if part == 1:
            found["whole"] = seconds(whole)
    own = found["encoder"] + found["search"]
    print(f"{len(paths)} photos: {found['whole']:.1f} s; encoder {found['encoder']:.1f} s + search {found['search']:.1f} s; "
          f"{found['whole'] / own:.2f} times their sum")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", default=1000, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    main(**vars(parser.parse_args()))
