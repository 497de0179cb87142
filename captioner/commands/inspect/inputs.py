"""What an inspection reads: a run, photos, their objects, and their references if there are any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from captioner import builder
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.commands.outputs import check_results, check_writable
from captioner.commands.photo_sources import photo_source
from captioner.data.coco import read_references
from captioner.data.contract import Example, read_json
from captioner.data.entities import read_photo_objects
from captioner.data.instances import Instances, check_size
from captioner.errors import UserError
from captioner.features.sources import Source
from captioner.model import CaptionModel
from captioner.progress import Report, print_note
from captioner.regions import Placement, Regions
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import Vocabulary

_BATCH = 16


@dataclass(frozen=True)
class Request:
    """The files that an inspection reads."""

    instances: Path
    captions: Path | None = None  # default: the file beside `instances` with "captions" in its name, if there is one
    images: Path | None = None  # default: the folder `images` beside `instances`
    masks: bool = False  # measure on outlines instead of boxes
    words: Path | None = None  # a json file with more words for categories
    first: int | None = None  # inspect only this many photos, in the order of their ids
    out: Path | None = None  # where the results are written; default: a folder in the run


@dataclass(frozen=True)
class PhotoRegions:
    """The regions of the inspected photos, in float32: with a store's float16, gradients of likely words underflow."""

    source: Source
    model: CaptionModel

    def __len__(self) -> int:
        return len(self.source)

    def __call__(self, indices: Sequence[int]) -> Regions:
        """The regions of some photos."""
        batch = self.source(indices).to(self.model.device)
        regions = self.model.regions(batch)
        return regions.to(dtype=torch.float32)

    def batches(self, indices: Sequence[int], report: Report, what: str) -> Iterator[tuple[list[int], Regions]]:
        """Photos in batches, each with its indices and regions; `what` is the name of the progress bar."""
        for start in range(0, len(indices), _BATCH):
            batch = list(indices[start : start + _BATCH])
            yield batch, self(batch)
            report.inspection(what, len(batch), len(indices))

    @torch.no_grad()
    def mean(self, report: Report) -> Tensor:
        """(D,): the mean region of all photos."""
        return torch.cat([regions.mean() for _, regions in self.batches(range(len(self)), report, "photos")]).mean(0)


@dataclass(frozen=True)
class Inputs:
    """A run, and photos with their objects."""

    settings: Settings
    captioner: Captioner
    regions: PhotoRegions
    examples: Sequence[Example]  # of each photo, with references as text
    references: Sequence[Sequence[Sequence[str]]]  # of each photo, as words; cut to data.max_length as in training
    placements: Sequence[Placement]  # of each photo
    instances: Instances
    object_words: ObjectWords
    folder: Path  # the results are written here


def read_inputs(run: Path, request: Request, overrides: Sequence[str], report: Report) -> Inputs:
    """Open the run and the files; regions of a frozen encoder that are not stored yet are computed.

    Raises:
        UserError: a file is missing, or does not fit.
    """
    settings = builder.read_run_settings(run, overrides)
    _check_files(request)
    folder = request.out or _folder(run, request)
    check_writable(folder, "give --out FOLDER")
    if request.out is not None:
        check_results(folder, ["inspect.json", "inspect.png", "inspect.pdf", "inspect.svg"])
    instances = read_photo_objects(request.instances)
    examples = _examples(request, instances)[: request.first]
    _check_boxes(request, instances, examples)
    captioner = builder.load(run, device=settings.run.device, overrides=overrides)
    model = captioner.model
    assert isinstance(model, CaptionModel)  # one run, no ensemble
    model.requires_grad_(False)
    source, examples = photo_source(settings, model, examples, "inspection", folder, report)
    placements = [source.placement(index) for index in range(len(source))]
    _check_sizes(examples, placements)
    references = _split(examples, captioner.vocabulary, settings.data.max_length)
    object_words = ObjectWords(
        instances.categories, _read_words(request.words, instances), coco=not instances.of_phrases
    )
    regions = PhotoRegions(source, model)
    return Inputs(settings, captioner, regions, examples, references, placements, instances, object_words, folder)


