"""The photos of a run: their splits, their sources of pixels or regions, and their captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from captioner import builder
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.data.contract import Example, Splits
from captioner.encoders import Encoder
from captioner.errors import Interrupted, UserError
from captioner.features.region_files import PublishedRegions, RegionFiles
from captioner.features.sources import PhotoFiles, Source, unreadable_photos
from captioner.files import write_text_atomically
from captioner.model import CaptionModel
from captioner.progress import Report, silent
from captioner.search import Caption
from captioner.training.distributed import Processes, number_type

if TYPE_CHECKING:
    from captioner.ensemble import Ensemble
    from captioner.features.stored_regions import StoredRegions

_DECODE_BATCH = 32


def read_splits(settings: Settings, report: Report = silent) -> Splits:
    """The splits of the data. Photos that are left out because their files are missing are reported."""
    splits, missing = builder.make_splits(settings)
    if missing:
        report.missing_photos([example.image for example in missing])
    return splits


def photo_source(
    settings: Settings,
    model: CaptionModel | Ensemble,
    examples: Sequence[Example],
    split: str,
    folder: Path,
    report: Report = silent,
    num_views: int = 1,
    here: Processes | None = None,
) -> tuple[Source, Sequence[Example]]:
    """The source of a split's photos, and its examples: photo files for an encoder that trains, stored regions for a frozen one.

    Regions that are not stored yet are computed by the first process; the others wait. Photos that cannot be read are reported, listed
    in the run's folder, and left out.
    """
    files = PhotoFiles([example.image for example in examples], model.encoder.preprocess)
    here = here or Processes(model.device)
    if isinstance(model.encoder, RegionFiles):
        source, unreadable = _published(files, model.encoder, here)
    elif isinstance(model.encoder, Encoder) and model.encoder.frozen:
        source, unreadable = _stored(settings, model.encoder, files, split, report, num_views, here)
    else:
        source, unreadable = _checked(files, report, here)
    listed = folder / f"unreadable_{split}.txt"
    if here.first and not unreadable:
        listed.unlink(missing_ok=True)  # an earlier command wrote it
    elif here.first:
        write_text_atomically(listed, "".join(f"{files.paths[index]}: {why}\n" for index, why in unreadable.items()))
        if len(source):
            report.unreadable_photos(split, listed, list(unreadable.values()))
    if not len(source):
        if not unreadable:
            raise UserError(f"{split} has no photos with a file; check the data's paths and splits")
        first = next(iter(unreadable.values()))
        raise UserError(f"no photo of {split} can be read; all are listed in {listed}, first: {first}")
    return source, [example for index, example in enumerate(examples) if index not in unreadable]


def _published(files: PhotoFiles, encoder: RegionFiles, here: Processes) -> tuple[PublishedRegions, dict[int, str]]:
    """Published regions; every process checks whether its share can be read."""
    regions = PublishedRegions(files.paths, encoder)
    unreadable = _gather(here, lambda: regions.unreadable(here.share(range(len(files)))))
    return regions.without(unreadable), unreadable


def _checked(files: PhotoFiles, report: Report, here: Processes) -> tuple[PhotoFiles, dict[int, str]]:
    """The photos that can be read, so that none stops training hours later; every process reads its share."""
    share = here.share(range(len(files)))
    unreadable = _gather(here, lambda: unreadable_photos(files, share, report.checked_photos))
    return files.without(unreadable), unreadable


def _gather(here: Processes, check: Callable[[], dict[int, str]]) -> dict[int, str]:
    """The unreadable photos of all processes, by index. If one is asked to stop, all stop."""
    try:
        unreadable = check()
    except Interrupted:
        unreadable = None
    shares = here.gather(unreadable)
    if None in shares:
        raise Interrupted
    return dict(sorted(item for share in shares for item in share.items()))


def _stored(
    settings: Settings,
    encoder: Encoder,
    files: PhotoFiles,
    split: str,
    report: Report,
    num_views: int,
    here: Processes,
) -> tuple[StoredRegions, dict[int, str]]:
    """The regions of the photos that can be read, and why the others cannot. What the first process found holds for all."""
    from captioner.features.store import FeatureStore
    from captioner.features.stored_regions import StoredRegions, store_regions

    precision = number_type(settings.run.precision, next(encoder.parameters()).device)
    if encoder.runtime == "onnx":  # which computes in float32 alone
        precision = torch.float32
    also = (torch.bfloat16, torch.float16, torch.float32) if settings.run.precision == "mixed" else ()
    root = Path(settings.run.features)
    name = settings.encoder.options.get("network", settings.encoder.kind)

    def compute() -> tuple[list[list[int]], dict[int, str]]:
        store = FeatureStore.of(encoder, root, name, precision, also)
        stored, unreadable = store_regions(encoder, files, store, num_views, split=split, report=report)
        return stored.rows, unreadable

    rows, unreadable = here.from_first(compute)
    store = FeatureStore.of(encoder, root, name, precision, also)
    store.check_rows(rows)
    return StoredRegions(store, encoder, files.without(unreadable), rows), unreadable


def num_batches(num_photos: int) -> int:
    """How often `decode` calls `tick`."""
    return -(-num_photos // _DECODE_BATCH)


def decode(
    captioner: Captioner,
    source: Source,
    indices: Sequence[int],
    tick: Callable[[Sequence[Caption]], None] = lambda captions: None,
    seed: int = 0,
) -> list[Caption]:
    """Captions of some photos of a source, without their placements; draws follow from the seed.

    `tick` is called with the captions of each batch.
    """
    captions: list[Caption] = []
    torch.manual_seed(seed)
    for start in range(0, len(indices), _DECODE_BATCH):
        batch = indices[start : start + _DECODE_BATCH]
        captions += captioner.captions_of(source(batch))
        tick(captions[start:])
    return captions


def with_placement(caption: Caption, source: Source, index: int) -> Caption:
    """The caption with the position of the network's view on its photo."""
    return replace(caption, placement=source.placement(index))
