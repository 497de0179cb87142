"""From a photo's file to its map: the content of a cell of the network's view is where the map draws that cell.

The photo's pixels under a map are painted white and prepared for the network as any photo is. Were map and preprocessing not
inverse to one another, the white would not fill the cell that the weight stands on.
"""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from captioner.encoders.preprocess import Preprocess, open_photo
from captioner.regions import Boxes, Grid
from captioner.visualize.maps import map_on_photo

ASPECTS = {"portrait": (90, 160), "landscape": (160, 90), "square": (120, 120)}
PREPROCESSINGS = {
    "squash": Preprocess((48, 48), (48, 48)),
    "centre crop": Preprocess(64, (48, 48)),
    "cover": Preprocess("cover", (48, 48)),
    "letterbox": Preprocess("inside", (48, 48), mean=(0.0, 0.0, 0.0)),
}
ROTATIONS = {  # EXIF's number: how an upright photo is stored
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip
GRID = Grid(4, 4)
BOXES = Boxes(torch.tensor([[0.25, 0.25, 0.75, 0.5], [0.5, 0.5, 0.75, 0.75], [0.0, 0.0, 0.25, 0.25]]))


def stored(upright, rotation, path):
    """A photo's file as written by a camera that was held sideways or upside down."""
    exif = Image.Exif()
    exif[274] = rotation
    turned = upright if ROTATIONS[rotation] is None else upright.transpose(ROTATIONS[rotation])
    turned.save(path, exif=exif)
    return path


CASES = [
    (aspect, fit, 1 + (4 * row + column) % 8)  # every rotation, and every aspect with every preprocessing
    for row, aspect in enumerate(ASPECTS)
    for column, fit in enumerate(PREPROCESSINGS)
]


@pytest.mark.parametrize(("aspect", "fit", "rotation"), CASES)
@pytest.mark.parametrize("layout", [GRID, BOXES], ids=["grid", "boxes"])
def test_what_lies_under_a_weight_fills_its_region_of_the_networks_view(layout, aspect, fit, rotation, tmp_path):
    size, preprocess = ASPECTS[aspect], PREPROCESSINGS[fit]
    blank = open_photo(stored(Image.new("RGB", size), rotation, tmp_path / "blank.png"))
    assert blank.size == size
    _, placement = preprocess(blank)
    checked = 0
    for region, (left, top, right, bottom) in enumerate((layout.corners() * 48).round().int().tolist()):
        weights = torch.zeros(layout.num_regions)
        weights[region] = 1
        lit = (map_on_photo(weights, layout, placement) == 1).to(torch.uint8) * 255  # (height, width)
        if not lit.any():
            continue  # the bars of a letterbox are no part of the photo
        painted = Image.frombytes("L", size, bytes(lit.numpy())).convert("RGB")
        view, _ = preprocess(open_photo(stored(painted, rotation, tmp_path / "lit.png")))
        expected = torch.zeros(48, 48)
        expected[top:bottom, left:right] = 255
        on_photo = _photo_part(placement)
        off = (view[0].float() - expected).abs()[on_photo]
        inner = torch.nn.functional.avg_pool2d(expected[None, None], 5, 1, 2, count_include_pad=False)[0, 0][on_photo]
        away = (inner == 0) | (inner == 255)  # two pixels from every edge: nearer, the resize mixes more
        assert off[away].max() < 80
        checked += int(away.sum())
    assert checked > 300


def _photo_part(placement):
    """(48, 48): the pixels of the view that are at least two view pixels inside the photo."""
    x, y = (
        (torch.arange(48) + 0.5) * scale + offset
        for scale, offset in zip(placement.scale, placement.offset, strict=True)
    )
    margins = [2 * scale for scale in placement.scale]
    across = (x > margins[0]) & (x < placement.photo_size[0] - margins[0])
    down = (y > margins[1]) & (y < placement.photo_size[1] - margins[1])
    return down[:, None] & across