def _folder(run: Path, request: Request) -> Path:
    suffix = f"-first-{request.first}" if request.first else ""
    return (
        builder.results_root(run)
        / f"inspect-{request.instances.absolute().parent.name}-{request.instances.absolute().stem}{suffix}"
    )


def _split(examples: Sequence[Example], vocabulary: Vocabulary, max_length: int) -> list[list[list[str]]]:
    """The words of each photo's references; references without words are left out."""
    split = [[vocabulary.split(text)[:max_length] for text in example.references] for example in examples]
    return [[words for words in references if words] for references in split]


def _examples(request: Request, instances: Instances) -> list[Example]:
    """The photos of the instances file, with their references."""
    folder = request.images or request.instances.parent / "images"
    if not folder.is_dir():
        raise UserError(f"an inspection needs the photos, got no folder {folder}; give --images")
    unnamed = [photo for photo in instances.of_photo if photo not in instances.files]
    if unnamed:
        raise UserError(
            f"{request.instances} should give the file_name of each image, got {len(unnamed)} of {len(instances.of_photo)} without; "
            "give an instances file in COCO's format"
        )
    own = request.instances.absolute()
    beside = own.with_name(own.name.replace("instances", "captions"))
    path = request.captions or (beside if beside != own and beside.is_file() else None)
    references = instances.captions if path is None else dict(read_references(path))
    _check_references(path, references, instances)
    return [
        Example(photo, folder / instances.files[photo], references.get(photo, []), instances.sizes.get(photo))
        for photo in sorted(instances.of_photo, key=lambda photo: (isinstance(photo, str), photo))
    ]


def _check_references(path: Path | None, references: Mapping[Any, list[str]], instances: Instances) -> None:
    """Refuse captions of other photos; captions of some of them are enough."""
    without = [photo for photo in instances.of_photo if photo not in references]
    if path is None or not without:
        return
    if len(without) == len(instances.of_photo):
        raise UserError(
            f"{path} should hold captions of the inspected photos, got none in common (first ids {next(iter(references))!r} and "
            f"{without[0]!r}); give their captions with --captions (ids keep their type: 7 is not '7')"
        )
    print_note(f"{path} has no captions of {len(without):,} of {len(instances.of_photo):,} photos")


def _check_files(request: Request) -> None:
    for option, path in {"--captions": request.captions, "--words": request.words}.items():
        if path is not None and not path.is_file():
            raise UserError(f"{option} needs a file, got none at {path}; check the path")


def _check_boxes(request: Request, instances: Instances, examples: Sequence[Example]) -> None:
    """Maps cannot be compared with objects that have no box."""
    objects = [instance for example in examples for instance in instances.of_photo[example.id]]
    if not any(instance.box is not None or (request.masks and instance.segmentation) for instance in objects):
        raise UserError(
            f"{request.instances} should say where objects are (bbox), got {len(objects)} objects without; give an instances file in "
            "COCO's format"
        )


def _check_sizes(examples: Sequence[Example], placements: Sequence[Placement]) -> None:
    """Boxes are in pixels of the photos, so photos that were resized since do not fit."""
    for example, placement in zip(examples, placements, strict=True):
        check_size(example.image, example.size, placement.photo_size)


def _read_words(path: Path | None, instances: Instances) -> dict[str, list[str]]:
    """More words for categories, from a json file."""
    if path is None:
        return {}
    content = read_json(path, "--words")
    if not isinstance(content, dict) or not all(
        isinstance(words, list) and all(isinstance(word, str) and word.strip() for word in words)
        for words in content.values()
    ):
        raise UserError(
            f'{path} should map categories to lists of words, {{"dog": ["hound"]}}, got {str(content)[:100]}'
        )
    unknown = [category for category in content if category not in instances.categories]
    if unknown:
        raise UserError(
            f"{path} has words for {unknown[0]!r}, which is no category of the instances; they are {instances.categories}"
        )
    return content
