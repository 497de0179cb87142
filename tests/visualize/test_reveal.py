"""In every style a pixel is a stated function of the photo's colour and the weight; from `reveal` the weight can be read back."""

from __future__ import annotations

import io
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

from captioner.regions import Boxes, Grid, Placement
from captioner.visualize.colours import ABOVE, BELOW, COVER, GROUND, RATIO_ENDS, colour, covered, diverging
from captioner.visualize.overlay import Style, maps_over
from captioner.visualize.painters import PAINTERS
from captioner.visualize.reveal import (
    CONTOUR,
    GAMMA,
    LEAST,
    LIGHT,
    MOST,
    SHADE,
    UNSEEN,
    contour,
    pixels_of,
    rounded,
    shaded,
)
from tests.visualize.test_page import make_caption

SIZE = (224, 224)
GRID = Grid(7, 7)
FLAT = {"black": (0, 0, 0), "white": (255, 255, 255), "green": (60, 140, 40)}


def photo_of(seed, size=SIZE):
    """A photo of random brightness, contrast and noise; dark and light ones too."""
    generator = torch.Generator().manual_seed(seed)
    middle, contrast = (255 * torch.rand(1, generator=generator), 120 * torch.rand(1, generator=generator))
    coarse = torch.randn(1, 3, 9, 9, generator=generator)
    large = torch.nn.functional.interpolate(coarse, size=(size[1], size[0]), mode="bilinear")[0].permute(1, 2, 0)
    noisy = middle + contrast * large + 6 * torch.randn(size[1], size[0], 3, generator=generator)
    return Image.fromarray(noisy.round().clamp(0, 255).to(torch.uint8).numpy())


def drawn(weights, photo, layout=GRID, **style):
    """The photo under the map of one word, as read from a PNG: (height, width, 3)."""
    caption = make_caption("dog", Placement.whole(photo.size), layout, weights=weights[None])
    stored = io.BytesIO()
    maps_over(photo, [caption], photo.size, Style(**style))[0].on(photo)(0).save(stored, "PNG")
    return pixels_of(Image.open(stored))


def read_back(picture, photo):
    """Weights (R,) of a picture in the style reveal, from the middle of each cell, by the formulas of the documentation."""
    multiples = []
    for region in range(GRID.num_regions):
        row, column = divmod(region, GRID.columns)
        part = (slice(32 * row + 8, 32 * row + 24), slice(32 * column + 8, 32 * column + 24))
        ranges = ((0.0, 1.0), (1.0, float(GRID.num_regions)))
        multiples.append(
            min((_nearest(picture[part], photo[part], *ends) for ends in ranges), key=lambda found: found[1])[0]
        )
    return torch.tensor(multiples) / GRID.num_regions


def _nearest(after, before, low, high):
    """The multiple between low and high whose picture has the same sum of changes, by bisection, and the pixels that differ."""
    away = (torch.tensor(SHADE if high == 1 else LIGHT) - before).sign()

    def redrawn(multiple):
        return rounded(shaded(before, torch.full(before.shape[:2], multiple), GRID.num_regions))

    rising = 1 if high > 1 else -1
    for _ in range(18):
        middle = (low + high) / 2
        missing = rising * float(((after - redrawn(middle)) * away).sum())
        low, high = (middle, high) if missing > 0 else (low, middle)
    return (low + high) / 2, float((redrawn((low + high) / 2) != after).sum())


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), spread=st.floats(0.05, 4))
def test_weights_are_read_back_from_a_png_to_one_percent(seed, spread):
    weights = (spread * torch.randn(49, generator=torch.Generator().manual_seed(seed))).softmax(0)
    photo = photo_of(seed)
    found = read_back(drawn(weights, photo), pixels_of(photo))
    error = (found - weights).abs() / weights.clamp(min=1 / 49)  # of the uniform weight, or of a larger weight itself
    assert float(error.max()) < 0.01


@pytest.mark.parametrize("name", FLAT)
def test_weights_are_read_back_from_a_photo_of_one_colour(name):
    weights = torch.randn(49, generator=torch.Generator().manual_seed(1)).softmax(0)
    photo = Image.new("RGB", SIZE, FLAT[name])
    found = read_back(drawn(weights, photo), pixels_of(photo))
    assert float(((found - weights).abs() / weights.clamp(min=1 / 49)).max()) < 0.01


