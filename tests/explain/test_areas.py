"""Areas are exact: against counting pixels, and against pycocotools' own masks."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as masks
from pycocotools.coco import COCO

from captioner.data.instances import Instance
from captioner.errors import UserError
from captioner.explain.agreement import Overlap
from captioner.explain.areas import Area, _counts, area_of
from captioner.regions import Grid, Placement
from tests.reference.agreement import mass_on, pointing, union_of_boxes

WIDTH, HEIGHT = 24, 20
edges = st.integers(-3, 20)
boxes = st.lists(st.tuples(edges, edges, st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=4)


def as_mask(pixels: set[tuple[int, int]]) -> torch.Tensor:
    return torch.tensor([[(x, y) in pixels for x in range(WIDTH)] for y in range(HEIGHT)])


@settings(max_examples=50)
@given(boxes, st.integers(1, 4), st.integers(1, 4), st.integers(-1, 1), st.integers(-1, 1), st.integers(0, 99))
def test_mass_and_pointing_agree_with_counting_pixels(found, rows, columns, left, top, seed):
    """Regions of 6 x 6 pixels around whole pixels' middles, moved by whole regions, so that some are not on the photo."""
    layout = Grid(rows, columns)
    placement = Placement.whole((WIDTH, HEIGHT)).cropped(6 * left, 6 * top, (6 * columns, 6 * rows))
    weights = torch.randint(0, 4, (layout.num_regions,), generator=torch.Generator().manual_seed(seed)).tolist()
    regions, size = placement.corners_on_photo(layout).tolist(), (WIDTH, HEIGHT)
    pixels = union_of_boxes(found, size)
    for area in (Area.of_boxes(found), Area.of_mask(as_mask(pixels))):
        overlap = Overlap.of(layout, placement, area)
        mass = overlap.masses(torch.tensor([weights], dtype=torch.float32)).item()
        assert mass == pytest.approx(mass_on(weights, regions, pixels, size), abs=1e-6)
        assert overlap.fair_share == pytest.approx(mass_on([1.0] * len(weights), regions, pixels, size), abs=1e-6)
    corners = torch.tensor([[0.0, 0.0, WIDTH, HEIGHT]])
    assert Area.of_mask(as_mask(pixels)).inside(corners).item() == len(pixels)


@settings(max_examples=50)
@given(
    st.sets(st.sampled_from([(2, 2), (7, 2), (12, 2), (2, 7), (7, 7), (12, 12), (0, 0), (14, 3)])),
    st.lists(st.integers(0, 2), min_size=9, max_size=9),
)
def test_if_regions_tie_the_share_on_the_object_counts(pixels, weights):
    layout, placement, size = Grid(3, 3), Placement.whole((15, 15)), (15, 15)
    mask = torch.tensor([[(x, y) in pixels for x in range(15)] for y in range(15)])
    overlap = Overlap.of(layout, placement, Area.of_mask(mask))
    hits = overlap.hits(torch.tensor([weights], dtype=torch.float32)).item()
    assert hits == pytest.approx(pointing(weights, placement.corners_on_photo(layout).tolist(), pixels, size))


@settings(max_examples=50)
@given(boxes)
def test_a_union_is_no_larger_than_its_boxes_and_no_smaller_than_one(found):
    sizes = [width * height for _, _, width, height in found]
    assert max(sizes) - 1e-9 <= Area.of_boxes(found).size <= sum(sizes) + 1e-9


def test_borders_of_boxes_that_touch_are_no_gap():
    area = Area.of_boxes([(0, 0, 5, 5), (5, 0, 5, 5)])
    points = torch.tensor([[5.0, 2.0], [0.0, 0.0], [10.0, 5.0], [10.5, 5.0], [-1.0, 2.0]])
    assert area.holds(points).tolist() == [True, True, True, False, False]
    assert area.size == 50


