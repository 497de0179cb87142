"""The training loop: epochs of steps, the log, validation, checkpoints, and resuming.

The order of an epoch is a function of (seed, epoch), and what a step draws of (seed, step, process). Resuming therefore gives the same
losses as not stopping, in the middle of an epoch too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn, optim

from captioner.data.batches import Batch, CaptionedPhotos
from captioner.errors import Interrupted
from captioner.progress import Report, silent
from captioner.regions import Regions
from captioner.training import alarms
from captioner.training.averaging import WeightAverage
from captioner.training.checkpoints import BEST, NEWEST, model_tensors, not_finite, save_checkpoint
from captioner.training.contract import Objective, Totals
from captioner.training.distributed import Processes, others_alive
from captioner.training.optimisation import Constant, scale_learning_rates
from captioner.training.plan import Changes, Plan, Progress, Validation, check_batch_size
from captioner.training.resuming import Nested, Resumable
from captioner.training.run_log import RunLog
from captioner.training.step import TrainingStep
from captioner.training.stopping import StopRequest

_LOG_EVERY = 10  # steps


class Trainer:
    """Trains an objective, from the start or from the newest checkpoint in the folder.

    Args:
        validate: decodes and scores the validation split. Every process calls it, and it returns the same to all.
        log: opens the log of a run that starts from the given progress, with the given settings changed.
        report: hears of every step and every validation.
        frozen: the part of the model that is not trained; it is not in the checkpoints.
        stop: hears of signals that ask to stop.
        settings: section by section, saved in the newest checkpoint, which is how changed settings are seen.
    """

    def __init__(
        self,
        objective: Objective,
        optimiser: optim.Optimizer,
        schedule: Constant,
        photos: CaptionedPhotos,
        validate: Callable[[], Validation],
        plan: Plan,
        folder: Path,
        processes: Processes,
        log: Callable[[Progress, Changes], RunLog],
        report: Report = silent,
        frozen: nn.Module | None = None,
        stop: StopRequest | None = None,
        settings: Nested = MappingProxyType({}),
    ):
        check_batch_size(plan, photos.epoch_sizes, processes.count)
        self.objective, self.frozen = objective, frozen
        self.optimiser, self.schedule, self.plan = optimiser, schedule, plan
        self.photos, self.validate, self.log, self.report = photos, validate, log, report
        self.folder, self.processes = folder, processes
        self.training_step = TrainingStep(objective, optimiser, plan, processes)
        self.average, scaler = WeightAverage(objective.model, plan.ema_decay), self.training_step.scaler
        self.resumable = Resumable(objective, self.average, optimiser, schedule, scaler, frozen, plan, settings)
        self.progress = Progress()
        self.steps_per_epoch = 0  # of this epoch; not all are alike where photos have unequal numbers of captions
        self.unchecked = torch.zeros(len(objective.terms) + 1, device=processes.device)  # sums since the last check
        self.unchecked_steps = 0
        self.mean_loss = math.nan  # of the first term over the steps of the last epoch
        self.saved_step: int | None = None
        self.stop = stop or StopRequest(report)
        self.saved_at = time.monotonic()
        self.run_log: RunLog | None = None

    def run(self) -> Progress:
        """Train to the end, or until asked to stop.

        Raises:
            Interrupted: a signal came; the newest checkpoint holds everything up to it.
            UserError: the loss or the weights are no longer finite.
        """
        changes: Changes = {}
        if (self.folder / NEWEST).exists():
            self.progress, changes = self.resumable.restore(self.folder / NEWEST, self.report)
            self.saved_step = self.progress.step
            if changes and self.progress.finished:  # the change has ended it
                self._save()
        self.processes.from_first(lambda: self._open_log(changes))
        try:
            with self.stop.listening(), self.stop.at_once(False):
                while not self.progress.finished:
                    self._epoch()
        finally:
            if self.run_log is not None:
                self.run_log.close()
        return self.progress

    def _open_log(self, changes: Changes) -> None:
        self.run_log = self.log(self.progress, changes)

    def _epoch(self) -> None:
        progress, plan = self.progress, self.plan
        self.objective.train()
        order = self.photos.order(plan.batch_size, plan.seed, progress.epoch)
        self.steps_per_epoch = len(order)
        remaining = order[progress.batch :]
        parts = [part for indices in remaining for part in self._parts(indices)]
        batches = self.photos.batches(parts, plan.workers)
        for indices in remaining:
            self._train_on(indices, batches)
            progress.batch += 1
            self._save_if_due()
        self._end_epoch()

    def _end_epoch(self) -> None:
        """Validate and save. If validation is interrupted, the run resumes from before it."""
        self._check_numbers()
        progress, before = self.progress, replace(self.progress)
        self.mean_loss = progress.loss_sum / max(1, progress.loss_steps)
        progress.epoch, progress.batch, progress.loss_sum, progress.loss_steps = progress.epoch + 1, 0, 0.0, 0
        if progress.epoch >= self.plan.epochs or progress.epoch % self.plan.validate_every == 0:
            try:
                self._validate()
            except Interrupted:
                self.progress = before
                self._save()
                raise
        progress.finished = progress.is_complete(self.plan)
        self._save()
        if not progress.finished and self.processes.any(self.stop.asked):
            raise Interrupted

    def _parts(self, indices: Sequence[int]) -> list[list[int]]:
        """This process's share of a batch, cut into the parts that are accumulated."""
        share = self.processes.share(indices)
        return [list(share[part :: self.plan.accumulate]) for part in range(self.plan.accumulate)]

    def _train_on(self, indices: Sequence[int], batches: Iterator[Batch]) -> None:
        started = time.monotonic()
        epoch = self.progress.epoch + self.progress.batch / self.steps_per_epoch
        factor = self.schedule.factor(self.progress.step, epoch, self.plan.epochs)
        scale_learning_rates(self.optimiser, factor)
        captions = [caption for index in indices for caption in self.photos.captions_of(index)]
        num_words = sum(len(caption) - 1 for caption in captions)
        totals = Totals(num_words, len(captions), len(indices), self.progress.step)
        parts = (self._checked(next(batches)) for _ in range(self.plan.accumulate))
        with others_alive():  # DistributedDataParallel exchanges gradients
            terms, norm = self.training_step(parts, totals)
        # A scaler skips steps whose gradient is not finite.
        checked = torch.zeros_like(norm) if self.training_step.scaler.is_enabled() else norm
        self.unchecked = self.unchecked + torch.cat([terms, checked.to(terms).reshape(1)])
        self.unchecked_steps += 1
        self.progress.step += 1
        self.average.update(self.progress.step)
        self._record_step(terms, norm, len(indices), time.monotonic() - started)

    def _checked(self, batch: Batch) -> Batch:
        """The same batch; in the first step, an alarm if its photos are dark."""
        if self.progress.step == 0 and not isinstance(batch.photos, Regions):
            self._alarm(alarms.dark_photos(batch.photos))
        return batch

    def _record_step(self, terms: Tensor, norm: Tensor, num_photos: int, seconds: float) -> None:
        """Log every few steps only, since reading the losses waits for the device."""
        progress, term = self.progress, None
        if progress.step % _LOG_EVERY == 0 or progress.step <= 3:
            self._check_losses()
            sums = torch.tensor(self.processes.gather(terms.tolist())).sum(0)
            values = dict(zip(self.objective.terms, sums.tolist(), strict=True))
            term = next(iter(values.items()))
            values |= {"learning_rate": self.optimiser.param_groups[0]["lr"], "gradient_norm": float(norm)}
            if self.run_log is not None:
                self.run_log.write("train", progress.step, epoch=progress.epoch, seconds=round(seconds, 4), **values)
        self.report.step(progress.step, progress.epoch, progress.batch, self.steps_per_epoch, num_photos, term)

    def _check_losses(self) -> None:
        """Stop if a loss or gradient since the last check was not finite, and add the losses to the sum of the epoch."""
        sums = [sum(values) for values in zip(*self.processes.gather(self.unchecked.tolist()), strict=True)]
        alarms.check_loss(sum(sums), self.progress.step, self._saved())
        self.progress.loss_sum += sums[0]
        self.progress.loss_steps += self.unchecked_steps
        self.unchecked, self.unchecked_steps = torch.zeros_like(self.unchecked), 0

    def _check_numbers(self) -> None:
        """Stop if a loss, a weight or any other value that is saved is not finite. Called before anything is saved."""
        self._check_losses()
        names = self.processes.gather(not_finite(self.resumable.tensors()))
        name = next(filter(None, names), None)
        if name is not None:
            raise alarms.diverged(f"{name} became infinite or not a number", self.progress.step, self._saved())

    def _saved(self) -> str | None:
        return f"{self.folder / NEWEST} is of step {self.saved_step}" if self.saved_step else None

    def _validate(self) -> None:
        with self.average.in_place():
            with self.stop.at_once(self.processes.count == 1):  # several processes stop together, see Validator
                validation = self.validate()
            score = validation.scores[self.plan.monitor]
            better = self.progress.note_score(score)
            if better:
                state = {"progress": asdict(self.progress), "scores": validation.scores}
                weights = model_tensors(self.objective.model, self.frozen)
                self.processes.from_first(lambda: save_checkpoint(self.folder / BEST, weights, state))
        self.schedule.after_validation(score)
        self._record_validation(validation, better)

    def _record_validation(self, validation: Validation, better: bool) -> None:
        texts = [caption.text for caption in validation.captions]
        self._alarm(alarms.identical_captions(texts))
        self._alarm(alarms.frozen_maps(validation.map_change))
        distinct, epoch, monitor = alarms.distinct_share(texts), self.progress.epoch, self.plan.monitor
        term = (self.objective.terms[0], self.mean_loss)
        self.report.validation(
            epoch, monitor, validation.scores[monitor], better, distinct, validation.map_change, term
        )
        if self.run_log is not None:
            maps = {"map_change": validation.map_change, "map_entropy": validation.map_entropy}
            values = {**validation.scores, "distinct_captions": distinct, **maps}
            self.run_log.write("validation", self.progress.step, epoch=epoch, **values)

    def _alarm(self, text: str | None) -> None:
        if text is not None:
            self.report.alarm(text)

    def _save_if_due(self) -> None:
        """Save inside an epoch after `plan.save_minutes`, or when asked to stop; all processes agree."""
        asked = self.processes.any(self.stop.asked)
        due = self.processes.any(time.monotonic() - self.saved_at > 60 * self.plan.save_minutes)
        if due or asked:
            self._check_numbers()
            self._save()
        if asked:
            raise Interrupted

    def _save(self) -> None:
        self.processes.from_first(lambda: self.resumable.save(self.folder / NEWEST, self.progress))
        self.saved_at, self.saved_step = time.monotonic(), self.progress.step