@pytest.mark.parametrize("num_regions", [1, 9, 36, 49, 64, 196])
def test_a_uniform_map_leaves_the_photo_as_it_is(num_regions):
    side = math.isqrt(num_regions)
    photo = photo_of(3, (101, 64))
    for smooth in (False, True):
        picture = drawn(torch.full((num_regions,), 1 / num_regions), photo, Grid(side, side), smooth=smooth)
        assert torch.equal(picture, pixels_of(photo))
        even = torch.zeros(num_regions).softmax(0)
        assert torch.equal(drawn(even, photo, Grid(side, side), smooth=smooth), pixels_of(photo))


def test_what_the_formulas_say():
    colours = torch.tensor([200.0, 100.0, 40.0]).expand(5, 3)
    multiples = torch.tensor([0.0, 0.5, 1.0, 7.0, 49.0])
    shade, light, photo = torch.tensor(SHADE), torch.tensor(LIGHT), colours[0]
    expected = [
        shade + LEAST * (photo - shade),
        shade + (LEAST + (1 - LEAST) * 0.5**GAMMA) * (photo - shade),
        photo,
        photo + MOST / 2 * (light - photo),
        photo + MOST * (light - photo),
    ]
    torch.testing.assert_close(shaded(colours, multiples, 49), torch.stack(expected))


def test_colours_of_the_other_styles_follow_their_formulas():
    grey = torch.full((1, 4, 1), 90.0)
    share = torch.tensor([[0.0, 0.25, 0.5, 1.0]])
    ground = GROUND[0] + GROUND[1] * 90
    for values, colours in (
        (covered(grey, share), colour(share).float()),
        (diverging(grey, share), None),
        (diverging(grey, -share), None),
    ):
        assert torch.equal(values[0, 0], torch.full((3,), ground))
        cover = COVER[1] * share.sqrt()[..., None]
        if colours is not None:
            torch.testing.assert_close(values, ground + cover * (colours - ground))
        brightness = values.mean(-1)[0]
        assert (brightness.diff() < 0).all(), "further from uniform, or more weight, is darker"
    above, below = diverging(grey, share)[0, 1:], diverging(grey, -share)[0, 1:]
    assert (above[:, 0] > above[:, 2]).all(), "more than uniform is orange"
    assert (below[:, 2] > below[:, 0]).all(), "less is purple"


def formula(kind, colour, weight, top):
    """The colour that the guide gives a cell, by loops over single numbers."""
    multiple, grey = weight * GRID.num_regions, float(torch.tensor(colour) @ torch.tensor([0.299, 0.587, 0.114]))
    if kind == "reveal":
        towards = LIGHT if multiple > 1 else SHADE
        share = MOST * math.log(multiple) / math.log(49) if multiple > 1 else (1 - LEAST) * (1 - multiple**GAMMA)
        return [part + share * (end - part) for part, end in zip(colour, towards, strict=True)]
    ground = GROUND[0] + GROUND[1] * round(grey)
    if kind == "cells":
        share = weight / top
        return [ground + COVER[1] * math.sqrt(share) * (part - ground) for part in colour_at(share)]
    step = max(-1.0, min(1.0, math.log2(multiple) / RATIO_ENDS))
    points = (ABOVE if step > 0 else BELOW).tolist()
    index = min(int(abs(step) * 3), 2)
    ends = [
        low + (abs(step) * 3 - index) * (high - low) for low, high in zip(points[index], points[index + 1], strict=True)
    ]
    return [ground + COVER[1] * math.sqrt(abs(step)) * (part - ground) for part in ends]


def colour_at(share):
    return colour(torch.tensor(share)).float().tolist()


@pytest.mark.parametrize("kind", PAINTERS)
def test_every_cell_has_the_colour_that_its_weight_gives(kind):
    weights = (1.5 * torch.randn(49, generator=torch.Generator().manual_seed(2))).softmax(0)
    flat = (120.0, 90.0, 60.0)
    picture = drawn(weights, Image.new("RGB", SIZE, tuple(map(int, flat))), kind=kind)
    for region, weight in enumerate(weights.tolist()):
        row, column = divmod(region, GRID.columns)
        cell = picture[32 * row + 8 : 32 * row + 24, 32 * column + 8 : 32 * column + 24].flatten(0, 1).mean(0)
        expected = torch.tensor(formula(kind, flat, weight, float(weights.max())))
        assert float((cell - expected).abs().max()) < 0.6, (region, weight)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 8), columns=st.integers(1, 8), line=st.integers(1, 3))
