"""The mass inside a box is exact, and a uniform map has lift 1."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.explain.agreement import Overlap
from captioner.regions import Boxes, Grid, Placement

SQUARE = Placement.whole((80, 80))
HALF = Grid(1, 2)


def box_masses(weights, layout, placement, box):
    return Overlap.of(layout, placement, box).masses(weights)


def points_inside(weights, layout, placement, box):
    return Overlap.of(layout, placement, box).hits(weights)


def fair_share(layout, placement, box):
    return Overlap.of(layout, placement, box).fair_share


@st.composite
def placements(draw):
    """A resize, then a crop or a letterbox."""
    photo, resized, view = (tuple(draw(st.integers(8, 90)) for _ in "xy") for _ in range(3))
    left, top = draw(st.integers(-20, 20)), draw(st.integers(-20, 20))
    return Placement.whole(photo).resized(resized).cropped(left, top, view)


@st.composite
def layouts(draw):
    if draw(st.booleans()):
        return Grid(draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    corners = torch.rand(
        draw(st.integers(1, 12)), 2, 2, generator=torch.Generator().manual_seed(draw(st.integers(0, 99)))
    )
    return Boxes(corners.sort(dim=1).values.flatten(1))


sizes = st.floats(0, 60)
boxes = st.tuples(st.floats(-10, 60), st.floats(-10, 60), sizes, sizes)


@st.composite
def regions_in_whole_pixels(draw):
    """A layout over a view of 20 x 16 pixels, and its regions as (left, top, right, bottom)."""
    if draw(st.booleans()):
        wide, high = draw(st.sampled_from([2, 4, 5, 10])), draw(st.sampled_from([2, 4, 8]))
        corners = [(x, y, x + wide, y + high) for y in range(0, 16, high) for x in range(0, 20, wide)]
        return Grid(16 // high, 20 // wide), corners
    one = st.tuples(st.integers(0, 16), st.integers(0, 12), st.integers(1, 4), st.integers(1, 4))
    corners = [(x, y, x + wide, y + high) for x, y, wide, high in draw(st.lists(one, min_size=1, max_size=6))]
    return Boxes(torch.tensor(corners) / torch.tensor([20, 16, 20, 16])), corners


def share_of_covered_pixels(regions, left, top, box):
    """The mean, over regions that show on a photo of 18 x 14, of the share of a region's pixels that lie in the box."""
    shares = []
    for x0, y0, x1, y1 in regions:
        pixels = [(x + left, y + top) for x in range(x0, x1) for y in range(y0, y1)]
        pixels = [(x, y) for x, y in pixels if 0 <= x < 18 and 0 <= y < 14]
        inside = [(x, y) for x, y in pixels if box[0] <= x < box[0] + box[2] and box[1] <= y < box[1] + box[3]]
        if pixels:
            shares.append(len(inside) / len(pixels))
    return sum(shares) / len(shares) if shares else 0.0


@given(regions_in_whole_pixels(), st.integers(-6, 6), st.integers(-6, 6), st.tuples(*[st.integers(0, 12)] * 4))
def test_a_uniform_map_has_its_fair_share_as_pixels_are_counted(found, left, top, box):
    """The view is cut from the photo at (left, top), beyond its edges too."""
    layout, regions = found
    placement = Placement.whole((18, 14)).cropped(left, top, (20, 16))
    counted = share_of_covered_pixels(regions, left, top, box)
    assert fair_share(layout, placement, box) == pytest.approx(counted, abs=1e-6)
    uniform = torch.full((3, layout.num_regions), 1 / layout.num_regions)
    assert box_masses(uniform, layout, placement, box).tolist() == pytest.approx([counted] * 3, abs=1e-6)


@given(layouts(), placements(), boxes, st.integers(0, 99))
def test_masses_of_a_cut_of_the_photo_sum_to_one(layout, placement, box, seed):
    weights = torch.rand(2, layout.num_regions, generator=torch.Generator().manual_seed(seed))
    width, height = placement.photo_size
    x = min(max(box[0], 0), width)
    left, right = (0, 0, x, height), (x, 0, width - x, height)
    masses = box_masses(weights, layout, placement, left) + box_masses(weights, layout, placement, right)
    nothing_on_photo = fair_share(layout, placement, (0, 0, width, height)) == 0
    assert masses.tolist() == pytest.approx([0.0 if nothing_on_photo else 1.0] * 2)


