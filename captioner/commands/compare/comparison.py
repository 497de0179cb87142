"""The comparison: every run is trained and measured once, in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from captioner import builder
from captioner.builder.run_folder import DATA, has_finished, has_weights, write_settings
from captioner.builder.sections import Settings
from captioner.commands.compare.measurements import Line, baseline_lines, line_of, measure, measure_baselines
from captioner.commands.compare.timing import measure_times
from captioner.commands.compare.variants import Variant, read_recipe
from captioner.commands.evaluate import check_split
from captioner.commands.train import training_run as runs
from captioner.data.changes import changes_since, digests_of
from captioner.data.contract import Splits, present
from captioner.errors import UserError
from captioner.files import remove_unfinished
from captioner.progress import Report, silent


def compare(
    config: str | Path,
    names: Sequence[str],
    num_seeds: int,
    folder: str | Path,
    splits: Sequence[str] = ("val",),
    overrides: Sequence[str] = (),
    report: Report = silent,
) -> list[Line]:
    """Train and measure what is missing; return a line for each split and each variant or baseline.

    Args:
        config: a config file, or the name of a config of the package, such as `compare_drawn`.
        names: the variants, such as `soft:dot`, `multi_head` or `transformer/multi_head`.
        num_seeds: how often each is trained, with seeds 0, 1, ...
        folder: of the runs, one for each variant and seed.
        splits: what is scored.
        overrides: settings that replace those of the config, as `section.key=value`.

    Raises:
        UserError: a name is unknown, settings do not fit, or a run in the folder is of other settings or data; nothing was trained.
    """
    config, folder = Path(config), Path(folder)
    _check_given(names, num_seeds, splits)
    variants, splits = [Variant(name) for name in dict.fromkeys(names)], list(dict.fromkeys(splits))
    recipe, fitting, notes = read_recipe(config, overrides, variants)
    data = builder.make_all_splits(recipe)
    for split in splits:
        check_split(data, split)
    plans = [
        (variant, seed, *_plan(config, variant, seed, recipe, fitting[variant.name], folder))
        for seed in range(num_seeds)
        for variant in variants
    ]
    _check_data({run: settings for _, _, run, _, settings in plans}, data)
    for note in notes:
        report.note(note)
    for number, (variant, seed, run, changes, settings) in enumerate(plans, start=1):
        report.variant(variant.name, seed, number, len(plans))
        if not has_finished(run, settings):
            runs.train(config, changes, report)
        remove_unfinished(run)
        for split in splits:
            measure(run, split, data[split], report)
    times, first, lines = measure_times(variants, folder), variants[0], []
    for split in splits:
        measure_baselines(first.folder(folder, 0), folder, split, data[split], report)
        lines += [line_of(variant, split, first, num_seeds, folder, times[variant.name]) for variant in variants]
        lines += baseline_lines(split, first, num_seeds, folder)
    return lines


def _check_data(runs_of: Mapping[Path, Settings], data: Splits) -> None:
    """Refuse runs with weights that were trained on other photos or captions than those of today, or with other settings. Finished runs
    follow the data to another `data.root`. Where the photos are gone, a table of what was measured before can still be made.
    """
    finished = {run: settings for run, settings in runs_of.items() if has_finished(run, settings)}
    begun = [run for run in runs_of if has_weights(run) and (run / DATA).exists()]
    if not begun or not any(example.has_file for example in data.get("val", [])):
        return
    data, _ = present(data, skip_missing=True)
    today = digests_of(data)
    for run in begun:
        changes = changes_since(run / DATA, data, today)
        if changes:
            raise UserError(
                f"{run} was trained on other data than these: {changes}; give another --folder, or delete {run} to train it again"
            )
    for run, settings in finished.items():
        if builder.read_run_settings(run).data != settings.data:
            write_settings(run, settings)


def _check_given(names: Sequence[str], num_seeds: int, splits: Sequence[str]) -> None:
    if not names or num_seeds < 1 or not splits:
        raise UserError(
            f"compare needs a kind of attention, a seed and a split, got {list(names)}, {num_seeds} and {list(splits)}"
        )


def _plan(
    config: Path, variant: Variant, seed: int, recipe: Settings, fitting: list[str], folder: Path
) -> tuple[Path, list[str], Settings]:
    """The folder of a run, its overrides, and its settings."""
    run = variant.folder(folder, seed)
    group = f"log.group={folder.name} {run.parent.name}"  # first, so that the user's own replaces it
    changes = [group, *fitting, *variant.overrides(recipe), f"run.seed={seed}", f"run.folder={run}"]
    return run, changes, builder.read(config, changes)
