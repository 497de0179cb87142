"""Photos are made smaller, upright, in their own format; whatever cannot be, stays as it is."""

from __future__ import annotations

import io

import numpy
import pytest
from PIL import Image

from captioner.data.shrinking import shrunk


def noisy(quality: int) -> bytes:
    file = io.BytesIO()
    values = numpy.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=numpy.uint8)
    Image.fromarray(values).save(file, "JPEG", quality=quality)
    return file.getvalue()


def photo(kind: str, size: tuple[int, int], mode: str = "RGB", **options) -> bytes:
    """A photo whose left half is bright."""
    picture, file = Image.new(mode, size), io.BytesIO()
    picture.paste(255 if mode in ("L", "P") else (255,) * len(mode), (0, 0, size[0] // 2, size[1]))
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("WEBP", "RGB")])
def test_the_shorter_edge_is_as_asked_and_the_format_stays(kind, mode):
    small = Image.open(io.BytesIO(shrunk(photo(kind, (600, 400), mode), 100)))
    assert (small.format, small.size, small.mode) == (kind, (150, 100), mode)
    values = numpy.asarray(small.convert("L"))
    assert values[:, :70].min() > 240
    assert values[:, 80:].max() < 15


def test_a_turned_photo_is_upright_afterwards():
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise by a quarter
    small = Image.open(io.BytesIO(shrunk(photo("JPEG", (600, 400), exif=turned), 100)))
    assert small.size == (100, 150)
    assert small.getexif().get(0x0112, 1) == 1
    values = numpy.asarray(small.convert("L"))
    assert values[:70].min() > 240
    assert values[80:].max() < 15


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(photo("JPEG", (90, 60)), id="small"),
        pytest.param(photo("PNG", (300, 200), "P"), id="palette"),
        pytest.param(photo("PNG", (300, 200), "RGBA"), id="transparent"),
        pytest.param(photo("GIF", (300, 200), "L"), id="another format"),
        pytest.param(b"", id="empty"),
        pytest.param(b"no photo", id="text"),
        pytest.param(photo("JPEG", (600, 400))[:500], id="cut off"),
        pytest.param(noisy(1), id="compressed more"),
    ],
)
def test_what_is_small_or_cannot_be_made_smaller_stays(content):
    assert shrunk(content, 100) is content


def test_a_very_long_photo_keeps_a_pixel_of_each_edge():
    assert Image.open(io.BytesIO(shrunk(photo("PNG", (1000, 3)), 1))).size == (333, 1)
