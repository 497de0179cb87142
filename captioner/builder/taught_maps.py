"""Where the objects are that the captions of training photos name, as maps that teach attention (`objective.grounding`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from captioner.data.contract import Example
from captioner.data.instances import Instance, Instances, read_instances
from captioner.encoders import Encoder, Vision
from captioner.encoders.preprocess import photo_size
from captioner.errors import UserError
from captioner.explain.agreement import Overlap
from captioner.explain.areas import area_of
from captioner.regions import Grid
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import Vocabulary
from captioner.training.object_maps import ObjectMaps


def object_maps(file: str | Path, examples: Sequence[Example], vocabulary: Vocabulary, encoder: Vision) -> ObjectMaps:
    """The maps of the objects that the captions of training photos name.

    Args:
        file: an instances file; its photos are found by their file names.
        examples: the training photos.
        vocabulary: splits the captions into words.
        encoder: whose regions, on a grid, the maps are for.

    Raises:
        UserError: the file cannot be read, or has boxes of no training photo, or boxes that do not fit.
    """
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder.layout, Grid)
    path = Path(file)
    instances = read_instances(path)
    object_words = ObjectWords(instances.categories)
    of_photos: dict[int, dict[str, Tensor]] = {}
    for index, photo in _photos(path, instances, examples).items():
        named = _named(examples[index], vocabulary, object_words)
        objects = [instance for instance in instances.of_photo[photo] if instance.category in named]
        maps = _maps(examples[index], objects, instances.sizes.get(photo), encoder) if objects else {}
        if maps:
            of_photos[index] = maps
    if not of_photos:
        raise UserError(
            f"objective.grounding needs captions that name objects with boxes in {path}, got none in {len(examples):,} training photos; "
            "give the instances file of these photos, or set objective.grounding=0"
        )
    return ObjectMaps(of_photos, object_words, vocabulary, encoder.layout)


def _photos(path: Path, instances: Instances, examples: Sequence[Example]) -> dict[int, object]:
    """The ids, in the instances file, of training photos that it has, by index."""
    of_name = {Path(name).name: photo for photo, name in instances.files.items()}
    names = Counter(example.image.name for example in examples)
    twice = next((name for name in of_name if names[name] > 1), None)
    if twice is not None:
        raise UserError(
            f"{path} names photos by their file names, got {names[twice]} training photos called {twice}; rename those without boxes"
        )
    return {
        index: of_name[example.image.name] for index, example in enumerate(examples) if example.image.name in of_name
    }


def _named(example: Example, vocabulary: Vocabulary, object_words: ObjectWords) -> set[str]:
    """The categories that the captions of a photo name."""
    return {one.category for reference in example.references for one in object_words(vocabulary.split(reference))}


def _maps(
    example: Example, objects: Sequence[Instance], stated: tuple[int, int] | None, encoder: Encoder
) -> dict[str, Tensor]:
    """The map (R,) of each category of which an object is in the network's view."""
    size = photo_size(example.image)
    if stated is not None and stated != size:
        raise UserError(
            f"the boxes of {example.image} are those of a photo of {' x '.join(map(str, stated))} pixels, the photo has "
            f"{' x '.join(map(str, size))}; give the photos that the instances file was made for, or scale its boxes"
        )
    placement, maps = encoder.preprocess.placement(size), {}
    for category in {instance.category for instance in objects}:
        area = area_of([one for one in objects if one.category == category], size, masks=False)
        shares = Overlap.of(encoder.layout, placement, area).shares if area is not None else None
        if shares is not None and shares.sum() > 0:
            maps[category] = (shares / shares.sum()).float()
    return maps
