"""Captioning from the command line: time for one photo beyond importing torch, and for many photos beyond the model's own work.

    python benchmarks/captioning.py RUN PHOTOS [--count 1000] [--rounds 5]

RUN is a trained run, PHOTOS a folder. One photo: a whole process with greedy decoding, against a process that only imports torch and
torchvision; both take turns with a warm file cache, and times are medians. Many photos: reading, preprocessing, encoding and decoding,
against the encoder on prepared pixels plus decoding from computed regions.
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
    works = [lambda line=line: subprocess.run(line, check=True, capture_output=True) for line in (imports, command)]
    importing, captioning = in_turn(works, rounds)
    rest = captioning - importing
    print(
        f"one photo: {captioning:.2f} s; importing torch and torchvision takes {importing:.2f} s of it, the rest {rest:.2f} s"
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
    took = {"encoder": 0.0, "search": 0.0, "whole": 0.0}
    for part in range(4):  # in quarters before and after the whole, since the machine's speed drifts
        took["encoder"] += sum(seconds(lambda: model.model.encoder(pixels)) for _ in range(round(batches / 4)))
        took["search"] += sum(seconds(lambda: model.captions_of(regions)) for _ in range(round(batches / 4)))
        if part == 1:
            took["whole"] = seconds(whole)
    own = took["encoder"] + took["search"]
    print(f"{len(paths)} photos: {took['whole']:.1f} s; encoder {took['encoder']:.1f} s + search {took['search']:.1f} s; "
          f"{took['whole'] / own:.2f} times their sum")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", default=1000, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    main(**vars(parser.parse_args()))
