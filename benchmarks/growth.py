"""How time and memory grow with the number of photos: feature store, start, epoch, evaluation and scoring, and what COCO would take.

    python benchmarks/growth.py
    python benchmarks/growth.py --photos 1000,4000,16000 --seconds 7200

Drawn pictures with five captions each; the frozen encoder of the bundled model at 128 pixels (16 regions of 1,280 numbers); the decoder
of configs/drawn.yaml, 32 photos in a batch; greedy decoding; every score with its interval. "Start" is a second start of a run, whose
regions are stored. Every number of photos has its own processes, with --threads each, 1 by default; with two processes under torchrun,
the first stores and scores, and both train and decode. Memory is the peak of the first process, with the mapped pages of the store.

The exponent e of time ~ photos^e is fitted to all numbers of photos; constant costs make it small. One above 1.1 is named: that stage
grows faster than its input. COCO is extrapolated from the most photos, with the exponent, or 1 if it is below: store, start and epoch
of 113,287 photos, evaluation and scoring of 5,000. Numbers of photos that would not end within --seconds are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import torch
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import where  # noqa: E402

from captioner import builder  # noqa: E402
from captioner.builder.run_folder import write_start  # noqa: E402
from captioner.captioner import Captioner  # noqa: E402
from captioner.commands.photo_sources import decode, photo_source, read_splits  # noqa: E402
from captioner.commands.train.training_run import make_trainer  # noqa: E402
from captioner.metrics import SystemScorer  # noqa: E402
from captioner.training.distributed import Processes, processes  # noqa: E402
from captioner.training.plan import Validation  # noqa: E402

CONFIG = Path(__file__).parents[1] / "configs" / "drawn.yaml"
SETTINGS = ["data.num_val=2", "data.num_unseen=1", "encoder.kind=timm", "encoder.network=tf_efficientnet_lite2", "encoder.input_size=128",
            "encoder.fit=stretch", "encoder.from_run=natural", "run.epochs=1", "run.batch_size=32"]  # fmt: skip
STAGES = {"store": 113_287, "start": 113_287, "epoch": 113_287, "evaluation": 5_000, "scoring": 5_000}
"""Each with the number of photos of COCO that it is extrapolated to: Karpathy's splits for training and validation."""
TOO_FAST = 1.1
Measured = dict[str, dict[str, float]]
"""Seconds and peak MiB by stage."""
console = Console(highlight=False, width=110)


# In the processes that are measured


