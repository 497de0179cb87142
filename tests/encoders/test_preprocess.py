"""Photos of every kind become pixels, and the placement maps positions of the photo to the network's view."""

from __future__ import annotations

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from captioner.encoders import preprocess
from captioner.encoders.preprocess import MOST_PIXELS, Preprocess, as_rgb, open_photo, photo_size
from captioner.errors import UserError
from captioner.regions import Boxes, Grid, Placement

ROTATION = 0x0112


@st.composite
def preprocesses(draw):
    crop = draw(st.integers(8, 64)), draw(st.integers(8, 64))
    resize = draw(st.one_of(st.integers(max(crop), 90), st.just(crop), st.sampled_from(["cover", "inside"])))
    return Preprocess(resize, crop, mean=(0.0, 0.0, 0.0))  # bars of a letterbox are as dark as the photo


def stored_with(rotation: int, photo: Image.Image) -> Image.Image:
    """The file of a camera held so that its EXIF rotation is this one, opened: turned upright it is the photo."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # numbers of Image.Transpose
    if rotation in undo:
        photo = photo.transpose(Image.Transpose(undo[rotation]))
    exif = Image.Exif()
    exif[ROTATION] = rotation
    file = io.BytesIO()
    photo.save(file, "PNG", exif=exif, compress_level=0)
    return Image.open(file)


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.one_of(st.integers(10, 300), st.integers(1000, 2000)),
    st.one_of(st.integers(10, 300), st.integers(1000, 2000)),
    preprocesses(),
    st.floats(0.1, 0.9),
    st.floats(0.1, 0.9),
    st.integers(1, 8),
)
def test_the_placement_maps_a_marked_spot_back_to_the_photo(width, height, preprocess, across, down, rotation):
    """A bright square on a dark photo: the view is brightest around the place that the placement says."""
    _, placement = preprocess(Image.new("RGB", (width, height)))
    edge = max(1, round(3 * max(placement.scale)))  # about three pixels of the view
    assume(edge < min(width, height))
    left, top = int(across * (width - edge)), int(down * (height - edge))
    corners = placement.to_view(torch.tensor([[left, top], [left + edge, top + edge]], dtype=torch.float64))
    assume((corners[0] > 2).all() and (corners[1] < torch.tensor(placement.view_size) - 2).all())
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    pixels[top : top + edge, left : left + edge] = 255
    photo = as_rgb(stored_with(rotation, Image.fromarray(pixels)))
    view = preprocess(photo)[0][0].double()
    assert view.shape == placement.view_size[::-1]
    centre = [(view.sum(side) * (torch.arange(view.shape[1 - side]) + 0.5)).sum() / view.sum() for side in (0, 1)]
    assert torch.stack(centre).tolist() == pytest.approx(corners.mean(0).tolist(), abs=0.6)


@pytest.mark.parametrize("resize", [16, (16, 16), "cover", "inside"])
@pytest.mark.parametrize("size", [(1, 1), (1, 30_000), (30_000, 1), (3, 2), (6000, 4000)])
def test_photos_of_every_size_become_a_view_that_lies_on_them(size, resize):
    pixels, placement = Preprocess(resize, (16, 16))(Image.new("RGB", size, "red"))
    assert pixels.shape == (3, 16, 16)
    corners = placement.to_photo(torch.tensor([[0.0, 0.0], [16.0, 16.0]], dtype=torch.float64))
    middle = corners.mean(0).tolist()
    assert middle == pytest.approx([size[0] / 2, size[1] / 2], abs=max(1.0, *placement.scale))
    if resize not in (16, "cover"):  # all of the photo is seen
        assert (corners[0] <= 1e-6).all()
        assert (corners[1] >= torch.tensor(size) - 1e-6).all()
    if resize != (16, 16) and min(size) > 1:  # the aspect stays
        assert placement.scale[0] == pytest.approx(placement.scale[1], rel=0.5 if min(size) < 10 else 0.05)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_view_is_resized_as_by_torchvision(interpolation):
    noise = numpy.random.default_rng(0).integers(0, 256, (50, 71, 3), dtype=numpy.uint8)
    photo = Image.fromarray(noise)
    view, _ = Preprocess((32, 24), (32, 24), interpolation=interpolation)(photo)
    expected = functional.resize(photo, [24, 32], InterpolationMode(interpolation), antialias=True)
    assert torch.equal(view, functional.pil_to_tensor(expected))


def test_bars_of_a_letterbox_normalise_to_nothing():
    preprocess = Preprocess("inside", (8, 8), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    pixels, placement = preprocess(Image.new("RGB", (16, 8), "white"))
    seen = preprocess.normalise(pixels[None])[0]
    assert seen[:, :2].abs().max() < 0.02
    assert (seen[:, 2:6] > 2).all()
    assert placement.offset == (0.0, -4.0)


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


@pytest.mark.parametrize("side", [11, 20])
def test_the_limit_of_pixels_is_the_users(tmp_path, monkeypatch, side):
    Image.new("L", (side, side)).save(tmp_path / "photo.png")
    monkeypatch.setenv(MOST_PIXELS, "100")
    with pytest.raises(
        UserError, match="at most 100 pixels are read; make it smaller, or allow more with --most-pixels"
    ):
        open_photo(tmp_path / "photo.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)  # Pillow refuses twice as many
    monkeypatch.setenv(MOST_PIXELS, "400")
    assert open_photo(tmp_path / "photo.png").size == (side, side)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_regular_file_is_refused(tmp_path, kind):
    path = tmp_path / "photo.jpg"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(UserError, match=f"should be a file, got a {kind}"):
        open_photo(path)


@pytest.mark.parametrize("error", [RuntimeError("bad planes"), MemoryError(), IndexError("x"), KeyError("x")])
def test_whatever_a_decoder_raises_names_the_photo(tmp_path, monkeypatch, error):
    Image.new("L", (4, 4)).save(tmp_path / "photo.png")
    monkeypatch.setattr(Image.Image, "convert", lambda *arguments: (_ for _ in ()).throw(error))
    with pytest.raises(UserError, match=r"photo\.png cannot be read as a photo"):
        open_photo(tmp_path / "photo.png")


@pytest.mark.parametrize(
    ("free", "why"), [(2**30, "it is damaged"), (100, "does not fit into memory: it has 16 pixels")]
)
def test_a_photo_that_is_larger_than_memory_and_one_that_only_states_so_differ(tmp_path, monkeypatch, free, why):
    Image.new("L", (4, 4)).save(tmp_path / "photo.png")
    monkeypatch.setattr(preprocess, "free_memory", lambda: free)
    monkeypatch.setattr(Image.Image, "convert", lambda *arguments: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(UserError, match=why):
        open_photo(tmp_path / "photo.png")


def test_a_box_of_jpeg_2000_that_states_to_be_larger_than_memory_is_damage(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.jp2")
    content = (tmp_path / "photo.jp2").read_bytes()
    box = content.index(b"jp2h")
    (tmp_path / "photo.jp2").write_bytes(content[: box - 4] + b"\0\0\0\1jp2h\x40" + bytes(7) + content[box + 4 :])
    with pytest.raises(UserError, match="states that parts of it are larger than memory") as error:
        open_photo(tmp_path / "photo.jp2")
    assert "fit into memory" not in str(error.value)


def test_postscript_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("it ran"))
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.jpg", "EPS")
    with pytest.raises(UserError, match=r"photo\.jpg is PostScript, a program, which is not run"):
        open_photo(tmp_path / "photo.jpg")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff\xff\xff\xff"])
def test_damaged_exif_leaves_the_photo_as_it_is(tmp_path, exif):
    Image.new("RGB", (6, 4)).save(tmp_path / "photo.jpg", exif=exif)
    assert open_photo(tmp_path / "photo.jpg").size == (6, 4)


@pytest.mark.parametrize("error", [UnidentifiedImageError, KeyError])
def test_a_photo_whose_format_another_thread_registers_meanwhile_is_read(tmp_path, monkeypatch, error):
    Image.new("RGB", (4, 3)).save(tmp_path / "photo.webp")
    opened, calls = Image.open, []

    def meanwhile(path, **options):
        calls.append(path)
        if len(calls) == 1:
            raise error
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", meanwhile)
    assert open_photo(tmp_path / "photo.webp").size == (4, 3)


def test_threads_that_open_the_first_heic_photos_at_once_all_read_them(tmp_path, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    for number in range(8):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{number}.heic", format="HEIF")
    for _ in range(5):
        monkeypatch.delitem(Image.OPEN, "HEIF")
        Image.ID.remove("HEIF")
        start = Barrier(8)

        def read(path, start=start):
            start.wait()
            return open_photo(path).size

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(read, sorted(tmp_path.iterdir()))) == {(64, 64)}


def test_heic_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "photo.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Image.init()
    monkeypatch.setattr(Image, "OPEN", {name: opener for name, opener in Image.OPEN.items() if name != "HEIF"})
    with pytest.raises(UserError, match=r"\[heic\].*convert the photo to JPEG"):
        open_photo(tmp_path / "photo.jpg")


@pytest.mark.parametrize("mode", ["I", "I;16"])
def test_16_bit_grey_is_scaled(mode):
    assert as_rgb(Image.new(mode, (1, 1), 128 << 8)).getpixel((0, 0)) == (128, 128, 128)


def test_32_bit_grey_that_fits_8_bits_is_not_black(tmp_path):
    Image.fromarray(numpy.arange(256, dtype=numpy.int32).reshape(16, 16)).save(tmp_path / "grey.tiff")
    assert open_photo(tmp_path / "grey.tiff").getpixel((15, 15)) == (255, 255, 255)


def test_a_dark_16_bit_photo_stays_dark(tmp_path):
    (tmp_path / "dark.pgm").write_bytes(b"P5 2 2 65535 " + numpy.array([0, 60, 120, 200], ">u2").tobytes())
    assert open_photo(tmp_path / "dark.pgm").getextrema() == ((0, 0),) * 3


@pytest.mark.parametrize(("mode", "value"), [("F", 0.5), ("I", 2**20), ("I", -1)])
def test_grey_whose_white_nobody_knows_is_refused(tmp_path, mode, value):
    Image.new(mode, (2, 2), value).save(tmp_path / "depth.tiff")
    with pytest.raises(UserError, match="grey values are not 8 or 16 bits wide"):
        open_photo(tmp_path / "depth.tiff")


@pytest.mark.parametrize("kind", ["AVIF", "JPEG", "PNG", "WEBP", "GIF", "TIFF", "JPEG2000", "MPO"])
def test_photos_cut_off_anywhere_are_called_cut_off(tmp_path, kind):
    path = tmp_path / "photo"
    try:
        Image.effect_noise((48, 32), 50).convert("RGB").save(path, kind)
    except (OSError, KeyError):
        pytest.skip(f"Pillow writes no {kind} here")
    content = path.read_bytes()
    for size in (1, 8, 16, 32, 64, len(content) // 4, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(UserError, match="may be cut off or damaged"):
            open_photo(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="it is empty"):
        open_photo(path)


@pytest.mark.parametrize("ending", ["tif", "jpg", "png"])
@pytest.mark.parametrize("orientation", [0, 1, 3, 5, 6, 8, 9, 100, 65535])
def test_the_size_of_a_photo_is_that_of_the_opened_photo(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 30)).save(tmp_path / f"photo.{ending}", exif=exif)
    assert photo_size(tmp_path / f"photo.{ending}") == open_photo(tmp_path / f"photo.{ending}").size


@pytest.mark.parametrize("with_tag", [False, True])
def test_the_size_of_a_tiff_that_xmp_turns_is_that_of_the_upright_photo(tmp_path, with_tag):
    path = tmp_path / "turned.tif"
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    Image.new("RGB", (12, 8)).save(path, tiffinfo={700: xmp} | ({274: 6} if with_tag else {}))
    assert photo_size(path) == open_photo(path).size
