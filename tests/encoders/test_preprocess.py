"""Photos of every kind become pixels, and a known place of the photo is found again in the network's view."""

from __future__ import annotations

import io

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from captioner.encoders.preprocess import Preprocess, as_rgb, open_photo
from captioner.errors import UserError
from captioner.regions import Boxes, Grid, Placement

ROTATION = 0x0112


@st.composite
def preprocesses(draw):
    crop = draw(st.integers(8, 64)), draw(st.integers(8, 64))
    resize = draw(st.one_of(st.integers(max(crop), 90), st.just(crop)))
    return Preprocess(resize, crop)


@settings(deadline=None, max_examples=40)
@given(st.integers(10, 300), st.integers(10, 300), preprocesses(), st.data())
def test_the_placement_finds_a_marked_spot_again(width, height, preprocess, data):
    """A bright square on a dark photo: where the view is brightest is where the placement says."""
    view, placement = preprocess(Image.new("RGB", (width, height)))
    x = data.draw(st.floats(0.1, 0.9)) * placement.view_size[0]
    y = data.draw(st.floats(0.1, 0.9)) * placement.view_size[1]
    spot = placement.to_photo(torch.tensor([x, y]))
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    reach = [max(2, int(2 * scale)) for scale in placement.scale]
    left, top = int(spot[0]), int(spot[1])
    pixels[max(0, top - reach[1]) : top + reach[1] + 1, max(0, left - reach[0]) : left + reach[0] + 1] = 255
    view, _ = preprocess(Image.fromarray(pixels))
    ys, xs = (view[0] >= view[0].max() * 0.9).nonzero(as_tuple=True)
    assert view.shape == (3, *placement.view_size[::-1])
    assert view[0].max() > 0
    assert abs(float(xs.float().mean()) + 0.5 - x) < 4.5
    assert abs(float(ys.float().mean()) + 0.5 - y) < 4.5


@given(st.floats(-50, 50), st.floats(-50, 50), st.integers(1, 200), st.integers(1, 200), st.integers(-9, 9))
def test_to_view_undoes_to_photo(x, y, width, height, left):
    placement = Placement.whole((120, 80)).resized((width, height)).cropped(left, 3, (32, 32))
    point = torch.tensor([x, y], dtype=torch.float64)
    torch.testing.assert_close(placement.to_view(placement.to_photo(point)), point)


def test_cells_of_a_grid_tile_the_photo():
    corners = Placement.whole((60, 40)).resized((224, 224)).corners_on_photo(Grid(2, 3))
    torch.testing.assert_close(corners[4], torch.tensor([20.0, 20, 40, 40], dtype=torch.float64), rtol=0, atol=1e-4)


def test_boxes_of_a_batch_must_be_one_photos():
    with pytest.raises(ValueError, match="of_photo"):
        Boxes(torch.zeros(2, 3, 4)).corners()


@pytest.mark.parametrize("rotation", range(1, 9))
def test_exif_rotation_is_applied(rotation, tmp_path):
    photo = Image.new("RGB", (6, 4), "black")
    exif = Image.Exif()
    exif[ROTATION] = rotation
    photo.save(tmp_path / "photo.jpg", exif=exif)
    assert open_photo(tmp_path / "photo.jpg").size == ((6, 4) if rotation < 5 else (4, 6))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_photos_of_every_mode_are_read(mode, tmp_path):
    photo = Image.fromarray(numpy.full((5, 7), 40_000, numpy.uint16)) if mode == "I;16" else Image.new(mode, (7, 5))
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    photo.save(path)
    assert open_photo(path).mode == "RGB"
    if mode == "I;16":
        assert open_photo(path).getpixel((0, 0)) == (156, 156, 156)


def test_transparency_lies_on_white():
    assert as_rgb(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)


def test_a_photo_cut_off_is_named(tmp_path):
    data = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(data, "JPEG")
    (tmp_path / "photo.jpg").write_bytes(data.getvalue()[:900])
    with pytest.raises(UserError, match="cut off or damaged"):
        open_photo(tmp_path / "photo.jpg")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("L", (20, 20)).save(tmp_path / "bomb.png")
    with pytest.raises(UserError, match="too large to be a photo"):
        open_photo(tmp_path / "bomb.png")