def work(num_photos: int, folder: Path, overrides: list[str]) -> None:
    """Run every stage with so many photos; the first process prints what it took."""
    stages: Measured = {}
    with processes("cpu") as here:
        settings = builder.read(CONFIG, [*SETTINGS, *overrides])
        splits = read_splits(settings)
        train = splits["train"] = splits["train"][:num_photos]
        torch.manual_seed(0)
        vocabulary, model = builder.make_start(settings, splits)
        here.from_first(lambda: write_start(folder, settings, vocabulary, model))
        with stage("store", stages, here):
            source, _ = photo_source(settings, model, train, "train", folder, here=here)
            photo_source(settings, model, splits["val"], "val", folder, here=here)
        with stage("start", stages, here):
            trainer = make_trainer(settings, splits, vocabulary, model, folder, here)
        trainer.validate = lambda: Validation({"CIDEr-D": 0.0}, [])
        with stage("epoch", stages, here):
            trainer.run()
        captioner = Captioner(model, vocabulary, builder.make_search(settings, vocabulary))
        with stage("evaluation", stages, here):
            shares = here.gather([caption.text for caption in decode(captioner, source, here.share(range(len(train))))])
        with stage("scoring", stages, here):
            if here.first:
                texts = {train[i].id: shares[i % here.count][i // here.count] for i in range(len(train))}
                references = {example.id: example.references for example in train}
                _ = SystemScorer(references, "ptb", references)(texts).intervals
        if here.first:
            print(json.dumps(stages), flush=True)


@contextmanager
def stage(name: str, stages: Measured, here: Processes) -> Iterator[None]:
    """Measure the time of all processes, and the peak memory of this one."""
    here.gather(None)
    forget_peak()
    started = time.perf_counter()
    yield
    here.gather(None)
    stages[name] = {"seconds": time.perf_counter() - started, "peak": peak()}


def forget_peak() -> None:
    """Let the peak begin again, where the system can; elsewhere it is that of all stages so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak() -> float:
    """MiB."""
    try:
        high = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    except OSError:
        high = None
    return (int(high[1]) if high else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024


# In the process that measures


def main(photos: str, processes: str, threads: int, seconds: float, settings: list[str]) -> None:
    sizes, counts = sorted(map(int, photos.split(","))), sorted(map(int, processes.split(",")))
    started = time.perf_counter()
    measured: dict[int, dict[int, Measured]] = {count: {} for count in counts}
    with tempfile.TemporaryDirectory() as temporary:
        drawn = [f"data.root={temporary}/drawn", f"data.num_train={sizes[-1]}"]
        read_splits(builder.read(CONFIG, [*SETTINGS, *drawn, *settings]))  # draws
        last = 0.0
        for size in sizes:
            for count in counts:
                left = seconds - (time.perf_counter() - started)
                if last and last * size / sizes[max(0, sizes.index(size) - 1)] > left:
                    console.print(
                        f"{size:,} photos in {count} processes are left out: they would end after --seconds {seconds:.0f}"
                    )
                    continue
                began, folder = time.perf_counter(), Path(temporary, f"{size}-{count}")
                overrides = [*drawn, f"run.features={folder}-features", *settings]
                measured[count][size] = in_processes(size, count, threads, folder, overrides)
                last = time.perf_counter() - began
    for count, by_size in measured.items():
        if by_size:
            report(count, by_size)
    console.print(f"{where()}; {threads} of these threads in each process")


def in_processes(size: int, count: int, threads: int, folder: Path, overrides: list[str]) -> Measured:
    start = [
        sys.executable,
        *(["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []),
    ]
    command = [*start, __file__, f"--worker={size}", f"--folder={folder}", *overrides]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        raise SystemExit(
            f"{size:,} photos in {count} processes failed with status {done.returncode}; the message is above"
        )
    return json.loads(done.stdout.splitlines()[-1])


def exponent(times: dict[int, float]) -> float | None:
    """The slope of log time over log photos, by least squares; None for fewer than two numbers of photos."""
    if len(times) < 2:
        return None
    sizes, seconds = numpy.log(list(times)), numpy.log(list(times.values()))
    return float(numpy.polyfit(sizes, seconds, 1)[0])


def report(count: int, measured: dict[int, Measured]) -> None:
    """Seconds and memory by stage and number of photos, exponents, and COCO."""
    table = Table(title=f"{count} process{'es' if count > 1 else ''}: seconds (peak MiB)")
    for name in ("stage", *(f"{size:,} photos" for size in measured), "exponent", "COCO"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    largest, too_fast = max(measured), []
    for name, wanted in STAGES.items():
        times = {size: stages[name]["seconds"] for size, stages in measured.items()}
        slope = exponent(times)
        coco = times[largest] * (wanted / largest) ** max(1.0, slope or 1.0)
        cells = [f"{stages[name]['seconds']:.2f} ({stages[name]['peak']:,.0f})" for stages in measured.values()]
        table.add_row(name, *cells, "-" if slope is None else f"{slope:.2f}", duration(coco))
        if slope is not None and slope > TOO_FAST:
            too_fast.append(f"{name} ({slope:.2f})")
    console.print(table)
    if too_fast:
        console.print(f"FASTER THAN ITS INPUT grows, in {count} processes: {', '.join(too_fast)}")


def duration(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:.1f} min"
        if seconds >= 60
        else f"{seconds:.0f} s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", default="250,500,1000")
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--threads", default=1, type=int)
    parser.add_argument("--seconds", default=150.0, type=float)
    parser.add_argument("--worker", default=0, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", default=None, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("settings", nargs="*")
    options = vars(parser.parse_args())
    number, folder = options.pop("worker"), options.pop("folder")
    if number:
        work(number, folder, options["settings"])
    else:
        main(**options)
