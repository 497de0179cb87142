"""Readers who cannot see red or green can tell maps, contours and words apart, and text has enough contrast. Both are measured.

Colours as such readers see them: Machado, Oliveira and Fernandes 2009, table 1, severity 1.0, on linear RGB. Contrast: WCAG 2, success
criteria 1.4.3 (text, 4.5) and 1.4.11 (marks, 3). Differences of colours: CIE 1976, in L*a*b*; 2.3 is just noticeable.
"""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.visualize.colours import RATIO_ENDS, covered, diverging
from captioner.visualize.drawing import DARK, LIGHT
from captioner.visualize.reveal import CONTOUR, shaded

NORMAL = torch.eye(3)
VISION = {
    "normal": NORMAL,
    "protanopia": torch.tensor(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": torch.tensor(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


def linear(colours):
    """sRGB (..., 3) from 0 to 255 as linear RGB from 0 to 1."""
    shares = torch.as_tensor(colours, dtype=torch.float32) / 255
    return torch.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def lab(colours, vision="normal"):
    """L*, a* and b* (..., 3) of colours as a reader sees them."""
    seen = (linear(colours) @ VISION[vision].T).clamp(0, 1)
    xyz = seen @ TO_XYZ.T / TO_XYZ.sum(1)
    roots = torch.where(xyz > (6 / 29) ** 3, xyz ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = roots.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def difference(first, second, vision="normal"):
    return (lab(first, vision) - lab(second, vision)).norm(dim=-1)


def contrast(first, second):
    """WCAG's ratio of two colours, 1 to 21."""
    first, second = (linear(colour) @ TO_XYZ[1] + 0.05 for colour in (first, second))
    return torch.maximum(first, second) / torch.minimum(first, second)


def test_the_measures_are_the_published_ones():
    assert float(contrast([0, 0, 0], [255, 255, 255])) == pytest.approx(21, abs=1e-3)
    assert float(contrast([119, 119, 119], [255, 255, 255])) == pytest.approx(4.48, abs=0.01)
    torch.testing.assert_close(lab([255, 0, 0]), torch.tensor([53.24, 80.09, 67.20]), atol=0.05, rtol=0)
    for matrix in VISION.values():
        torch.testing.assert_close(matrix.sum(1), torch.ones(3), atol=1e-5, rtol=0)  # grey stays grey
    assert difference([200, 80, 0], [110, 130, 0], "deuteranopia") < difference([200, 80, 0], [110, 130, 0]) / 2


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("grey", [0.0, 128.0, 255.0])
def test_more_weight_is_darker_in_cells(vision, grey):
    steps = torch.linspace(0, 1, 17)[None]
    lightness = lab(covered(torch.full((1, 17, 1), grey), steps), vision)[0, :, 0]
    assert (lightness.diff() < -0.3).all()
    assert float(lightness[0] - lightness[-1]) > 45


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("grey", [0.0, 128.0, 255.0])
def test_more_and_less_than_uniform_differ_in_ratio(vision, grey):
    ground = torch.full((1, 8, 1), grey)
    steps = torch.tensor([[1.5, 2, 2.5, 3, 4, 5, 6, 8]]).log2() / RATIO_ENDS
    above, below = diverging(ground, steps), diverging(ground, -steps)
    assert float(difference(above, below, vision).min()) > 20
    assert float(difference(above, ground.expand(-1, -1, 3), vision).min()) > 10, "nothing else looks like uniform"
    assert float(difference(below, ground.expand(-1, -1, 3), vision).min()) > 10


@settings(max_examples=100)
@given(COLOURS, st.sampled_from([9, 49, 196]))
def test_reveal_says_less_by_darkness_alone(colour, num_regions):
    """Of photos that are brighter than the shade; hue plays no part, so colour-blind readers lose nothing."""
    multiples = torch.linspace(0, num_regions, 200)
    photo = torch.tensor(colour, dtype=torch.float32).clamp(min=40)
    for vision in VISION:
        lightness = lab(shaded(photo.expand(200, 3), multiples, num_regions), vision)[:, 0]
        assert (lightness.diff() > -0.5).all() or float(photo.min()) > 150, (
            "above uniform, light colours turn yellowish"
        )
        below = lightness[multiples <= 1]
        assert (below.diff() > 0).all()


@settings(max_examples=100)
@given(COLOURS)
def test_a_contour_stands_out_on_every_colour(colour):
    """A white line with a black one inside it: one of them contrasts, whatever is around it."""
    ratios = [float(contrast(line, colour)) for line in ((255, 255, 255), (0, 0, 0))]
    assert max(ratios) > 4.5
    assert CONTOUR > 1


def themes():
    """The colours of pages, light and dark, by name."""
    style = (files("captioner.visualize") / "web" / "shared.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    return [
        {
            name: [int(value[at : at + 2], 16) for at in (0, 2, 4)]
            for name, value in re.findall(r"--(\w+): #(\w{6})", text)
        }
        for text in blocks
    ]


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_words_can_be_read_and_the_selected_one_seen(theme):
    for text in ("ink", "faint"):
        for paper in ("paper", "tint", "raised"):
            assert float(contrast(theme[text], theme[paper])) >= 4.5, (text, paper)
    for mark in ("accent", "other"):
        for paper in ("paper", "tint"):
            assert float(contrast(theme[mark], theme[paper])) >= 3, (mark, paper)
    assert float(contrast(theme["accent"], theme["paper"])) >= 4.5, "text on the chosen style"
    for vision in VISION:
        assert float(difference(theme["accent"], theme["other"], vision)) > 30, "probability or weight in a region"


def test_the_region_that_is_pointed_at_stands_out_on_every_colour():
    style = (files("captioner.visualize") / "web" / "shared.css").read_text(encoding="utf-8")
    border, edge = re.search(
        r"\.region \{[^}]*border: 2px solid #(\w{6}); box-shadow: 0 0 0 1px #(\w{3})", style
    ).groups()
    assert edge == "000"
    line = [int(border[at : at + 2], 16) for at in (0, 2, 4)]
    colours = torch.cartesian_prod(*[torch.arange(0, 256, 15.0)] * 3)
    assert float(torch.maximum(contrast(line, colours), contrast([0, 0, 0], colours)).min()) >= 3
    assert float(difference(line, [255, 255, 255], "normal")) > 30, "not a contour's white"


@pytest.mark.parametrize("inks", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_of_pictures_can_be_read(inks):
    for ink in ("ink", "faint"):
        assert float(contrast(inks[ink], inks["paper"])) >= 4.5
