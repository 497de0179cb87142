"""Weights are drawn on exactly the pixels of the original photo that their regions cover."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from matplotlib import colormaps

from captioner.regions import Boxes, Grid, Placement
from captioner.visualize.colours import ABOVE, BELOW, colour, covered
from captioner.visualize.maps import map_on_photo

PHOTOS = {"portrait": (30, 47), "landscape": (53, 31), "square": (40, 40)}
GRID = Grid(3, 4)


def whole(photo_size):
    return Placement.whole(photo_size).resized((24, 24)), (0, 0, *photo_size)


def centre_crop(photo_size):
    """The shorter side is resized to 24, then the middle 24 x 24 is cropped."""
    width, height = photo_size
    resized = (max(24, 24 * width // height), max(24, 24 * height // width))
    left, top = (resized[0] - 24) // 2, (resized[1] - 24) // 2
    return Placement.whole(photo_size).resized(resized).cropped(left, top, (24, 24)), _view(
        photo_size, resized, left, top
    )


def letterbox(photo_size):
    """The longer side is resized to 24, then padded to 24 x 24."""
    width, height = photo_size
    resized = (min(24, 24 * width // height), min(24, 24 * height // width))
    left, top = -((24 - resized[0]) // 2), -((24 - resized[1]) // 2)
    return Placement.whole(photo_size).resized(resized).cropped(left, top, (24, 24)), _view(
        photo_size, resized, left, top
    )


def _view(photo_size, resized, left, top):
    """The 24 x 24 view on the photo as exact fractions, computed without Placement."""
    x, y = Fraction(photo_size[0], resized[0]), Fraction(photo_size[1], resized[1])
    return left * x, top * y, (left + 24) * x, (top + 24) * y


PLACEMENTS = [whole, centre_crop, letterbox]


def cell_at(pixel, photo_size, view, map_size):
    """(row, column) of the cell under a pixel's centre, None outside the view: exact, one pixel at a time."""
    left, top, right, bottom = view
    x, y = (Fraction(2 * p + 1, 2) * n / m for p, n, m in zip(pixel, photo_size, map_size, strict=True))
    if not (left <= x < right and top <= y < bottom):
        return None
    return (y - top) * GRID.rows // (bottom - top), (x - left) * GRID.columns // (right - left)


def on_an_edge(pixel, photo_size, view, map_size):
    left, top, right, bottom = view
    x, y = (Fraction(2 * p + 1, 2) * n / m for p, n, m in zip(pixel, photo_size, map_size, strict=True))
    return ((y - top) * GRID.rows / (bottom - top)).denominator == 1 or (
        (x - left) * GRID.columns / (right - left)
    ).denominator == 1


@pytest.mark.parametrize("shape", PHOTOS)
@pytest.mark.parametrize("place", PLACEMENTS)
@pytest.mark.parametrize("size", [None, (17, 23)])
def test_a_weight_on_one_cell_lights_exactly_its_pixels(shape, place, size):
    photo_size = PHOTOS[shape]
    placement, view = place(photo_size)
    width, height = map_size = size or photo_size
    maps = map_on_photo(torch.eye(GRID.num_regions), GRID, placement, size)
    checked = 0
    for pixel in ((x, y) for y in range(height) for x in range(width)):
        if on_an_edge(pixel, photo_size, view, map_size):
            continue
        values, cell = maps[:, pixel[1], pixel[0]], cell_at(pixel, photo_size, view, map_size)
        checked += 1
        if cell is None:
            assert values.isnan().all()
        else:
            assert values.nonzero().flatten().tolist() == [cell[0] * GRID.columns + cell[1]]
    assert checked > 0.5 * width * height


def test_known_pixels_of_a_centre_crop():
    placement = Placement.whole((8, 4)).cropped(2, 0, (4, 4))
    drawn = map_on_photo(torch.tensor([0.1, 0.2, 0.3, 0.4]), Grid(2, 2), placement)
    nan = float("nan")
    top, bottom = [nan, nan, 0.1, 0.1, 0.2, 0.2, nan, nan], [nan, nan, 0.3, 0.3, 0.4, 0.4, nan, nan]
    torch.testing.assert_close(drawn, torch.tensor([top, top, bottom, bottom]), equal_nan=True)


def test_known_pixels_of_a_letterbox_leave_the_padding_out():
    placement = Placement.whole((4, 2)).cropped(0, -1, (4, 4))
    drawn = map_on_photo(torch.tensor([0.1, 0.2, 0.3, 0.4]), Grid(2, 2), placement)
    torch.testing.assert_close(drawn, torch.tensor([[0.1, 0.1, 0.2, 0.2], [0.3, 0.3, 0.4, 0.4]]))


def test_a_centre_on_an_edge_belongs_to_the_cell_right_of_it_and_below():
    drawn = map_on_photo(torch.tensor([1.0, 2.0, 3.0, 4.0]), Grid(2, 2), Placement.whole((3, 3)))
    torch.testing.assert_close(drawn, torch.tensor([[1.0, 2.0, 2.0], [3.0, 4.0, 4.0], [3.0, 4.0, 4.0]]))


