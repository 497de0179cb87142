"""The boxes of training photos, as maps that teach attention (`objective.grounding`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from captioner.data.contract import Example
from captioner.data.entities import read_photo_objects
from captioner.data.instances import Box, Instance, Instances, check_size
from captioner.encoders import Encoder, Vision
from captioner.encoders.preprocess import photo_size
from captioner.errors import UserError
from captioner.explain.agreement import on_photo
from captioner.explain.areas import Area
from captioner.regions import Grid
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import Vocabulary
from captioner.training.object_maps import ObjectMaps


def object_maps(file: str, examples: Sequence[Example], vocabulary: Vocabulary, encoder: Vision) -> ObjectMaps:
    """The taught maps of training photos.

    Args:
        file: the boxes, as `read_photo_objects` takes them; their photos are found by their file names.
        examples: the training photos.
        vocabulary: of the captions.
        encoder: whose regions, on a grid, the maps are for.

    Raises:
        UserError: the boxes cannot be read, or do not fit the photos.
    """
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder.layout, Grid)
    instances = read_photo_objects(Path(file))
    boxes = {
        index: _by_category(instances.of_photo[photo])
        for index, photo in photos_with_boxes(instances, examples, file).items()
    }

    def map_of(index: int, category: str) -> Tensor | None:
        return _map(boxes[index][category], examples[index].image, encoder)

    categories = {index: frozenset(of_photo) for index, of_photo in boxes.items() if of_photo}
    object_words = ObjectWords(instances.categories, coco=not instances.of_phrases)
    return ObjectMaps(categories, map_of, object_words, vocabulary, encoder.layout)


def check_boxes(file: str, examples: Sequence[Example], split: Callable[[str], list[str]]) -> None:
    """Check that boxes fit the training photos and the words of their captions, as `split` cuts them, before anything is written.

    Raises:
        UserError: the boxes cannot be read, are those of other photos, or of these photos in another size.
    """
    instances = read_photo_objects(Path(file))
    of_photos = photos_with_boxes(instances, examples, file)
    boxed = {index: _by_category(instances.of_photo[photo]) for index, photo in of_photos.items()}
    if not any(boxed.values()):
        raise UserError(
            f"objective.instances={file} should have boxes of training photos, got none of the {len(examples):,} photos; photos are found "
            "by their file names: give the file that was made for them"
        )
    object_words = ObjectWords(instances.categories, coco=not instances.of_phrases)
    if not any(
        named.category in categories
        for index, categories in boxed.items()
        for text in examples[index].references
        for named in object_words(split(text))
    ):
        raise UserError(
            f"objective.instances={file} should have boxes of objects that captions name, got none in {len(boxed):,} photos with the "
            f"categories {', '.join(instances.categories[:5])}, ...; give categories that are words of the captions"
        )
    for index, photo in of_photos.items():
        image, stated = examples[index].image, instances.sizes.get(photo)
        if stated is not None and image.is_file():
            check_size(image, stated, photo_size(image))


def photos_with_boxes(instances: Instances, examples: Sequence[Example], file: str) -> dict[int, object]:
    """The ids, among the instances, of the training photos, by index. A photo is found by the end of its path.

    Raises:
        UserError: a name fits several photos.
    """
    named: dict[str, list[tuple[tuple[str, ...], object]]] = {}
    for photo, name in instances.files.items():
        parts = Path(name).parts[::-1]
        named.setdefault("".join(parts[:1]), []).append((parts, photo))
    found, owners = {}, {}
    for index, example in enumerate(examples):
        own = example.image.parts[::-1]
        fitting = [(parts, photo) for parts, photo in named.get(own[0], []) if own[: len(parts)] == parts]
        if len(fitting) > 1:
            raise UserError(f"{file} names several photos that {example.image} could be; give names with folders in it")
        for _, photo in fitting:
            other = owners.setdefault(photo, example.image)
            if other != example.image:
                raise UserError(
                    f"{file} has boxes of one photo {own[0]}, which could be {other} or {example.image}; give the folder in it too"
                )
            found[index] = photo
    return found


def _by_category(objects: Sequence[Instance]) -> dict[str, list[Box]]:
    """The boxes of single objects; a crowd's box says little about where they are."""
    boxes: dict[str, list[Box]] = {}
    for single in objects:
        if single.box is not None and not single.crowd:
            boxes.setdefault(single.category, []).append(single.box)
    return boxes


def _map(boxes: Sequence[Box], image: Path, encoder: Encoder) -> Tensor | None:
    """The map (R,) of the union of boxes; None if it is outside of the network's view."""
    corners, visible = on_photo(encoder.layout, encoder.preprocess.placement(photo_size(image)))
    inside = Area.of_boxes(boxes).inside(corners).clamp(min=0) * visible  # rounding can leave it below 0
    return (inside / inside.sum()).float() if inside.sum() > 0 else None
