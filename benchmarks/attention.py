"""The cost of every kind of attention: time and peak memory of a decoder's training step, at 49, 196 and 1,024 regions.

    python benchmarks/attention.py [--device cpu] [--rounds 7] [--regions 49 196 1024]

8 photos x 5 captions of 14 words; features, state and comparison of size 512; 9,490 words; an LSTM that attends after it has read the
previous word; forward and backward in fp32. All kinds take turns in one process; times are medians. The floor is the number of operations
of the step's matrix products, as counted by torch, over the best matrix-product rate of the same run. Peak memory counts the tensors made
during the step, without parameters and features.

Then multi-head attention without its weights, at 80 queries per photo, is compared with bare `scaled_dot_product_attention` with the same
projections, in fp32 and under bfloat16 autocast (where the bare one computes in bfloat16). Finally the dropout of layers that draw many
masks is compared with PyTorch's own, forward and backward.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import in_turn, precisions, where  # noqa: E402
from memory import MadeTensors  # noqa: E402
from train_step import best_rate, with_pytorch_products  # noqa: E402

from captioner import attention  # noqa: E402
from captioner.attention import MultiHeadAttention, Query  # noqa: E402
from captioner.data.batches import Batch, pad_words  # noqa: E402
from captioner.decoders.lstm import LSTMDecoder  # noqa: E402
from captioner.layers.transformer_blocks import Dropout  # noqa: E402
from captioner.model import CaptionModel  # noqa: E402
from captioner.regions import Grid, Regions  # noqa: E402
from captioner.text.vocabulary import END, START  # noqa: E402
from captioner.training.contract import Totals  # noqa: E402
from captioner.training.objectives import TeacherForcing  # noqa: E402

PHOTOS, CAPTIONS, WORDS, SIZE, VOCABULARY = 8, 5, 14, 512, 9490
GRIDS = {49: (7, 7), 196: (14, 14), 1024: (32, 32)}
QUERIES = 80


def kinds() -> list[tuple[str, str | None]]:
    """Soft attention with every score, additive first, then the other kinds with the additive score."""
    takes_score = {kind: "score" in signature(make).parameters for kind, make in attention.KINDS.items()}
    first = [("soft", "additive"), *(("soft", score) for score in attention.SCORES if score != "additive")]
    return first + [(kind, "additive" if takes_score[kind] else None) for kind in attention.KINDS if kind != "soft"]


def make_attention(kind: str, score: str | None) -> attention.Attention:
    make = attention.KINDS[kind]
    arguments = {"query_size": SIZE, "region_size": SIZE, "cell_input_size": 2 * SIZE, "size": SIZE}
    if score is not None:
        part = attention.SCORES[score]
        arguments["score"] = part(
            **{name: value for name, value in arguments.items() if name in signature(part).parameters}
        )
    return make(**{name: value for name, value in arguments.items() if name in signature(make).parameters})


def training_step(made: attention.Attention, num_regions: int, device: torch.device) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(0)
    decoder = LSTMDecoder(made, SIZE, VOCABULARY, SIZE, SIZE, dropout=0.5, attend="after")
    objective = TeacherForcing(CaptionModel(nn.Identity(), decoder)).to(device)
    features = torch.randn(PHOTOS, num_regions, SIZE, generator=generator).to(device)
    words = torch.randint(4, VOCABULARY, (PHOTOS, CAPTIONS, WORDS), generator=generator).tolist()
    captions = [[[START, *caption, END] for caption in photo] for photo in words]
    batch = Batch(Regions.full(features, Grid(*GRIDS[num_regions])), pad_words(captions).to(device))
    totals = Totals(words=PHOTOS * CAPTIONS * (WORDS + 1), captions=PHOTOS * CAPTIONS, photos=PHOTOS)

    def step() -> None:
        objective(batch, totals)[0].backward()
        objective.zero_grad()

    return step


def multi_head_and_bare(device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], None], Callable[[], None]]:
    """Forward and backward of multi-head attention, and of the same operations written out."""
    precision = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
    made = MultiHeadAttention(SIZE, SIZE, 8, SIZE).to(device)
    features = torch.randn(PHOTOS, 49, SIZE, device=device)
    queries = torch.randn(PHOTOS, QUERIES, SIZE, device=device, requires_grad=True)
    regions = Regions.full(features, Grid(7, 7))
    query = Query(queries, torch.zeros(PHOTOS, QUERIES, device=device))

    def ours() -> None:
        with precision:
            context = made(query, made.remember(regions), need_weights=False).context
        context.sum().backward()
        made.zero_grad()

    def bare() -> None:
        parts = made.from_query.weight, made.to_key.weight, made.to_value.weight
        with precision:
            split = [
                functional.linear(inputs, weight).unflatten(-1, (8, -1)).transpose(1, 2)
                for inputs, weight in zip((queries, features, features), parts, strict=True)
            ]
            context = functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
            context = functional.linear(context, made.to_context.weight)
        context.sum().backward()
        made.zero_grad()

    return ours, bare


def dropouts(device: torch.device) -> tuple[Callable[[], None], Callable[[], None]]:
    """Forward and backward of our dropout and of PyTorch's, for 80 captions of 20 words."""
    inputs = torch.randn(80, 20, SIZE, device=device, requires_grad=True)

    def step_of(layer: nn.Module) -> Callable[[], None]:
        return lambda: layer(inputs).sum().backward()

    return step_of(Dropout(0.1)), step_of(nn.Dropout(0.1))


def operations(step: Callable[[], None]) -> float:
    with FlopCounterMode(display=False) as counted:
        with_pytorch_products(step)()  # the counter does not know the others
    return counted.get_total_flops()


def peak(step: Callable[[], None]) -> int:
    """The largest number of bytes that the step's tensors take at the same time."""
    with MadeTensors() as made:
        step()
    return made.peak_bytes


def main(device: torch.device, rounds: int, sizes: list[int]) -> None:
    console = Console()
    console.print(where(device))
    rate = best_rate(device, torch.float32)
    for size in sizes:
        torch.manual_seed(0)
        steps = {kind: training_step(make_attention(*kind), size, device) for kind in kinds()}
        counts = {kind: operations(step) for kind, step in steps.items()}
        peaks = {kind: peak(step) for kind, step in steps.items()}
        times = dict(zip(steps, in_turn(list(steps.values()), rounds, device), strict=True))
        rate = max(rate, best_rate(device, torch.float32))
        table = Table("kind", "ms", "relative to additive", "share of the floor", "peak MiB", title=f"{size} regions")
        for kind, took in times.items():
            relative, of_floor = took / times["soft", "additive"], counts[kind] / rate / took
            cells = [f"{1000 * took:.0f}", f"{relative:.2f}", f"{of_floor:.0%}", f"{peaks[kind] / 2**20:.0f}"]
            table.add_row(":".join(name for name in kind if name), *cells)
        console.print(table)
    pairs = {
        f"multi-head without weights, {QUERIES} queries, {dtype}": multi_head_and_bare(device, dtype)
        for dtype in precisions(device)
    } | {"dropout": dropouts(device)}
    for name, pair in pairs.items():
        ours, bare = in_turn(pair, 5 * rounds, device)
        times_of_pair = f"{1000 * ours:.2f} ms, PyTorch's own {1000 * bare:.2f} ms, {ours / bare:.2f} times as long"
        console.print(f"{name}: {times_of_pair}", highlight=False)
    console.print(f"best rate: {rate / 1e9:,.0f} GFLOP/s", highlight=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--regions", default=list(GRIDS), type=int, nargs="+", choices=list(GRIDS))
    options = parser.parse_args()
    main(options.device, options.rounds, options.regions)
