"""Attention taught by boxes of objects."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn

from captioner.builder.taught_maps import check_boxes, object_maps, photos_with_boxes
from captioner.commands.doctor import diagnose
from captioner.commands.train import training_run as runs
from captioner.data.batches import Batch, CaptionedPhotos, pad_words
from captioner.data.contract import Example
from captioner.data.drawn import instances_path
from captioner.data.entities import read_photo_objects
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
    categories = {photo: frozenset([*of_photo, "cat"]) for photo, of_photo in MAPS.items()}  # no cat is in view
    words = ObjectWords(["dog", "cat", "fire hydrant"])
    return ObjectMaps(categories, lambda photo, name: MAPS[photo].get(name), words, VOCABULARY, Grid(2, 3))


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


def test_a_map_that_misses_the_object_altogether_is_taught():
    scores = torch.tensor([20.0, 0, 0, 0, 0, 0]).expand(3, 2, 7, 6).clone().requires_grad_()
    make_maps().divergences(scores.softmax(-1), make_batch()).sum().backward()
    torch.testing.assert_close(scores.grad[0, 0, 1], torch.tensor([1.0, -0.25, -0.5, 0, -0.25, 0]), atol=1e-6, rtol=0)


def test_batches_hold_the_views_of_their_photos():
    photos = CaptionedPhotos(lambda indices, views: torch.zeros(len(indices)), [[[START, A, END]]] * 3, num_views=2)
    assert photos[[0, 4, 2]].to(torch.device("cpu")).views == [0, 1, 0]


@pytest.fixture
def boxed(tmp_path):
    """Two photos of 120 x 80 pixels and an instances file that has the first: a dog in the left half, a cat and a dog on top."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (120, 80)).save(tmp_path / name)
    write_instances(tmp_path, [("dog", [0, 0, 60, 80]), ("cat", [0, 0, 120, 40]), ("dog", [60, 0, 20, 40])])
    return tmp_path


def write_instances(folder, boxes, names=("a.png",), size=(120, 80), crowds=()):
    """Boxes of the first photo that is named."""
    categories = ["dog", "cat", "bird"]
    content = {
        "images": [
            {"id": 3 + number, "file_name": name, "width": size[0], "height": size[1]}
            for number, name in enumerate(names)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories)],
        "annotations": [
            {"id": number, "image_id": 3, "category_id": categories.index(category), "bbox": box}
            | {"iscrowd": int(number in crowds)}
            for number, (category, box) in enumerate(boxes)
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content))


def examples_in(folder, names=("b.png", "a.png")) -> list[Example]:
    return [Example(name, folder / name, ["a dog by a dog", "a puppy"]) for name in names]


def maps_in(folder, encoder=None) -> ObjectMaps:
    return object_maps(str(folder / "instances.json"), examples_in(folder), VOCABULARY, encoder or SmallCNN(size=32))


def test_maps_are_the_parts_of_regions_in_the_boxes(boxed):
    """The encoder squeezes the photo into 16 regions of 30 x 20 pixels."""
    maps = maps_in(boxed)
    assert maps.categories == {1: {"dog", "cat"}}
    beside = [1, 1, 0, 0]
    shares = torch.tensor([[1, 1, 2 / 3, 0], [1, 1, 2 / 3, 0], beside, beside])
    torch.testing.assert_close(maps.map_of(1, "dog"), (shares / shares.sum()).flatten())
    assert maps.named([A, DOG, END]) == [(1, "dog")]


def test_crowds_teach_nothing(boxed):
    write_instances(boxed, [("dog", [0, 0, 30, 20]), ("dog", [0, 0, 120, 80])], crowds=[1])
    assert maps_in(boxed).map_of(1, "dog").tolist() == [1.0] + [0.0] * 15


def test_of_regions_that_are_padded_the_part_on_the_photo_counts(boxed):
    """The view of 32 pixels is 120 x 120 pixels of the photo, of which the upper and lower 20 are padding."""
    encoder = SmallCNN(size=32)
    encoder.preprocess = replace(encoder.preprocess, resize="inside")
    write_instances(boxed, [("dog", [0, 0, 30, 80])])
    width, height = encoder.preprocess.placement((120, 80)).view_size
    assert (width, height) == (32, 32)
    column = maps_in(boxed, encoder).map_of(1, "dog").view(4, 4)
    assert not column[:, 1:].any()
    rows = [2, 8, 8, 3]  # pixels of the view that are on the photo, which is 21 pixels high there
    torch.testing.assert_close(column[:, 0], torch.tensor(rows) / 21, atol=0.01, rtol=0)


def test_objects_outside_of_the_view_have_no_map(boxed):
    encoder = SmallCNN(size=32)
    encoder.preprocess = replace(encoder.preprocess, resize="cover")  # the middle 80 x 80 pixels
    write_instances(boxed, [("dog", [0, 0, 15, 80])])
    assert maps_in(boxed, encoder).map_of(1, "dog") is None


