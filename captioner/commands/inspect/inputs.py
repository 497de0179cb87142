"""What an inspection needs: a run, photos, their objects, and their captions where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from captioner import builder
from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.commands.photo_sources import photo_source
from captioner.data.coco import read_references
from captioner.data.contract import Example, read_json
from captioner.data.instances import Instances, read_instances
from captioner.errors import UserError
from captioner.explain import ObjectPlaces
from captioner.features.sources import Source
from captioner.model import CaptionModel
from captioner.progress import Report
from captioner.regions import Placement
from captioner.text.objects import ObjectWords


@dataclass(frozen=True)
class Request:
    """Which photos, and what of them."""

    instances: Path
    captions: Path | None = None  # the file beside the instances with "captions" in its name, where there is one
    images: Path | None = None  # the folder `images` beside the instances
    masks: bool = False  # outlines in place of boxes
    words: Path | None = None  # a json of further words for categories
    first: int | None = None  # so many photos, by their ids; all where None


@dataclass(frozen=True)
class Opened:
    """Everything at hand."""

    settings: Settings
    captioner: Captioner
    model: CaptionModel
    examples: Sequence[Example]
    source: Source
    placements: Sequence[Placement]
    instances: Instances
    places: ObjectPlaces
    named: ObjectWords
    folder: Path  # what is written goes there

    @cached_property
    def references(self) -> list[list[list[str]]]:
        """Each photo's references as words, cut where training would have cut them; those without words are left out."""
        most, split = self.settings.data.max_length, self.captioner.vocabulary.split
        cut = [[split(text)[:most] for text in example.references] for example in self.examples]
        return [[words for words in of_photo if words] for of_photo in cut]

    @cached_property
    def with_references(self) -> list[int]:
        """The places of photos that have some."""
        return [index for index, of_photo in enumerate(self.references) if of_photo]


def open_all(run: Path, request: Request, overrides: Sequence[str], report: Report) -> Opened:
    """Read everything; regions of a frozen encoder are computed where they are not stored yet.

    Raises:
        UserError: something is not there, or does not fit.
    """
    settings = builder.read_run_settings(run, overrides)
    _check_files(request)
    instances = read_instances(request.instances)
    examples = _examples(request, instances)[: request.first]
    _check_places(request, instances, examples)
    captioner = builder.load(run, device=settings.run.device, overrides=overrides)
    model = captioner.model
    assert isinstance(model, CaptionModel)
    model.requires_grad_(False)
    part = f"-first-{request.first}" if request.first else ""
    folder = run / f"inspect-{request.instances.absolute().parent.name}-{request.instances.stem}{part}"
    source, examples = photo_source(settings, model, examples, "inspection", folder, report)
    placements = [source.placement(index) for index in range(len(source))]
    _check_sizes(examples, placements)
    places = ObjectPlaces(instances, [example.id for example in examples], request.masks)
    named = ObjectWords(instances.categories, _words(request.words, instances))
    return Opened(settings, captioner, model, examples, source, placements, instances, places, named, folder)


def _examples(request: Request, instances: Instances) -> list[Example]:
    """The photos of the instances file, with their references."""
    folder = request.images or request.instances.parent / "images"
    if not folder.is_dir():
        raise UserError(f"an inspection needs the photos, got no folder {folder}; give --images")
    nameless = [photo for photo in instances.of_photo if photo not in instances.files]
    if nameless:
        raise UserError(
            f"{request.instances} should hold images with their file_name, got {len(nameless)} of {len(instances.of_photo)} without; "
            "give an instances file as COCO has them"
        )
    beside = request.instances.with_name(request.instances.name.replace("instances", "captions"))
    path = request.captions or (beside if beside != request.instances and beside.is_file() else None)
    references: dict[Any, list[str]] = {} if path is None else dict(read_references(path))
    return [
        Example(photo, folder / instances.files[photo], references.get(photo, []), instances.sizes.get(photo))
        for photo in sorted(instances.of_photo, key=lambda photo: (isinstance(photo, str), photo))
    ]


def _check_files(request: Request) -> None:
    for option, path in {"--captions": request.captions, "--words": request.words}.items():
        if path is not None and not path.is_file():
            raise UserError(f"{option} needs a file, got none at {path}; check the path")


def _check_places(request: Request, instances: Instances, examples: Sequence[Example]) -> None:
    """Objects that are known to be there, but not where, have nothing that maps could be held against."""
    held = [instance for example in examples for instance in instances.of_photo[example.id]]
    if not any(instance.box is not None or (request.masks and instance.segmentation) for instance in held):
        raise UserError(
            f"{request.instances} should say where objects are (bbox), got {len(held)} objects and no place; give an instances file as "
            "COCO has them"
        )


def _check_sizes(examples: Sequence[Example], placements: Sequence[Placement]) -> None:
    """Boxes are in pixels: of these photos, or of larger ones that these were made from?"""
    for example, placement in zip(examples, placements, strict=True):
        if example.size is not None and example.size != placement.photo_size:
            raise UserError(
                f"the boxes of {example.image} are those of a photo of {' x '.join(map(str, example.size))} pixels, the photo has "
                f"{' x '.join(map(str, placement.photo_size))}; give the photos that the instances file was made for, or scale its boxes"
            )


def _words(path: Path | None, instances: Instances) -> dict[str, list[str]]:
    """Further words of categories, as a json gives them."""
    if path is None:
        return {}
    content = read_json(path, "--words")
    if not isinstance(content, dict) or not all(
        isinstance(words, list) and all(isinstance(word, str) for word in words) for words in content.values()
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
