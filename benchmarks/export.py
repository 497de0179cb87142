"""An exported model against the model itself: captions, maps and speed.

    pip install -e '.[onnx]'
    python benchmarks/export.py PHOTOS [--model natural] [--count 100]

PHOTOS is a folder, of which the first photos by name are taken. `captioner export` writes the model to ONNX, and
`examples/caption_with_onnx.py` captions the photos with onnxruntime and numpy. The model captions the same photos greedily in torch, with
the same number of threads. Both read and caption one photo at a time, in turn; then the model captions all in batches. `search.no_repeat`
is off, since it is not part of the example. The exit status is 1 if a caption differs, or a weight by more than 1e-4.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "examples")]

import caption_with_onnx as example  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from machine import CLOCKS, chosen, seconds, where  # noqa: E402

import captioner  # noqa: E402
from captioner.commands.export import export  # noqa: E402
from captioner.data.folder import photos_in  # noqa: E402

OVERRIDES = ["search.kind=greedy", "search.no_repeat=0", "encoder.runtime=torch"]
TOLERANCE = 1e-4


def main(photos: Path, model: str, count: int, clock: str) -> None:
    paths = photos_in(photos)[0][:count]
    if not paths:
        sys.exit(f"no photos in {photos}")
    own = captioner.load(model, device="cpu", overrides=OVERRIDES)
    with tempfile.TemporaryDirectory() as folder:
        export(model, Path(folder))
        graphs = load(Path(folder))
    equal, difference = compare(own, graphs, paths, clock)
    print(where())
    sys.exit(equal < len(paths) or difference > TOLERANCE)


def load(folder: Path) -> tuple:
    """The example's graphs, with as many threads as torch has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    sessions = [onnxruntime.InferenceSession(folder / f"{name}.onnx", options) for name in ("encoder", "step")]
    return *sessions, example.load(folder)[-1]


def compare(own: captioner.Captioner, graphs: tuple, paths: list[Path], clock: str) -> tuple[int, float]:
    """The number of equal captions, and the largest difference of their weights."""
    works = {"onnxruntime": partial(example.caption, graphs), "torch": own.caption}
    equal, difference, times = 0, 0.0, dict.fromkeys(works, 0.0)
    for work in works.values():
        work(paths[0])  # warms up
    for path in paths:
        results: dict[str, Any] = {}
        for name, work in works.items():
            start = CLOCKS[clock]()
            results[name] = work(path)
            times[name] += CLOCKS[clock]() - start
        (words, maps), caption = results["onnxruntime"], results["torch"]
        if words != caption.words:
            print(f"{path}: {' '.join(words)!r} by onnxruntime, {' '.join(caption.words)!r} by torch")
            continue
        equal += 1
        if words and caption.weights is not None:
            differences = numpy.abs(maps.reshape(len(words), -1) - caption.weights.numpy())
            difference = max(difference, float(differences.max()))
    batches = seconds(lambda: own.captions(paths), clock=clock)
    print(f"{equal} of {len(paths)} captions are equal; their weights differ by {difference:.1e} at most")
    for name, took in times.items():
        print(f"{name}, one photo at a time: {len(paths) / took:.1f} photos a second")
    print(f"torch, in batches: {len(paths) / batches:.1f} photos a second")
    return equal, difference


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="natural")
    parser.add_argument("--count", default=100, type=int)
    main(**chosen(parser))
