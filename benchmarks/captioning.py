"""Captioning: time for one photo beyond importing torch, and for many photos beside the encoder alone.

    python benchmarks/captioning.py PHOTOS [--model RUN] [--count 1000] [--rounds 5] [--memory returned] [--runtime torch]

PHOTOS is a folder; the model is the bundled one by default. One photo: a whole process of `captioner caption`, against a process
that only imports torch; both take turns with a warm file cache, and times are medians. Many photos: reading, preprocessing, encoding
and decoding, against the encoder on prepared pixels, and against that plus decoding from computed regions. `--runtime` is
`encoder.runtime`; an export is made before the clock starts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import chosen, in_turn, seconds, where  # noqa: E402

import captioner  # noqa: E402
from captioner.data.folder import photos_in  # noqa: E402
from captioner.encoders.preprocess import open_photo  # noqa: E402

BATCH = 64  # of `Captioner.stream`


def main(photos: Path, model: str, count: int, rounds: int, clock: str, runtime: str) -> None:
    paths = photos_in(photos)[0]
    if not paths:
        sys.exit(f"no photos in {photos}")
    if count < 4 * BATCH:
        sys.exit(f"--count should be at least {4 * BATCH}, got {count}")
    measure_one(model, paths[0], rounds)
    measure_many(model, [paths[number % len(paths)] for number in range(count)], clock, runtime)
    print(where())


def measure_one(model: str, photo: Path, rounds: int) -> None:
    imports = [sys.executable, "-c", "import torch"]
    command = [sys.executable, "-m", "captioner", "caption", str(photo), "--model", model]
    works = [lambda line=line: subprocess.run(line, check=True, capture_output=True) for line in (imports, command)]
    importing, captioning = in_turn(works, rounds)
    rest = captioning - importing
    print(f"one photo: {captioning:.2f} s; importing torch takes {importing:.2f} s of it, the rest {rest:.2f} s")


@torch.inference_mode()
def measure_many(name: str, paths: list[Path], clock: str, runtime: str) -> None:
    model = captioner.load(name, overrides=[f"encoder.runtime={runtime}"])
    model.expect(len(paths))
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
        took["encoder"] += sum(
            seconds(lambda: model.model.encoder(pixels), clock=clock) for _ in range(round(batches / 4))
        )
        took["search"] += sum(
            seconds(lambda: model.captions_of(regions), clock=clock) for _ in range(round(batches / 4))
        )
        if part == 1:
            took["whole"] = seconds(whole, clock=clock)
    own = took["encoder"] + took["search"]
    print(
        f"{len(paths)} photos, encoder.runtime={runtime}: {took['whole']:.1f} s, {len(paths) / took['whole']:.1f} photos a second, "
        f"{100 * took['encoder'] / took['whole']:.0f} % of the encoder's rate; "
        f"encoder {took['encoder']:.1f} s + search {took['search']:.1f} s; {took['whole'] / own:.2f} times their sum"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="natural")
    parser.add_argument("--count", default=1000, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--runtime", default="auto", choices=["auto", "torch", "onnx"])
    main(**chosen(parser))