@given(st.integers(1, 9), st.integers(1, 9), st.tuples(*[st.integers(0, 40)] * 4))
def test_the_fair_share_of_a_grid_over_the_whole_photo_is_the_share_of_its_area(rows, columns, box):
    left, top, width, height = box
    area = min(width, 60 - left) * min(height, 50 - top)
    assert fair_share(Grid(rows, columns), Placement.whole((60, 50)), box) == pytest.approx(area / (60 * 50), rel=1e-5)


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(-2, 2), st.integers(-2, 2), st.integers(0, 99))
def test_the_mass_agrees_with_counting_pixels(rows, columns, left, top, seed):
    """Cells whose borders lie on pixels' borders, so that counting is exact."""
    layout, view = Grid(rows, columns), (columns * 4, rows * 4)
    placement = Placement.whole((20, 16)).cropped(4 * left, 4 * top, view)
    weights = torch.rand(layout.num_regions, generator=torch.Generator().manual_seed(seed)).tolist()
    box, inside, total = (3, 2, 9, 11), 0.0, 0.0
    for region, weight in enumerate(weights):
        x, y = 4 * (left + region % columns), 4 * (top + region // columns)
        pixels = [(i, j) for i in range(x, x + 4) for j in range(y, y + 4) if 0 <= i < 20 and 0 <= j < 16]
        hits = [pixel for pixel in pixels if 3 <= pixel[0] < 12 and 2 <= pixel[1] < 13]
        inside += weight * len(hits) / len(pixels) if pixels else 0
        total += weight if pixels else 0
    mass = box_masses(torch.tensor([weights]), layout, placement, box).item()
    assert mass == pytest.approx(inside / total if total else 0, abs=1e-6)


@pytest.mark.parametrize("region", range(16))
def test_a_map_that_knows_the_object_has_all_its_mass_inside(region):
    layout = Grid(4, 4)
    left, top, right, bottom = SQUARE.corners_on_photo(layout)[region].tolist()
    box = (left, top, right - left, bottom - top)
    planted = torch.eye(16)[region : region + 1]
    assert box_masses(planted, layout, SQUARE, box).item() == pytest.approx(1)
    assert fair_share(layout, SQUARE, box) == 1 / 16
    assert points_inside(torch.eye(16), layout, SQUARE, box).tolist() == [index == region for index in range(16)]


def test_words_are_measured_together_as_they_are_alone():
    weights, box = torch.rand(5, 9, generator=torch.Generator().manual_seed(0)), (10, 20, 30, 35)
    alone = torch.cat([box_masses(weights[word : word + 1], Grid(3, 3), SQUARE, box) for word in range(5)])
    assert box_masses(weights, Grid(3, 3), SQUARE, box).equal(alone)


def test_padding_is_left_out():
    """The photo fills the left half of the view: what lies on the right half is nowhere."""
    placement = Placement.whole((40, 80)).cropped(0, 0, (80, 80))
    weights, box = torch.tensor([[0.2, 0.8], [0.0, 1.0]]), (0, 0, 40, 80)
    assert box_masses(weights, HALF, placement, box).tolist() == [1, 0]
    assert points_inside(weights, HALF, placement, box).tolist() == [True, False]


def test_a_border_region_keeps_its_whole_weight():
    """A quarter of the right region is on the photo; its weight lies there."""
    placement = Placement.whole((50, 80)).cropped(0, 0, (80, 80))
    assert box_masses(torch.tensor([[0.5, 0.5]]), HALF, placement, (40, 0, 10, 80)).item() == pytest.approx(0.5)


def test_a_region_that_misses_the_photo_by_rounding_alone_is_padding():
    placement = Placement.whole((30, 80)).resized((70, 80)).cropped(0, 0, (700, 80))
    assert fair_share(Grid(1, 10), placement, (0, 0, 30, 80)) == 1
    assert fair_share(Grid(1, 10), placement, (0, 0, 15, 80)) == pytest.approx(0.5)


def test_an_object_that_a_crop_cut_away_has_no_share():
    placement = Placement.whole((160, 80)).cropped(40, 0, (80, 80))
    assert fair_share(Grid(2, 2), placement, (0, 0, 30, 80)) == 0


def test_maps_with_a_sentinel_are_scaled_to_sum_1():
    weights = torch.tensor([[0.3, 0.1]])
    assert box_masses(weights, HALF, SQUARE, (0, 0, 40, 80)).item() == pytest.approx(0.75)


@pytest.mark.parametrize("measure", [box_masses, points_inside])
@pytest.mark.parametrize("shape", [(4,), (1, 5), (1, 1, 4)])
def test_weights_of_another_layout_are_refused(measure, shape):
    with pytest.raises(ValueError, match=r"weights need shape \(words, 4\)"):
        measure(torch.ones(shape), Grid(2, 2), SQUARE, (0, 0, 10, 10))
