"""Attention taught by boxes of objects."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn

from captioner.builder.taught_maps import object_maps
from captioner.commands.train import training_run as runs
from captioner.data.batches import Batch, CaptionedPhotos, pad_words
from captioner.data.contract import Example
from captioner.data.drawn import instances_path
from captioner.encoders.small_cnn import SmallCNN
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.regions import Boxes, Grid
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import END, START, UNK, Vocabulary
from captioner.training.contract import Totals
from captioner.training.object_maps import ObjectMaps
from captioner.training.objectives import TeacherForcing
from tests.helpers import DRAWN, losses, make_decoder, make_regions

WORDS = ["a", "dog", "fire", "hydrant", "cat", "by"]
A, DOG, FIRE, HYDRANT, CAT, BY = range(4, 10)
VOCABULARY = Vocabulary(WORDS)
OF_DOG = [0.0, 0.25, 0.5, 0.0, 0.25, 0.0]
OF_HYDRANT = [0.5, 0.0, 0.0, 0.5, 0.0, 0.0]
MAPS = {7: {"dog": torch.tensor(OF_DOG), "fire hydrant": torch.tensor(OF_HYDRANT)}, 9: {"dog": torch.tensor(OF_DOG)}}
CAPTIONS = [
    [[START, A, DOG, BY, A, FIRE, HYDRANT, END], [START, UNK, CAT, END]],
    [[START, A, DOG, END]],
    [[START, A, DOG, BY, A, FIRE, HYDRANT, END]],
]
TAUGHT = {  # the map of every word that is taught: photo, caption, place
    (0, 0, 1): OF_DOG,
    (0, 0, 4): OF_HYDRANT,
    (0, 0, 5): OF_HYDRANT,
    (2, 0, 1): [0.5, 0.25, 0.0, 0.0, 0.25, 0.0],  # of the mirror image
}
TOTALS = Totals(words=sum(len(caption) - 1 for photo in CAPTIONS for caption in photo), captions=4, photos=3)


class OnAGrid(nn.Module):
    layout = Grid(2, 3)


def make_maps() -> ObjectMaps:
    return ObjectMaps(MAPS, ObjectWords(["dog", "cat", "fire hydrant"]), VOCABULARY, Grid(2, 3))


def make_batch() -> Batch:
    """Photos 7 and 9 have boxes; 8 has none. Photo 9 has a dog and no hydrant in a box, and is mirrored."""
    return Batch(make_regions(), pad_words(CAPTIONS), indices=[7, 8, 9], views=[0, 0, 1])


def test_the_divergence_is_that_of_each_word_by_hand():
    batch = make_batch()
    weights = torch.rand(3, 2, batch.targets.shape[2], 6)  # of any sum, as with a sentinel
    result = make_maps().divergences(weights, batch)
    expected = torch.zeros(weights.shape[:3])
    for place, taught in TAUGHT.items():
        map_ = (weights[place] / weights[place].sum()).tolist()
        expected[place] = sum(q * math.log(q / p) for q, p in zip(taught, map_, strict=True) if q > 0)
    torch.testing.assert_close(result, expected)


@torch.no_grad()
def test_the_loss_has_its_mean_over_words():
    model = CaptionModel(OnAGrid(), make_decoder())
    objective = TeacherForcing(model, grounding=2.0, instances=__file__).eval()
    objective.object_maps = make_maps()
    loss, terms = objective(make_batch(), TOTALS)
    _, attended = model.decoder(make_batch().inputs, model.remember(make_batch().photos))
    total = make_maps().divergences(attended.weights, make_batch()).sum()
    assert objective.terms == ("loss", "coverage", "grounding")
    assert float(terms[2]) == pytest.approx(float(total) / TOTALS.words)
    assert loss.item() == pytest.approx(float(terms[0] + 2 * terms[2]))


def test_batches_without_boxes_teach_nothing():
    batch = replace(make_batch(), indices=[1, 2, 3])
    weights = torch.rand(3, 2, batch.targets.shape[2], 6)
    assert not make_maps().divergences(weights, batch).any()


def test_gradients_are_finite_where_weights_are_zero():
    batch = make_batch()
    weights = torch.zeros(3, 2, batch.targets.shape[2], 6)
    weights[..., 0] = 1
    weights.requires_grad_()
    make_maps().divergences(weights, batch).sum().backward()
    assert weights.grad.isfinite().all()
    assert weights.grad.any()


def test_batches_hold_the_views_of_their_photos():
    photos = CaptionedPhotos(lambda indices, views: torch.zeros(len(indices)), [[[START, A, END]]] * 3, num_views=2)
    assert photos[[0, 4, 2]].to(torch.device("cpu")).views == [0, 1, 0]


@pytest.fixture
def boxed(tmp_path):
    """Two photos of 120 x 80 pixels and an instances file that has the first: a dog in the left half, a cat and a dog on top."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (120, 80)).save(tmp_path / name)
    boxes = [("dog", [0, 0, 60, 80]), ("cat", [0, 0, 120, 40]), ("dog", [60, 0, 20, 40])]
    write_instances(tmp_path / "instances.json", boxes)
    return tmp_path


