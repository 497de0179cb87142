"""A dry run at the size of COCO: 113,287 photos with five captions each, a full-size feature store, 1 % of an epoch, extrapolated.

    python benchmarks/coco_dry_run.py [--device cpu] [--share 0.01] [--grid 7] [--precision mixed]

Vocabulary, sizes and batch are those of configs/coco_soft.yaml. Captions are random words, as many and as long as those of COCO (8 to 16).
The store's files are as long as the real ones (22.7 GB at 7 x 7), but contain random features only in the rows that are read; the rest is
sparse and takes no space on disk. The result is the memory that a process needs, and the time of an epoch.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import where  # noqa: E402

from captioner.attention.scores import AdditiveScore  # noqa: E402
from captioner.attention.soft import SoftAttention  # noqa: E402
from captioner.data.batches import CaptionedPhotos  # noqa: E402
from captioner.decoders.lstm import LSTMDecoder  # noqa: E402
from captioner.features.store import FeatureStore  # noqa: E402
from captioner.model import CaptionModel  # noqa: E402
from captioner.regions import Grid, Regions  # noqa: E402
from captioner.text.vocabulary import END, START  # noqa: E402
from captioner.training.contract import Totals  # noqa: E402
from captioner.training.distributed import number_type  # noqa: E402
from captioner.training.objectives import TeacherForcing  # noqa: E402
from captioner.training.optimisation import adam, clip_gradients  # noqa: E402

PHOTOS, CAPTIONS, REGION, VOCABULARY, BATCH = 113_287, 5, 2048, 9_490, 16


def main(device: torch.device, share: float, grid: int, precision: str) -> float:
    """Returns the hours of an epoch."""
    torch.manual_seed(0)
    started = time.perf_counter()
    captions = [
        [[START, *words, END] for words in sorted(photo, key=len, reverse=True)] for photo in random_captions(PHOTOS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder), (grid * grid, REGION), about={})
        photos = CaptionedPhotos(lambda indices, views: Regions.full(store.read(indices), Grid(grid, grid)), captions)
        order = photos.order(BATCH, seed=0, epoch=0)
        batches = order[: max(4, round(len(order) * share))]
        fill(store, [photo for batch in batches for photo in batch])
        print(
            f"start: {time.perf_counter() - started:.0f} s; the store's files: {store.row_bytes * PHOTOS / 1e9:.1f} GB"
        )
        attention = SoftAttention(AdditiveScore(512, REGION, 512), REGION)
        decoder = LSTMDecoder(attention, REGION, VOCABULARY, 512, 512, gate="vector")
        objective = TeacherForcing(
            CaptionModel(nn.Identity(), decoder), coverage=1.0, coverage_reduction="mean_regions"
        )
        per_step = steps(objective.to(device), photos, batches, device, precision, len(order))
    print(where(device))
    return per_step * len(order) / 3600


def random_captions(count: int) -> list[list[list[int]]]:
    lengths = torch.randint(8, 17, (count, CAPTIONS)).tolist()
    return [[torch.randint(4, VOCABULARY, (length,)).tolist() for length in photo] for photo in lengths]


def fill(store: FeatureStore, photos: list[int]) -> None:
    """Make files of full length, with random features in the rows that will be read."""
    for shard in range(-(-PHOTOS // store.rows_per_shard)):
        rows = min(store.rows_per_shard, PHOTOS - shard * store.rows_per_shard)
        with store._shard(shard).open("wb") as file:
            file.truncate(rows * store.row_bytes)
    for photo in photos:
        store._write_rows(photo, torch.rand(1, *store.shape).half().numpy())
    store.refresh()


def steps(
    objective: nn.Module, photos: CaptionedPhotos, order, device: torch.device, precision: str, steps_per_epoch: int
) -> float:
    """Train on the batches of an order; returns the seconds of a step."""
    optimiser = adam(objective.parameters())
    dtype = number_type(precision, device)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    started, counted = time.perf_counter(), 0
    for step, batch in enumerate(photos.batches(order)):
        if step == 2:  # the first steps allocate memory
            started = time.perf_counter()
        on_device = batch.to(device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss, _ = objective(
                on_device, Totals(int((on_device.targets != 0).sum()), len(batch.words) * CAPTIONS, len(batch.words))
            )
        scaler.scale(loss).backward()
        scaler.unscale_(optimiser)
        clip_gradients(objective.parameters(), "value", 5.0)
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad()
        counted += step >= 2
    if device.type == "cuda":
        torch.cuda.synchronize()
    per_step = (time.perf_counter() - started) / counted
    print(f"{counted} steps of {BATCH} photos: {1000 * per_step:.0f} ms per step, {BATCH / per_step:.1f} photos/s; "
          f"an epoch of {steps_per_epoch:,} steps: {per_step * steps_per_epoch / 3600:.2f} h")  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory: {peak / 2**20:.1f} GiB, including mapped pages of the store")
    if device.type == "cuda":
        print(f"peak memory on the device: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    return per_step


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--share", default=0.01, type=float)
    parser.add_argument("--grid", default=7, type=int)
    parser.add_argument("--precision", default="mixed", choices=["mixed", "fp32"])
    main(**vars(parser.parse_args()))
