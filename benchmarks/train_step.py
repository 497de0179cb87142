"""One training step of the decoder (forward, backward, clipping, Adam), against the textbook decoder and against the floor.

    python benchmarks/train_step.py [--device cpu] [--rounds 7] [--clock wall] [--memory kept]
    python benchmarks/train_step.py --profile

8 photos x 5 captions of 9 to 16 words, 196 regions x 2,048, sizes 512/512/512, 9,490 words, dropout 0.5; features are frozen. All
decoders take turns in one process; figures are medians. The floor is the number of operations that real words need, forward and backward,
over the best matrix-product rate of the same run and precision, measured before and after. --profile shows instead where the time of
our step goes, by PyTorch's profiler, in float32.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import chosen, precisions, seconds, where  # noqa: E402
from textbook import TextbookDecoder  # noqa: E402

from captioner.attention.scores import AdditiveScore  # noqa: E402
from captioner.attention.soft import SoftAttention  # noqa: E402
from captioner.data.batches import Batch, pad_words  # noqa: E402
from captioner.decoders.lstm import LSTMDecoder  # noqa: E402
from captioner.layers import products  # noqa: E402
from captioner.model import CaptionModel  # noqa: E402
from captioner.regions import Grid, Regions  # noqa: E402
from captioner.text.vocabulary import END, PAD, START  # noqa: E402
from captioner.training.contract import Totals  # noqa: E402
from captioner.training.objectives import TeacherForcing  # noqa: E402
from captioner.training.optimisation import adam, clip_gradients  # noqa: E402

Result = TypeVar("Result")
PHOTOS, CAPTIONS, REGIONS, REGION = 8, 5, 196, 2048
COMPARISON, HIDDEN, WORD, VOCABULARY = 512, 512, 512, 9490
TEXTBOOK = {"gate": "vector", "output": "state"}
"""The options with which our decoder computes the same function as the textbook."""


def make_batch(device: torch.device) -> Batch:
    """Random regions and captions of 9 to 16 words, longest first, as in training batches."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(PHOTOS, REGIONS, REGION, generator=generator)
    lengths = torch.randint(9, 17, (PHOTOS, CAPTIONS), generator=generator).sort(dim=1, descending=True).values
    lengths = lengths[lengths[:, 0].argsort(descending=True)]
    captions = [
        [[START, *torch.randint(4, VOCABULARY, (length,), generator=generator).tolist(), END] for length in photo]
        for photo in lengths.tolist()
    ]
    return Batch(Regions.full(features.to(device), Grid(14, 14)), pad_words(captions).to(device))


def our_step(batch: Batch, precision: torch.dtype, **options: str) -> Callable[[], Tensor]:
    device = batch.words.device
    attention = SoftAttention(AdditiveScore(HIDDEN, REGION, COMPARISON), REGION)
    decoder = LSTMDecoder(attention, REGION, VOCABULARY, HIDDEN, WORD, dropout=0.5, **options)
    objective = TeacherForcing(CaptionModel(nn.Identity(), decoder)).to(device)
    totals = Totals(int((batch.targets != PAD).sum()), PHOTOS * CAPTIONS, PHOTOS)
    optimiser = adam(objective.parameters())

    def step() -> Tensor:
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            loss, _ = objective(batch, totals)
        return finish(loss, objective, optimiser)

    return step


def with_pytorch_products(step: Callable[[], Result]) -> Callable[[], Result]:
    """The step without `captioner.layers.products`."""

    def plain() -> Result:
        torch.backends.mkldnn.enabled = False
        try:
            return step()
        finally:
            torch.backends.mkldnn.enabled = True

    return plain


def textbook_step(batch: Batch) -> Callable[[], Tensor]:
    decoder = TextbookDecoder(REGION, VOCABULARY, HIDDEN, WORD, COMPARISON, dropout=0.5).to(batch.words.device)
    lengths = (batch.targets != PAD).sum(-1)
    optimiser = torch.optim.Adam(decoder.parameters(), 4e-4)

    def step() -> Tensor:
        return finish(decoder.loss(batch.photos.features, batch.words, lengths), decoder, optimiser)

    return step


def finish(loss: Tensor, module: nn.Module, optimiser: torch.optim.Optimizer) -> Tensor:
    loss.backward()
    clip_gradients(module.parameters(), "norm", 5.0)
    optimiser.step()
    optimiser.zero_grad()
    return loss


def operations(batch: Batch, gate: str, output: str) -> float:
    """Floating-point operations of a step for real words only, 2 per multiply-add; a product's backward is two more products."""
    num_words = int((batch.targets != PAD).sum())
    gate_size = {"scalar": 1, "vector": REGION}[gate]
    output_size = WORD if output == "deep" else HIDDEN
    per_word = 2 * (
        (WORD + REGION + HIDDEN) * 4 * HIDDEN  # the LSTM's gates
        + HIDDEN * COMPARISON  # the query
        + HIDDEN * gate_size
        + REGIONS * REGION  # the weighted sum
        + REGIONS * COMPARISON  # the energy
        + output_size * VOCABULARY
        + (HIDDEN + REGION) * WORD * (output == "deep")
    )
    elementwise = 2 * REGIONS * COMPARISON  # sum and tanh in the score, one operation each
    per_photo = 2 * REGION * 2 * HIDDEN  # the first state
    keys = 2 * REGIONS * REGION * COMPARISON  # frozen features: backward computes only the weight's gradient
    sums = REGIONS * REGION * 2  # half of the weighted sum's backward, for the frozen features, is not needed
    return num_words * (3 * (per_word + elementwise) - sums) + PHOTOS * (2 * per_photo + 2 * keys)


