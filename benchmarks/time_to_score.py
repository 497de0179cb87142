"""Time to a score: ours, and the textbook decoder with its usual recipe, on the same regions, in turn, on the same threads.

    python benchmarks/time_to_score.py
    python benchmarks/time_to_score.py --data FOLDER [--config configs/flickr8k_lite.yaml] [--hours 2] [--out FOLDER] [SETTING ...]

From photos on disk: the regions of a frozen encoder are stored first, then both train. Whichever has trained less goes on, to its next
score. Both curves are printed: seconds of training, and CIDEr-D of the validation split, decoded and scored in the same way for both. The
seconds do not count regions, decoding and scoring. The result is the time to the textbook's best score, or to --score 45; and the scores
of both at their best with 5 beams and the tokeniser ptb, with METEOR where there is Java (not for drawn pictures).

By default, 400 drawn pictures with the encoder of the bundled model, and 60 seconds for each of the two. FOLDER is in COCO's format,
with captions_train.json, captions_val.json and images; settings change the config, ours alone for those that `textbook_recipe.py` sets.
With --rows 10000, the textbook is scored after every 10,000 captions, not once an epoch (drawn pictures: 500). --hours is the limit of
the training time of each, at any step. --out keeps the two runs and progress.jsonl, where every score is written at once; Ctrl-C prints
the result so far, and the same command goes on (the textbook from its last score).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import CLOCKS, chosen, where  # noqa: E402
from score_curves import OURS, TEXTBOOK, Clock, Curves, console, report  # noqa: E402
from textbook_recipe import SETTINGS, TextbookTraining  # noqa: E402

from captioner import builder, metrics  # noqa: E402
from captioner.builder.run_folder import check_folder, has_finished, write_start  # noqa: E402
from captioner.captioner import Captioner  # noqa: E402
from captioner.commands.evaluate import evaluate  # noqa: E402
from captioner.commands.photo_sources import photo_source, read_splits  # noqa: E402
from captioner.commands.train.training_run import Validator, make_trainer  # noqa: E402
from captioner.data.batches import encode_references  # noqa: E402
from captioner.errors import Interrupted, UserError  # noqa: E402
from captioner.features.sources import VIEWS  # noqa: E402
from captioner.training.distributed import Processes, choose_device, precision_text  # noqa: E402
from captioner.training.plan import Validation  # noqa: E402
from captioner.training.stopping import StopRequest  # noqa: E402

CONFIGS = Path(__file__).parents[1] / "configs"
DRAWN = ["data.num_train=400", "data.num_val=100", "data.num_unseen=1", "encoder.kind=timm", "encoder.network=tf_efficientnet_lite2",
         "encoder.input_size=128", "encoder.fit=stretch", "encoder.from_run=natural", "schedule.warm_up=20", "run.epochs=8",
         "run.batch_size=8"]  # fmt: skip


class Comparison:
    """Ours and the textbook in one folder.

    Args:
        settings: of ours and of the textbook's run.
        limit: training seconds for each.
        rows: captions between two scores of the textbook; None for an epoch.
        clock: a name in `CLOCKS`.
    """

    def __init__(
        self, settings: dict[str, builder.Settings], folder: Path, limit: float, rows: int | None, clock: str = "wall"
    ):
        self.settings, self.folder, self.read = settings, folder, CLOCKS[clock]
        folder.mkdir(parents=True, exist_ok=True)
        self.curves, self.stop = Curves(folder / "progress.jsonl"), StopRequest()
        self.clocks = {name: Clock(self.stop, limit, self.curves.seconds(name), self.read) for name in settings}
        self.here = Processes(choose_device(settings[OURS].run.device))
        self.splits = read_splits(settings[OURS])
        self.captions = sum(len(example.references) for example in self.splits["train"])
        self.models = {name: self._start(name) for name in settings}
        self.regions_seconds = self._store()
        self.textbook = self._textbook(rows)

    def _start(self, name: str):
        """A new model, and its run's folder."""
        settings, folder = self.settings[name], self.folder / name
        if name == OURS and not has_finished(folder, settings):  # the textbook recipe keeps a state of its own
            check_folder(folder, settings)
        torch.manual_seed(settings.run.seed)
        vocabulary, model = builder.make_start(settings, self.splits)
        if not model.encoder.frozen:
            raise UserError(
                "the two train on the same stored regions, so the encoder has to be frozen; leave train_from out"
            )
        write_start(folder, settings, vocabulary, model)
        return vocabulary, model.to(self.here.device)

    def _store(self) -> float:
        """Store the regions that are not there yet; returns the seconds."""
        settings, (_, model), started = self.settings[OURS], self.models[OURS], self.read()
        views = VIEWS[settings.data.augment]
        for split, num_views in (("train", views), ("val", 1)):
            source, _ = photo_source(
                settings, model, self.splits[split], split, self.folder / OURS, num_views=num_views
            )
            console.print(f"{split}: regions of {len(source):,} photos in {num_views} views")
        return self.read() - started

    def _textbook(self, rows: int | None) -> TextbookTraining:
        settings, (vocabulary, model), folder = self.settings[TEXTBOOK], self.models[TEXTBOOK], self.folder / TEXTBOOK
        source, examples = photo_source(settings, model, self.splits["train"], "train", folder)
        val_source, val = photo_source(settings, model, self.splits["val"], "val", folder)
        captioner = Captioner(model, vocabulary, builder.make_search(settings, vocabulary))
        captions = encode_references(examples, vocabulary, settings.data.max_length)
        validator = Validator(captioner, val, val_source, self.here)
        return TextbookTraining(source, captions, validator, folder, rows, settings.run.seed)

    def run(self) -> None:
        """Train both to their ends or limits, in turn. Stops at a signal; what was scored is kept."""
        with self.stop.listening(), suppress(Interrupted):
            if not has_finished(self.folder / OURS, self.settings[OURS]):
                self._train_ours()
            self._train_textbook(until=float("inf"))

    def _train_ours(self) -> None:
        settings, (vocabulary, model), clock = self.settings[OURS], self.models[OURS], self.clocks[OURS]
        arguments = settings, self.splits, vocabulary, model, self.folder / OURS, self.here, clock, self.stop
        trainer = make_trainer(*arguments)
        validate = trainer.validate

        def score() -> Validation:
            with clock.running(False):
                validation = validate()
                captions = trainer.progress.epoch * self.captions
                self.curves.add(OURS, captions, clock.now(), validation.scores["CIDEr-D"])
                self._train_textbook(until=clock.now())
            return validation

        trainer.validate = score
        try:
            with clock.running():
                trainer.run()
        except Interrupted:
            if clock.now() <= clock.limit:
                raise
            self.stop.asked = False  # it was the limit, not the user

    def _train_textbook(self, until: float) -> None:
        """Train the textbook until it has trained as long as this."""
        clock, training = self.clocks[TEXTBOOK], self.textbook

        def check() -> None:
            clock.step()
            self.stop.check()

        while not training.finished and clock.now() <= min(until, clock.limit):
            try:
                with self.stop.at_once(False), clock.running():
                    training.train(check)
            except Interrupted:
                if clock.now() <= clock.limit:
                    raise
                self.stop.asked = False
                return
            self.curves.add(TEXTBOOK, training.state["rows"], clock.now(), training.score())


