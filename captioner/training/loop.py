"""The training loop: one step, its records, validation, checkpoints, and going on where it stopped.

Everything random is a function of (seed, step, process) or (seed, epoch), so a checkpoint holds no generator's state, and resuming gives
the same losses as not stopping, in the middle of an epoch too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn, optim
from torch.nn.parallel import DistributedDataParallel

from captioner.data.batches import Batch, CaptionedPhotos
from captioner.progress import Report
from captioner.regions import Regions
from captioner.training import alarms
from captioner.training.averaging import WeightAverage
from captioner.training.checkpoints import BEST, NEWEST, model_tensors, save_checkpoint
from captioner.training.contract import Objective, Totals
from captioner.training.distributed import Processes
from captioner.training.optimisation import Constant, clip_gradients, mixed_precision
from captioner.training.plan import Plan, Progress, Validation
from captioner.training.resuming import Resumable
from captioner.training.run_log import RunLog
from captioner.training.stopping import Interrupted, stop_signals

_LOG_EVERY = 10  # steps


@dataclass
class Trainer:
    """Trains an objective, from the start or from the newest checkpoint in the folder. The parts come finished.

    `validate` decodes the validation split; every process calls it, and it returns the same to all. `report` hears of every step and
    every validation.
    """

    objective: Objective
    optimiser: optim.Optimizer
    schedule: Constant
    photos: CaptionedPhotos
    validate: Callable[[], Validation]
    plan: Plan
    folder: Path
    processes: Processes
    log: Callable[[int], RunLog]
    report: Report
    frozen: nn.Module | None = None

    def __post_init__(self):
        self.progress = Progress()
        self.model: nn.Module = self.objective.get_submodule("model")
        self.learning_rates = [group["lr"] for group in self.optimiser.param_groups]
        device = self.processes.device
        self.dtype = mixed_precision(device) if self.plan.precision == "mixed" else torch.float32
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.average = WeightAverage(self.model, self.plan.ema_decay)
        self.resumable = Resumable(
            self.objective, self.model, self.average, self.optimiser, self.schedule, self.scaler, self.frozen
        )
        self.unchecked = torch.zeros(
            len(self.objective.terms), device=device
        )  # terms and gradient norms since the last check
        self.stop_asked = False
        self.saved_at = time.monotonic()

    def run(self) -> Progress:
        """Train to the end, or until asked to stop.

        Raises:
            Interrupted: a signal came; the newest checkpoint holds everything up to it.
            UserError: the loss is no longer a number.
        """
        if (self.folder / NEWEST).exists():
            self.progress = self.resumable.restore(self.folder / NEWEST)
        self.wrapped = self.processes.wrap(self.objective)
        self.run_log = self.log(self.progress.step) if self.processes.first else None
        try:
            with stop_signals(self._ask_to_stop):
                while not self.progress.finished:
                    self._epoch()
        finally:
            if self.run_log is not None:
                self.run_log.close()
        return self.progress

    def _epoch(self) -> None:
        progress, plan = self.progress, self.plan
        order = self.photos.order(plan.batch_size, plan.seed, progress.epoch)
        self.steps_per_epoch = len(order)
        self.objective.train()
        remaining = order[progress.batch :]
        parts = [part for batch in remaining for part in self._parts(batch)]
        batches = self.photos.batches(parts, plan.workers)
        for indices in remaining:
            self._train_on(indices, batches)
            progress.batch += 1
            self._save_in_time()
        progress.epoch, progress.batch = progress.epoch + 1, 0
        last = progress.epoch >= plan.epochs
        if last or progress.epoch % plan.validate_every == 0:
            self._validate()
        progress.finished = last or 0 < plan.patience <= progress.waited
        self._save()

    def _parts(self, batch: Sequence[int]) -> list[list[int]]:
        """This process's share of a batch, cut into the parts that are accumulated."""
        stride = self.processes.count * self.plan.accumulate
        return [
            list(batch[self.processes.rank + part * self.processes.count :: stride])
            for part in range(self.plan.accumulate)
        ]

    def _train_on(self, indices: Sequence[int], batches: Iterator[Batch]) -> None:
        started = time.monotonic()
        rate = self.schedule.factor(self.progress.step, self.steps_per_epoch, self.plan.epochs)
        for group, base in zip(self.optimiser.param_groups, self.learning_rates, strict=True):
            group["lr"] = base * rate
        terms = self._gradients(indices, batches)
        self.scaler.unscale_(self.optimiser)
        norm = clip_gradients(self.objective.parameters(), self.plan.clip, self.plan.clip_at)
        if not self.scaler.is_enabled():  # a scaler leaves out steps whose gradient is no number
            self.unchecked = self.unchecked + norm.to(self.unchecked)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad()
        self.progress.step += 1
        self.average.update(self.progress.step)
        self._note(terms, norm, len(indices), time.monotonic() - started)

    def _gradients(self, indices: Sequence[int], batches: Iterator[Batch]) -> Tensor:
        """Accumulate the step's gradients; returns the objective's terms, this process's share."""
        captions = [caption for index in indices for caption in self.photos.captions_of(index)]
        totals = Totals(
            words=sum(len(caption) - 1 for caption in captions),
            captions=len(captions),
            photos=len(indices),
            step=self.progress.step,
        )
        torch.manual_seed(_mix(self.plan.seed, self.progress.step, self.processes.rank))
        terms = torch.zeros_like(self.unchecked)
        for part in range(self.plan.accumulate):
            batch = next(batches)
            self._check_photos(batch)
            with (
                self._synchronised(part),
                torch.autocast(self.processes.device.type, self.dtype, enabled=self.dtype != torch.float32),
            ):
                loss, shares = self.wrapped(batch.to(self.processes.device), totals)
            with self._synchronised(part):
                self.scaler.scale(loss * self.processes.count).backward()  # DDP takes the mean over processes
            terms += shares
        self.unchecked = self.unchecked + terms
        return terms

    def _synchronised(self, part: int) -> AbstractContextManager:
        """Processes exchange gradients in the last part of a step only."""
        last = part == self.plan.accumulate - 1
        return (
            self.wrapped.no_sync() if isinstance(self.wrapped, DistributedDataParallel) and not last else nullcontext()
        )

    def _check_photos(self, batch: Batch) -> None:
        if (
            self.progress.step == 0
            and not isinstance(batch.photos, Regions)
            and (alarm := alarms.dark_photos(batch.photos))
        ):
            self.report.alarm(alarm)

    def _note(self, terms: Tensor, norm: Tensor, num_photos: int, seconds: float) -> None:
        """Log every few steps: reading the losses waits for the device."""
        progress, step = self.progress, self.progress.step
        if step % _LOG_EVERY and step > 3:
            self.report.step(step, progress.epoch, progress.batch, self.steps_per_epoch, num_photos)
            return
        self._check_losses()
        shares = torch.tensor(self.processes.gather(terms.tolist())).sum(0)
        found = dict(zip(self.objective.terms, shares.tolist(), strict=True))
        values = {**found, "learning_rate": self.optimiser.param_groups[0]["lr"], "gradient_norm": float(norm)}
        shown = next(iter(found.items()))
        self.report.step(step, progress.epoch, progress.batch, self.steps_per_epoch, num_photos, shown)
        if self.run_log is not None:
            self.run_log.write("train", step, epoch=self.progress.epoch, seconds=round(seconds, 4), **values)

    def _check_losses(self) -> None:
        """Every loss and gradient since the last check was a number; always asked before anything is saved."""
        total = sum(self.processes.gather(float(self.unchecked.sum())))
        alarms.check_loss(total, self.progress.step)
        self.unchecked = torch.zeros_like(self.unchecked)

    def _validate(self) -> None:
        self._check_losses()
        with self.average.in_place():
            self._validate_and_keep()

    def _validate_and_keep(self) -> None:
        validation = self.validate()
        score = validation.scores[self.plan.monitor]
        self.schedule.after_validation(score)
        progress = self.progress
        better = score > progress.best_score
        progress.best_score, progress.waited = (score, 0) if better else (progress.best_score, progress.waited + 1)
        if better and self.processes.first:
            state = {"progress": asdict(progress), "scores": validation.scores}
            save_checkpoint(self.folder / BEST, model_tensors(self.model, self.frozen), state)
        texts = [caption.text for caption in validation.captions]
        maps = {"map_change": validation.map_change, "map_entropy": validation.map_entropy}
        for alarm in (alarms.identical_captions(texts), alarms.frozen_maps(maps["map_change"])):
            if alarm:
                self.report.alarm(alarm)
        distinct = alarms.distinct_share(texts)
        self.report.validation(progress.epoch, self.plan.monitor, score, better, distinct, validation.map_change)
        values = {**validation.scores, "distinct_captions": distinct, **maps}
        if self.run_log is not None:
            self.run_log.write("validation", progress.step, epoch=progress.epoch, **values)

    def _save_in_time(self) -> None:
        """Save inside an epoch when it is time, or when asked to stop; all processes agree."""
        due = time.monotonic() - self.saved_at > 60 * self.plan.save_minutes
        if self.processes.count > 1:
            due = self.processes.any(due)
            self.stop_asked = self.processes.any(self.stop_asked)
        if due or self.stop_asked:
            self._save()
        if self.stop_asked:
            raise Interrupted

    def _save(self) -> None:
        self._check_losses()
        if self.processes.first:
            self.resumable.save(self.folder / NEWEST, self.progress)
        self.processes.wait()
        self.saved_at = time.monotonic()

    def _ask_to_stop(self, *_) -> None:
        """The first time after the step; the second time at once."""
        if self.stop_asked:
            raise KeyboardInterrupt
        self.stop_asked = True
        self.report.stopping()


def _mix(seed: int, step: int, rank: int) -> int:
    """One number of three, so that no two steps or processes share their dropout."""
    return (seed * 1_000_003 + step) * 4_099 + rank