def test_photos_are_found_by_the_ends_of_their_paths(boxed):
    for folder in ("x", "y"):
        (boxed / folder).mkdir()
        Image.new("RGB", (120, 80)).save(boxed / folder / "1.png")
    examples = examples_in(boxed, ["y/1.png", "x/1.png", "y/1.png", "a.png"])
    write_instances(boxed, [], names=["x/1.png", "y/1.png"])
    instances = read_photo_objects(boxed / "instances.json")
    assert photos_with_boxes(instances, examples, "f") == {0: 4, 1: 3, 2: 4}  # one photo may be listed twice
    write_instances(boxed, [], names=["", "a.png"])
    assert photos_with_boxes(read_photo_objects(boxed / "instances.json"), examples, "f") == {3: 4}
    write_instances(boxed, [], names=["1.png"])
    with pytest.raises(UserError, match=r"f has boxes of one photo 1.png, which could be .*y/1.png or .*x/1.png"):
        photos_with_boxes(read_photo_objects(boxed / "instances.json"), examples, "f")
    write_instances(boxed, [], names=["1.png", "x/1.png"])
    with pytest.raises(UserError, match=r"f names several photos that .*x/1.png could be"):
        photos_with_boxes(read_photo_objects(boxed / "instances.json"), examples[1:2], "f")


@pytest.mark.parametrize(
    ("boxes", "options", "message"),
    [
        ([("dog", [0, 0, 15, 80])], {"size": (60, 40)}, "photo of 60 x 40 pixels, the photo has 120 x 80"),
        (
            [("dog", [0, 0, 15, 80])],
            {"names": ["c.png"]},
            "should have boxes of training photos, got none of the 2 photos",
        ),
        ([], {}, "should have boxes of training photos, got none of the 2 photos"),
        ([("dog", [0, 0, 15, 80])], {"crowds": [0]}, "should have boxes of training photos, got none of the 2 photos"),
        (
            [("cat", [0, 0, 15, 80])],
            {},
            "boxes of objects that captions name, got none in 1 photos with the categories",
        ),
        ([("dog", [0, 0, -15, 80])], {}, "left, top, width and height, got"),
        ([("dog", [100, 60, 115, 80])] * 3, {}, "3 of 3 boxes that reach beyond their photos"),
        ([("dog", [0, 0, 0.5, 0.25])], {}, "a bbox is in pixels, not in fractions"),
    ],
    ids=["another size", "other photos", "no boxes", "crowds", "not named", "negative", "corners", "fractions"],
)
def test_boxes_that_do_not_fit_are_refused(boxed, boxes, options, message):
    write_instances(boxed, boxes, **options)
    with pytest.raises(UserError, match=message):
        check_boxes(str(boxed / "instances.json"), examples_in(boxed), str.split)


def test_grounding_needs_boxes():
    with pytest.raises(ValueError, match="grounding needs boxes of the training photos, got none; set instances"):
        TeacherForcing(CaptionModel(OnAGrid(), make_decoder()), grounding=1.0)
    TeacherForcing(CaptionModel(OnAGrid(), make_decoder()), grounding=0.0, instances="not read")


def test_boxes_of_a_detector_are_refused():
    encoder = nn.Module()
    encoder.layout = Boxes(torch.zeros(1, 6, 4))
    with pytest.raises(ValueError, match="grounding needs an encoder whose regions are on a grid"):
        TeacherForcing(CaptionModel(encoder, make_decoder()), grounding=1.0, instances=__file__)


def test_attention_without_weights_is_refused():
    with pytest.raises(ValueError, match="grounding needs the weights of attention"):
        TeacherForcing(CaptionModel(OnAGrid(), make_decoder(attention="none")), grounding=1.0, instances=__file__)


def boxes_of(settings: list[str]) -> str:
    root = next(setting.partition("=")[2] for setting in settings if setting.startswith("data.root="))
    return f"objective.instances={instances_path(root, 'train')}"


@pytest.mark.parametrize("content", [None, "{", '{"images": []}'], ids=["no file", "damaged", "another file"])
def test_a_file_that_cannot_be_used_is_refused_before_anything_is_written(settings, tmp_path, content):
    path = tmp_path / "boxes.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=r"boxes.json"):
        runs.train(DRAWN, [*settings, "objective.grounding=1", f"objective.instances={path}"])
    assert not (tmp_path / "run").exists()


def test_doctor_finds_it(settings, tmp_path):
    boxes = f"objective.instances={tmp_path / 'absent.json'}"
    findings, _ = diagnose(DRAWN, [*settings, "objective.grounding=1", boxes])
    assert any("absent.json" in finding.what for finding in findings)


def test_a_run_learns_where_objects_are(settings, tmp_path):
    more = ["objective.grounding=1", boxes_of(settings), "data.augment=turns", "run.epochs=6", "run.accumulate=2"]
    runs.train(DRAWN, [*settings, *more, "optimiser.learning_rate=0.01"])
    grounding = [line["grounding"] for line in losses(tmp_path / "run") if line["kind"] == "train"]
    assert grounding[-1] < 0.9 * grounding[0]


def test_accumulated_parts_add_up():
    model = CaptionModel(OnAGrid(), make_decoder())
    objective = TeacherForcing(model, grounding=2.0, instances="not read").eval()
    objective.object_maps = make_maps()
    batch = make_batch()
    whole, terms = objective(batch, TOTALS)
    parts = [
        objective(
            Batch(
                batch.photos.select(torch.arange(3)[part]),
                batch.words[part],
                batch.indices[part],
                None,
                batch.views[part],
            ),
            TOTALS,
        )
        for part in (slice(0, 1), slice(1, 3))
    ]
    torch.testing.assert_close(sum(loss for loss, _ in parts), whole)
    torch.testing.assert_close(sum(shares for _, shares in parts), terms)