POLYGONS = [[[2, 2, 12, 3, 7, 15]], [[10.5, 4.2, 20, 4, 20, 11, 10, 11], [1, 1, 4, 1, 4, 4]]]


def test_outlines_are_those_of_pycocotools(tmp_path):
    index = COCO()
    index.dataset = {
        "images": [{"id": 1, "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "segmentation": polygons}
            for number, polygons in enumerate(POLYGONS, start=1)
        ],
    }
    with redirect_stdout(io.StringIO()):
        index.createIndex()
    wanted = sum(torch.from_numpy(index.annToMask(found)) for found in index.dataset["annotations"]) > 0
    held = [Instance("dog", (0, 0, 24, 20), polygons) for polygons in POLYGONS]
    assert area_of(held, (WIDTH, HEIGHT), masks=True).filled.equal(wanted)
    assert area_of(held, (WIDTH, HEIGHT), masks=False).size == WIDTH * HEIGHT


def test_polygons_of_two_points_beside_others_are_left_out():
    polygons = [[1, 1, 8, 1, 8, 8, 1, 8], [1, 1, 8, 8]]
    areas = [
        area_of([Instance("dog", segmentation=listed)], (WIDTH, HEIGHT), masks=True)
        for listed in (polygons, polygons[::-1], polygons[:1])
    ]
    assert areas[0].filled.equal(areas[2].filled)
    assert areas[1].filled.equal(areas[2].filled)


def test_run_lengths_are_read_and_boxes_stand_in_for_missing_outlines():
    counts = {"size": [4, 6], "counts": [0, 4, 20]}  # the first column
    crowd = [Instance("dog", (0, 0, 1, 4), counts, crowd=True)]
    assert area_of(crowd, (6, 4), masks=True).size == 4
    both = [*crowd, Instance("dog", (3, 0, 2, 2))]
    assert area_of(both, (6, 4), masks=True).size == 8
    assert area_of([Instance("dog")], (6, 4), masks=False) is None


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=WIDTH * HEIGHT, max_size=WIDTH * HEIGHT))
def test_run_lengths_of_pycocotools_are_read(pixels):
    mask = torch.tensor(pixels).reshape(HEIGHT, WIDTH)
    stored = masks.encode(numpy.asfortranarray(mask.numpy().astype("uint8")))
    for counts in (stored["counts"].decode(), _counts(stored["counts"].decode())):
        instance = Instance("dog", segmentation={"counts": counts, "size": [HEIGHT, WIDTH]})
        assert torch.equal(area_of([instance], (WIDTH, HEIGHT), masks=True).filled, mask)


SIZE = {"size": [HEIGHT, WIDTH]}
DAMAGED = {
    "numbers": [1, 2, 3, 4],
    "null": [None],
    "text": "x",
    "true": True,
    "an object": [[{"counts": [1]}]],
    "too few numbers": [[1, 2, 3]],
    "a line": [[1, 1, 8, 8]],
    "far away": [[0, 0, 1e300, 1e300, 0, 5]],
    "no number": [[0, 0, float("nan"), 1, 0, 5]],
    "an odd word": [[0, 0, "1", 1, 0, 5]],
    "another size": {"counts": [64_000_000], "size": [8000, 8000]},
    "runs that end early": SIZE | {"counts": [9]},
    "runs that go on": SIZE | {"counts": [9_999_999_999]},
    "negative runs": SIZE | {"counts": [500, -20]},
    "compressed runs that end early": SIZE | {"counts": "111"},
    "compressed runs that go on": SIZE | {"counts": "oooooooooooo"},
    "letters": SIZE | {"counts": "\x1b"},
    "no runs": SIZE,
}


@pytest.mark.parametrize("segmentation", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_segmentation_is_named_before_pycocotools_reads_it(segmentation):
    with pytest.raises(UserError, match="segmentation of an object should be polygons"):
        area_of([Instance("dog", segmentation=segmentation)], (WIDTH, HEIGHT), masks=True)