def final_scores(comparison: Comparison, java: bool) -> None:
    """The scores of both at their best, with 5 beams and coco-caption's words."""
    overrides = ["search.kind=beam", "search.beams=5", f"run.features={comparison.settings[OURS].run.features}"]
    rows, intervals = {}, {}
    protocol = None
    for name in (TEXTBOOK, OURS):
        folder = comparison.folder / name
        if (folder / "best.safetensors").exists():
            scored = evaluate(folder, "val", overrides, baselines=False, java=java, tokens="ptb")
            rows[name] = scored.rows[scored.name]
            intervals[name], protocol = scored.intervals[scored.name], scored.protocol
    if protocol is not None:
        console.print(metrics.table(rows, protocol, intervals))


def main(
    config: Path | None,
    data: Path | None,
    hours: float | None,
    rows: int | None,
    score: float | None,
    out: Path | None,
    threads: int,
    settings: list[str],
    clock: str = "wall",
) -> None:
    torch.set_num_threads(threads)
    drawn = config is None and data is None
    overrides = DRAWN if drawn else [] if data is None else ["data.kind=coco", f"data.root={data}"]
    config = config or CONFIGS / ("drawn.yaml" if drawn else "flickr8k_lite.yaml")
    with tempfile.TemporaryDirectory() as temporary:
        folder = out or Path(temporary)
        paths = [f"run.features={folder / 'features'}", *([f"data.root={folder / 'drawn'}"] if drawn else [])]
        own = [*overrides, *paths, *settings]
        both = {OURS: builder.read(config, own), TEXTBOOK: builder.read(config, [*own, *SETTINGS])}
        hours = (1 / 60 if drawn else 2.0) if hours is None else hours
        rows = 500 if drawn and rows is None else rows
        comparison = Comparison(both, folder, 3600 * hours, rows, clock)
        device = comparison.here.device
        console.print(
            f"{where(device)}; captioner in {precision_text(both[OURS].run.precision, device)}, textbook in float32"
        )
        comparison.run()
        report(comparison.curves, comparison.clocks, comparison.captions, None if score is None else score / 100)
        console.print(f"regions, stored in this run: {comparison.regions_seconds:,.0f} s, not in the seconds above")
        if not comparison.stop.asked:
            final_scores(comparison, java=not drawn)
    console.print(where(device))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=None, type=Path)
    parser.add_argument("--config", default=None, type=Path)
    parser.add_argument("--hours", default=None, type=float)
    parser.add_argument("--rows", default=None, type=int)
    parser.add_argument("--score", default=None, type=float, help="x100")
    parser.add_argument("--out", default=None, type=Path)
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("settings", nargs="*")
    try:
        main(**chosen(parser))
    except UserError as error:
        sys.exit(f"error: {error}")