def write_instances(path, boxes, name="a.png", size=(120, 80)):
    names = ["dog", "cat", "bird"]
    content = {
        "images": [{"id": 3, "file_name": name, "width": size[0], "height": size[1]}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
        "annotations": [
            {"id": number, "image_id": 3, "category_id": names.index(category), "bbox": box}
            for number, (category, box) in enumerate(boxes)
        ],
    }
    path.write_text(json.dumps(content))


def examples_in(folder) -> list[Example]:
    captions = ["a dog by a dog", "a puppy"]
    return [Example(name, folder / name, captions) for name in ("b.png", "a.png")]


def test_maps_are_the_shares_of_regions_in_the_boxes_that_captions_name(boxed):
    """The encoder squeezes the photo into 16 regions of 30 x 20 pixels."""
    encoder = SmallCNN(size=32)
    maps = object_maps(boxed / "instances.json", examples_in(boxed), VOCABULARY, encoder)
    assert {index: set(of_photo) for index, of_photo in maps.of_photos.items()} == {
        1: {"dog"}
    }  # no caption names a cat
    left, beside = [1, 1, 2 / 3, 0], [1, 1, 0, 0]
    shares = torch.tensor([left, left, beside, beside])
    assert encoder.layout == Grid(4, 4)
    torch.testing.assert_close(maps.of_photos[1]["dog"], (shares / shares.sum()).flatten())


def test_objects_outside_of_the_view_have_no_map(boxed):
    encoder = SmallCNN(size=32)
    encoder.preprocess = replace(encoder.preprocess, resize="cover")  # the middle 80 x 80 pixels
    write_instances(boxed / "instances.json", [("dog", [0, 0, 15, 80])])
    with pytest.raises(UserError, match=r"captions that name objects with boxes in .*, got none in 2 training photos"):
        object_maps(boxed / "instances.json", examples_in(boxed), VOCABULARY, encoder)


def test_boxes_that_do_not_fit_are_refused(boxed):
    write_instances(boxed / "instances.json", [("dog", [0, 0, 15, 80])], size=(60, 40))
    with pytest.raises(UserError, match="photo of 60 x 40 pixels, the photo has 120 x 80"):
        object_maps(boxed / "instances.json", examples_in(boxed), VOCABULARY, SmallCNN(size=32))


def test_photos_of_one_name_are_refused(boxed):
    examples = [replace(one, image=boxed / "a.png") for one in examples_in(boxed)]
    with pytest.raises(UserError, match="got 2 training photos called a"):
        object_maps(boxed / "instances.json", examples, VOCABULARY, SmallCNN(size=32))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"grounding": 1.0},
            ValueError,
            "grounding and instances belong together, got grounding: 1.0 and instances: none",
        ),
        ({"instances": "some.json"}, ValueError, "got grounding: 0.0 and instances: some.json"),
        ({"grounding": 1.0, "instances": "absent.json"}, UserError, "no instances file can be read at absent.json"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        TeacherForcing(CaptionModel(OnAGrid(), make_decoder()), **options)


def test_boxes_of_a_detector_are_refused():
    encoder = nn.Module()
    encoder.layout = Boxes(torch.zeros(1, 6, 4))
    with pytest.raises(ValueError, match="grounding needs regions on a grid"):
        TeacherForcing(CaptionModel(encoder, make_decoder()), grounding=1.0, instances=__file__)


def test_attention_without_weights_is_refused():
    with pytest.raises(ValueError, match="grounding needs the weights of attention"):
        TeacherForcing(CaptionModel(OnAGrid(), make_decoder(attention="none")), grounding=1.0, instances=__file__)


def test_a_missing_file_is_refused_before_anything_is_written(settings, tmp_path):
    with pytest.raises(UserError, match="no instances file"):
        runs.train(DRAWN, [*settings, "objective.grounding=1", f"objective.instances={tmp_path / 'absent.json'}"])
    assert not (tmp_path / "run").exists()


def test_a_run_is_taught(settings, tmp_path):
    root = next(one.partition("=")[2] for one in settings if one.startswith("data.root="))
    boxes = f"objective.instances={instances_path(root, 'train')}"
    more = ["objective.grounding=1", boxes, "data.augment=flips", "run.epochs=2"]
    runs.train(DRAWN, [*settings, *more])
    grounding = [line["grounding"] for line in losses(tmp_path / "run") if line["kind"] == "train"]
    assert len(grounding) > 1
    assert all(0 < value < 10 for value in grounding)