def test_a_contour_lies_on_the_outermost_pixels_of_exactly_the_cells_above(seed, rows, columns, line):
    """Against loops: a pixel is on the line if a pixel within reach is not inside, or lies beyond the picture."""
    multiples = 2.5 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed))
    cell = 6
    pixels = multiples.repeat_interleave(cell, 0).repeat_interleave(cell, 1)
    light, dark = contour(pixels, line)
    inside = pixels >= CONTOUR
    height, width = inside.shape
    for y in range(height):
        for x in range(width):
            near = [(y + j, x + i) for j in range(-line, line + 1) for i in range(-line, line + 1)]
            edge = any(not (0 <= j < height and 0 <= i < width) or not inside[j, i] for j, i in near)
            assert bool(light[y, x]) == bool(inside[y, x] and edge)
    assert not (dark & ~inside).any()
    assert not (dark & light).any()
    enclosed = light.view(rows, cell, columns, cell).any(3).any(1)
    above = multiples >= CONTOUR
    around = functional.pad(above[None].float(), (1, 1, 1, 1))  # beyond the picture, nothing is above
    surrounded = -functional.max_pool2d(-around, 3, 1)[0] == 1  # a cell among cells above has no line of its own
    assert torch.equal(enclosed, above & ~surrounded)


def test_contours_of_a_picture_enclose_exactly_the_regions_above():
    weights = torch.randn(49, generator=torch.Generator().manual_seed(5)).softmax(0)
    photo = Image.new("RGB", SIZE, (90, 120, 60))
    picture = drawn(weights, photo)
    white = (picture == 255).all(-1).view(7, 32, 7, 32).any(3).any(1).flatten()
    assert torch.equal(white, weights * 49 >= CONTOUR)
    assert 0 < int(white.sum()) < 49


@pytest.mark.parametrize("size", [(960, 144), (144, 960), (144, 144)])
def test_a_contour_leaves_most_of_a_cell_visible_in_panoramas_too(size):
    weights = torch.full((64,), 0.5 / 63)
    weights[27] = 0.5
    photo = Image.new("RGB", size, (90, 120, 60))
    picture = drawn(weights, photo, Grid(8, 8))
    width, height = size[0] // 8, size[1] // 8
    cell = picture[3 * height : 4 * height, 3 * width : 4 * width]
    on_line = (cell == 255).all(-1) | (cell == 0).all(-1)
    assert 0 < float(on_line.float().mean()) < 0.5


def test_outside_of_the_view_the_photo_is_grey_and_darker_with_a_thin_line():
    photo = Image.new("RGB", (100, 50), (200, 100, 50))
    caption = make_caption(
        "dog", Placement.whole((100, 50)).cropped(25, 0, (50, 50)), Grid(1, 1), weights=torch.ones(1, 1)
    )
    picture = maps_over(photo, [caption], photo.size, Style())[0].on(photo)(0)
    grey = round(UNSEEN * (0.299 * 200 + 0.587 * 100 + 0.114 * 50))
    assert {picture.getpixel((x, 20)) for x in (*range(23), *range(77, 100))} == {(grey,) * 3}
    assert picture.getpixel((24, 20)) == picture.getpixel((75, 20)) == (150, 150, 150)
    assert {picture.getpixel((x, 20)) for x in range(25, 75)} == {(200, 100, 50)}


@pytest.mark.parametrize("kind", PAINTERS)
def test_boxes_are_compared_with_a_uniform_map_over_the_same_boxes(kind):
    boxes = Boxes(torch.tensor([[0.0, 0.0, 0.6, 1.0], [0.4, 0.0, 0.8, 1.0]]))
    photo = Image.new("RGB", (100, 50), (200, 100, 50))
    picture = drawn(torch.full((2,), 0.5), photo, boxes, kind=kind)
    if kind == "reveal":
        assert torch.equal(picture[:, :80], pixels_of(photo)[:, :80]), "also where two boxes overlap"
        assert (picture[:, 85:].mean() < 60).all(), "no box lies there"


def test_a_scale_for_each_word_belongs_to_cells_alone():
    with pytest.raises(ValueError, match="needs kind='cells', got 'reveal'"):
        Style(scale="word")
