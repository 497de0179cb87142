"""A frozen encoder's speed: as an eager network, with batch norm folded into its convolutions, in both memory formats, and in onnxruntime.

    python benchmarks/encoder.py [--network mobilenet_v2] [--kind torchvision] [--photos 8] [--rounds 9] [--threads 1] [--clock wall]
        [--memory kept]

Random weights. "encoder.runtime=torch" uses "folded, channels last"; "encoder.runtime=onnx" and "onnxruntime, bare" run the same graph.
All take turns in one process; times are medians, for one photo of a batch. The largest difference of any feature from the eager network's
is relative to the largest feature. onnxruntime is left out unless the packages onnx, onnxscript and onnxruntime are installed.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import chosen, in_turn, where  # noqa: E402

from captioner.encoders import TimmNetwork, TorchvisionNetwork  # noqa: E402
from captioner.encoders.contract import PretrainedNetwork  # noqa: E402
from captioner.encoders.folding import folded  # noqa: E402
from captioner.encoders.onnx_runtime import CACHE, PACKAGES  # noqa: E402

KINDS = {"torchvision": TorchvisionNetwork, "timm": TimmNetwork}


class Running(nn.Module):
    """The encoder's features, computed by another copy of its network."""

    def __init__(self, encoder: PretrainedNetwork, network: nn.Module):
        super().__init__()
        self.encoder, self.network = [encoder], network  # in a list, so that it is not a part

    def forward(self, pixels: Tensor) -> Tensor:
        encoder = self.encoder[0]
        pixels = encoder.preprocess.normalise(pixels)
        if isinstance(encoder, TimmNetwork):
            return encoder._map(self.network, pixels).flatten(2).transpose(1, 2)
        return self.network(pixels)["regions"].flatten(2).transpose(1, 2)


def works_of(encoder: PretrainedNetwork, pixels: Tensor, threads: int, folder: Path) -> dict[str, Callable[[], Tensor]]:
    """Ways to compute the features of the same pixels."""
    pairs = encoder.folded.pairs
    networks = {
        "eager, contiguous": folded(encoder.network, []).to(memory_format=torch.contiguous_format),
        "eager, channels last": encoder.network,
        "folded, contiguous": folded(encoder.network, pairs).to(memory_format=torch.contiguous_format),
        "folded, channels last": folded(encoder.network, pairs),
    }
    works = {name: partial(Running(encoder, network), pixels) for name, network in networks.items()}
    works["encoder.runtime=torch"] = lambda: encoder(pixels).features
    if all(map(find_spec, PACKAGES)):
        ours = copy.deepcopy(encoder)
        ours.run_in("onnx")
        ours(pixels)  # exports
        works["encoder.runtime=onnx"] = lambda: ours(pixels).features
        works["onnxruntime, bare"] = bare(next(folder.glob("*.onnx")), pixels, threads)
    return works


def bare(graph: Path, pixels: Tensor, threads: int) -> Callable[[], Tensor]:
    """A session of onnxruntime as its documentation makes it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    return lambda: torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0])


@torch.inference_mode(False)
@torch.no_grad()
def main(network: str, kind: str, photos: int, rounds: int, threads: int, clock: str) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    encoder = KINDS[kind](network, weights="none")
    width, height = encoder.preprocess.crop
    pixels = torch.randint(0, 256, (photos, 3, height, width), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE] = folder
        works = works_of(encoder, pixels, threads, Path(folder))
        features = {name: work() for name, work in works.items()}
        times = dict(zip(works, in_turn(list(works.values()), rounds, clock=clock), strict=True))
    eager, expected = times["eager, channels last"], features["eager, channels last"]
    table = Table(network, box=box.SIMPLE_HEAD)
    for column in ("ms a photo", "speed-up", "largest difference"):
        table.add_column(column, justify="right")
    for name, took in times.items():
        difference = (features[name] - expected).abs().max() / expected.abs().max()
        table.add_row(name, f"{1000 * took / photos:.1f}", f"{eager / took:.2f}", f"{float(difference):.1e}")
    console = Console(highlight=False)
    console.print(where())
    console.print(f"{photos} photos of {width} x {height}")
    console.print(table)
    missing = [name for name in PACKAGES if not find_spec(name)]
    if missing:
        console.print(f"onnxruntime is left out: {', '.join(missing)} not installed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="mobilenet_v2")
    parser.add_argument("--kind", default="torchvision", choices=KINDS)
    parser.add_argument("--photos", default=8, type=int)
    parser.add_argument("--rounds", default=9, type=int)
    parser.add_argument("--threads", default=1, type=int)
    main(**chosen(parser))
