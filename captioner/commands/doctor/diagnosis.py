"""Checks of the data of a config before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from captioner import builder
from captioner.builder.sections import Settings
from captioner.data.checks import Finding, examine
from captioner.data.contract import Splits, epoch_sizes
from captioner.data.leaving_out import WRITTEN_BY_DOCTOR, named_ids
from captioner.encoders import Vision
from captioner.encoders.onnx_runtime import runtime_text
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.features.region_files import RegionFiles
from captioner.features.sources import VIEWS
from captioner.features.store import is_stored, store_row_bytes
from captioner.files import write_text_atomically
from captioner.progress import Report, silent
from captioner.text.vocabulary import Vocabulary
from captioner.training.distributed import choose_device, number_type, precision_text
from captioner.training.plan import check_monitor, check_num_photos, check_reward


def diagnose(
    config: str | Path, overrides: Sequence[str] = (), report: Report = silent
) -> tuple[list[Finding], dict[str, Any]]:
    """The findings of the checks, and the sizes of the data, the vocabulary and the feature store.

    Args:
        config: a config file, or the name of a config of the package.
        overrides: settings that replace those of the config, as `section.key=value`.
        report: receives the progress.

    Raises:
        UserError: the config is invalid, or the data cannot be read.
    """
    settings = builder.read(config, overrides)
    splits = builder.make_all_splits(settings)
    vocabulary = builder.make_vocabulary(settings, splits)
    encoder, device = builder.make_encoder(settings, download=False), choose_device(settings.run.device)
    rows = VIEWS[settings.data.augment] * len(splits["train"]) + len(splits.get("val", []))
    sizes = {
        "photos": {split: len(examples) for split, examples in splits.items()},
        **({"parts": parts} if (parts := rows_of_parts(splits)) else {}),
        "captions": {split: sum(len(example.references) for example in examples) for split, examples in splits.items()},
        "vocabulary": len(vocabulary),
        "regions": f"{encoder.layout.num_regions} of {encoder.region_size:,} numbers",
        "precision": precision_text(settings.run.precision, device),
        "encoder runtime": runtime_text(encoder, device, number_type(settings.run.precision, device)),
        "feature store": f"{rows * store_row_bytes(encoder) / 2**20:,.1f} MiB" if is_stored(encoder) else "none",
    }
    words, skip = settings.data, settings.data.missing == "skip"
    results = examine(
        splits, vocabulary, words.min_count, words.max_length, _opener(encoder), report.checked_photos, skip
    )
    return [*_refusals(settings, splits, vocabulary), *(finding for finding in results if finding.count)], sizes


def _refusals(settings: Settings, splits: Splits, vocabulary: Vocabulary) -> list[Finding]:
    """Why training would refuse to start, other than for its photos and captions."""
    checks: list[Callable[[], object]] = [
        lambda: check_monitor(settings.run, len(splits.get("val", []))),
        lambda: check_reward(settings.objective.options, len(splits.get("train", []))),
        lambda: check_num_photos(settings.run, sum(epoch_sizes(splits["train"]).values()), 1),
        lambda: builder.check_training_parts(
            settings, builder.make_model(settings, vocabulary, download=False), vocabulary, splits, check_weights=False
        ),
    ]
    return [finding for check in checks if (finding := _refusal(check)) is not None]


def _refusal(check: Callable[[], object]) -> Finding | None:
    try:
        check()
    except UserError as error:
        return Finding(str(error), 1, 1, [], bad=True)
    return None


def _opener(encoder: Vision) -> Callable[[Path], Image.Image]:
    """Reads a photo; and before it its published regions, if training reads those."""
    if not isinstance(encoder, RegionFiles):
        return open_photo

    def open_both(path: Path) -> Image.Image:
        encoder.read(path)
        return open_photo(path)

    return open_both


def rows_of_parts(splits: Splits) -> list[dict[str, str]]:
    """A row for each part of joined data: its photos by split, captions, share, and the photos that an epoch takes of it."""
    parts = {example.part.name: example.part for examples in splits.values() for example in examples}
    if not any(parts):
        return []
    of_epoch = epoch_sizes(splits.get("train", []))
    rows = []
    for name, part in parts.items():
        own = {split: [one for one in examples if one.part.name == name] for split, examples in splits.items()}
        counts = {split: f"{len(examples):,}" for split, examples in own.items()}
        captions = sum(len(example.references) for examples in own.values() for example in examples)
        epoch = {"share": f"{part.share:g}", "an epoch takes": f"{of_epoch.get(name, 0):,}"}
        rows.append({"part": name, **counts, "captions": f"{captions:,}", **epoch})
    return rows


def write_leave_out(path: Path, findings: Sequence[Finding], earlier: str = "") -> int:
    """Write the ids of training photos that are in another split too, one on a line, for `data.leave_out`; returns how many.

    Args:
        earlier: the present `data.leave_out`, whose ids are written again.
    """
    known = named_ids(Path(earlier)) if earlier else []
    ids = list(dict.fromkeys([*known, *(name for finding in findings for name in finding.copies)]))
    write_text_atomically(path, "".join(f"{name}\n" for name in [WRITTEN_BY_DOCTOR, *ids]))
    return len(ids)