@pytest.mark.parametrize("size", [(1, 1), (300, 200), (7, 90)])
def test_the_map_has_the_size_asked_for(size):
    drawn = map_on_photo(torch.rand(9), Grid(3, 3), Placement.whole((20, 10)), size)
    assert drawn.shape == (size[1], size[0])
    assert drawn.dtype == torch.float32


def test_several_words_at_once_are_drawn_like_one_by_one():
    weights = torch.rand(5, 12)
    placement, _ = centre_crop(PHOTOS["landscape"])
    together = map_on_photo(weights, GRID, placement)
    alone = torch.stack([map_on_photo(word, GRID, placement) for word in weights])
    torch.testing.assert_close(together, alone, equal_nan=True)


def test_boxes_that_overlap_add_up_and_the_rest_of_the_view_is_zero():
    boxes = Boxes(torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.25, 0.0, 0.75, 0.5]]))
    placement = Placement.whole((8, 2)).cropped(0, 0, (4, 2))
    drawn = map_on_photo(torch.tensor([0.5, 0.25]), boxes, placement)
    nan = [float("nan")] * 4
    torch.testing.assert_close(
        drawn, torch.tensor([[0.5, 0.75, 0.25, 0.0, *nan], [0.5, 0.5, 0.0, 0.0, *nan]]), equal_nan=True
    )


@pytest.mark.parametrize("place", PLACEMENTS)
def test_boxes_that_tile_the_view_are_drawn_like_a_grid(place):
    weights = torch.rand(4)
    grid = Grid(2, 2)
    placement, _ = place((53, 31))
    as_boxes = map_on_photo(weights, Boxes(grid.corners()), placement)
    torch.testing.assert_close(as_boxes, map_on_photo(weights, grid, placement), equal_nan=True)


def test_neighbours_of_a_grid_given_as_boxes_do_not_overlap():
    boxes = Boxes(Grid(10, 10).corners())
    drawn = map_on_photo(torch.ones(100), boxes, Placement.whole((105, 64)), (105, 8))
    torch.testing.assert_close(drawn, torch.ones_like(drawn))


def test_weights_of_another_layout_are_an_error():
    with pytest.raises(ValueError, match="9 regions, got shape"):
        map_on_photo(torch.rand(8), Grid(3, 3), Placement.whole((4, 4)))


def test_boxes_of_several_photos_are_an_error():
    with pytest.raises(ValueError, match="of_photo"):
        map_on_photo(torch.rand(3), Boxes(torch.rand(2, 3, 4)), Placement.whole((4, 4)))


def test_an_empty_size_is_an_error():
    with pytest.raises(ValueError, match="at least 1 pixel"):
        map_on_photo(torch.rand(9), Grid(3, 3), Placement.whole((4, 4)), (0, 4))


def luminance(colours):
    """(..., 3) sRGB, 0 to 255 -> (...), 0 to 1."""
    shares = colours.double() / 255
    linear = torch.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64)


def test_colours_get_darker_all_the_way():
    table = luminance(colour(torch.linspace(0, 1, 256)))
    assert (table.diff() < 1e-3).all()
    assert table[0] > 0.4
    assert table[-1] < 0.03


def test_more_weight_is_darker_over_every_grey_of_the_photo():
    grey = torch.arange(256.0)[:, None, None].expand(256, 256, 1)
    drawn = covered(grey, torch.linspace(0, 1, 256).expand(256, 256))  # (256, 256, 3)
    assert (luminance(drawn).diff(dim=1) < 0).all()


def test_the_photo_is_visible_beneath_a_map():
    greys = covered(torch.linspace(0, 255, 9)[:, None, None], torch.zeros(9, 1)).mean(-1)  # (9, 1)
    assert (greys.diff(dim=0) > 10).all()
    assert greys.max() < 255, "white is not the paper"


def test_colours_clamp_and_keep_the_shape():
    rgb = colour(torch.tensor([[-1.0, 0.0], [1.0, 7.0]]))
    assert rgb.shape == (2, 2, 3)
    assert rgb.dtype == torch.uint8
    assert rgb[0, 0].tolist() == rgb[0, 1].tolist() == colour(torch.tensor(0.0)).tolist()
    assert rgb[1, 0].tolist() == rgb[1, 1].tolist() == colour(torch.tensor(1.0)).tolist()


def test_colours_are_those_of_matplotlib():
    shares = torch.linspace(0, 1, 256)
    inferno = colormaps["inferno"](torch.lerp(torch.tensor(0.77), torch.tensor(0.17), shares).numpy(), bytes=True)[
        :, :3
    ]
    assert (colour(shares).int() - torch.from_numpy(inferno).int()).abs().max() <= 2, "the nearest of 256 colours"
    for side, sign in ((ABOVE, -1), (BELOW, 1)):
        shares = 0.5 + sign * torch.tensor([0.2, 0.3, 0.4, 0.5])  # of PuOr's 11 colours, the outer four of each side
        puor = colormaps["PuOr"](shares.numpy(), bytes=True)[:, :3]
        assert (side.int() - torch.from_numpy(puor).int()).abs().max() <= 2