def best_rate(device: torch.device, dtype: torch.dtype, clock: str = "wall") -> float:
    """Operations per second of the fastest square matrix product."""
    best = 0.0
    for size in (1024, 2048, 3072):
        left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        ways = [torch.matmul, products.linear] if products.is_faster(left, right) else [torch.matmul]
        for multiply in ways * 5:
            took = seconds(lambda left=left, right=right, multiply=multiply: multiply(left, right), device, clock)
            best = max(best, 2 * size**3 / took)
    return best


@dataclass
class Row:
    name: str
    step: Callable[[], Tensor]
    operations: float | None = None
    precision: torch.dtype = torch.float32


def main(device: torch.device, rounds: int, profile: bool, clock: str) -> None:
    batch = make_batch(device)
    if profile:
        show_parts(our_step(batch, torch.float32, **TEXTBOOK), rounds)
        return
    deep = {"gate": "scalar", "output": "deep"}
    rows = [
        Row("textbook, fp32", textbook_step(batch)),
        Row("captioner, fp32", our_step(batch, torch.float32, **TEXTBOOK), operations(batch, **TEXTBOOK)),
        Row(
            "captioner, fp32, PyTorch's products",
            with_pytorch_products(our_step(batch, torch.float32, **TEXTBOOK)),
            operations(batch, **TEXTBOOK),
        ),
        Row(
            "captioner, bf16 autocast",
            our_step(batch, torch.bfloat16, **TEXTBOOK),
            operations(batch, **TEXTBOOK),
            torch.bfloat16,
        ),
        Row(
            "captioner with deep output (as configured), fp32",
            our_step(batch, torch.float32, **deep),
            operations(batch, **deep),
        ),
        Row(
            "captioner with deep output (as configured), bf16",
            our_step(batch, torch.bfloat16, **deep),
            operations(batch, **deep),
            torch.bfloat16,
        ),
    ]
    dtypes = precisions(device)
    rows = [row for row in rows if row.precision in dtypes]
    rates = {dtype: best_rate(device, dtype, clock) for dtype in dtypes}
    times = measure(rows, rounds, device, clock)
    rates = {dtype: max(rates[dtype], best_rate(device, dtype, clock)) for dtype in dtypes}
    report(rows, times, rates, device)


def measure(rows: list[Row], rounds: int, device: torch.device, clock: str) -> list[float]:
    """Median seconds of each row; all take turns in every round, after two warm-up rounds."""
    times: list[list[float]] = [[] for _ in rows]
    for turn in range(rounds + 2):
        for row, row_times in zip(rows, times, strict=True):
            took = seconds(row.step, device, clock)
            if turn >= 2:
                row_times.append(took)
    return [statistics.median(row_times) for row_times in times]


def report(rows: list[Row], times: list[float], rates: dict[torch.dtype, float], device: torch.device) -> None:
    table = Table(title="one training step of the decoder, medians")
    for name in ("decoder", "ms", "speed-up over textbook, fp32", "share of the floor"):
        table.add_column(name, justify="left" if name == "decoder" else "right")
    for row, took in zip(rows, times, strict=True):
        share = f"{row.operations / rates[row.precision] / took:.0%}" if row.operations else "-"
        table.add_row(row.name, f"{1000 * took:.0f}", f"{times[0] / took:.1f}", share)
    console = Console(width=110)
    console.print(table)
    shown = ", ".join(f"{str(dtype).removeprefix('torch.')} {rate / 1e9:,.0f}" for dtype, rate in rates.items())
    counts = f"{rows[1].operations / 1e9:.1f} and {rows[-1].operations / 1e9:.1f} G"
    console.print(f"best matrix products: {shown} GFLOP/s; operations of a step: {counts}")
    console.print(where(device))


PARTS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "mkldnn::_linear_pointwise"),
    "elements of the additive score": (
        "aten::addcmul",
        "aten::sum",
        "aten::div",
        "aten::reciprocal_",
        "_EnergyOfPowers",
    ),
    "Adam and clipping": ("aten::_fused_adam_", "aten::linalg_vector_norm"),
    "exponentials of the loss": ("aten::exp_",),
    "dropout": ("aten::bernoulli_",),
}
"""Operations of a step by the beginning of their names; almost all calls of them belong to this part."""


def show_parts(step: Callable[[], Tensor], rounds: int) -> None:
    """Print which share of a step's time each part takes."""
    for _ in range(2):
        step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(rounds):
            step()
    took = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    whole = sum(took.values())
    shares = {part: sum(took[name] for name in took if name.startswith(names)) / whole for part, names in PARTS.items()}
    for part, share in [*shares.items(), ("everything else", 1 - sum(shares.values()))]:
        print(f"{part:32} {share:6.1%}")
    print(where())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--profile", action="store_true")
    main(**chosen(parser))
