"""A page is self-contained, escapes all text, and its cells are where the network's regions are."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from captioner.errors import UserError
from captioner.regions import Boxes, Grid, Placement
from captioner.search.result import Caption
from captioner.visualize import colours, payload, reveal
from captioner.visualize.overlay import Style
from captioner.visualize.page import PageItem, caption_page, save_page

HOSTILE = "</script><img src=x onerror=alert(1)>&quot;\"'<!--\u2028"


def make_caption(words, placement, layout=None, num_heads=0, seed=0, **changes):
    layout = layout or Grid(4, 4)
    words = words.split()
    generator = torch.Generator().manual_seed(seed)
    heads = torch.randn(len(words), max(1, num_heads), layout.num_regions, generator=generator).softmax(-1)
    made = Caption(
        text=" ".join(words), words=words, word_log_probs=-torch.rand(len(words), generator=generator), end_log_prob=-0.1,
        ended=True, weights=heads.mean(1), head_weights=heads if num_heads else None, sentinel=None, gate=None,
        attend="before", layout=layout, placement=placement,
    )  # fmt: skip
    return replace(made, **changes)


def photo(size=(64, 48)):
    return Image.effect_noise(size, 60).convert("RGB")


class Elements(HTMLParser):
    """Names and attributes of a page's elements, and the text of those with data."""

    def __init__(self, text):
        super().__init__()
        self.found, self.data, self._inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._inside = tag == "script"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.data.append(data)

    def of(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


def data_of(page):
    """The data of the page's first item for the script."""
    return json.loads(Elements(page).data[0])


def one(caption, picture=None, **options):
    return caption_page([PageItem(picture or photo(), caption, "one.jpg")], **options)


def test_texts_stand_in_the_page_as_texts():
    caption = make_caption(f"a {HOSTILE}", Placement.whole((64, 48)), candidates=[(HOSTILE, -1.0), ("b", -2.0)])
    page = caption_page([PageItem(photo(), caption, HOSTILE, [caption, caption])], title=HOSTILE)
    elements = Elements(page)
    assert [attributes["src"][:10] for attributes in elements.of("img")] == ["data:image"]
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert len(elements.of("script")) == 4  # the item's data, the look of maps, what drawing needs, the script
    assert data_of(page)["captions"][0]["words"] == caption.words


def test_nothing_outside_the_page_is_named():
    page = one(make_caption("a dog", Placement.whole((64, 48))))
    addresses = [attributes.get(name) for _, attributes in Elements(page).found for name in ("src", "href")]
    assert all(address.startswith("data:") for address in addresses if address)
    assert not re.search(r"https?://|@import|url\(", page)


def test_no_script_runs_but_the_page_s_own():
    page = one(make_caption("a dog", Placement.whole((64, 48))))
    script = Elements(page).data[-1]
    policy = next(each["content"] for each in Elements(page).of("meta") if "http-equiv" in each)
    assert "default-src 'none'" in policy
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_the_page_reads_without_its_script():
    page = one(make_caption("a dog", Placement.whole((64, 48))))
    assert '<p class="sentence" lang="" dir="auto">a dog</p>' in page
    assert 'alt="photo one.jpg"' in page


@pytest.mark.parametrize(
    ("size", "placement"),
    [
        ((640, 480), Placement.whole((640, 480)).resized((299, 224)).cropped(37, 0, (224, 224))),
        ((300, 900), Placement.whole((300, 900)).resized((75, 224)).cropped(-75, 0, (224, 224))),
        ((4000, 300), Placement.whole((4000, 300)).resized((512, 64))),
    ],
)
@pytest.mark.parametrize("grid", [Grid(7, 7), Grid(3, 11)])
def test_cells_lie_on_the_photo_where_the_regions_do(size, placement, grid):
    regions = data_of(one(make_caption("a", placement, grid), photo(size)))["captions"][0]["regions"]
    left, top, right, bottom = regions["view"]
    width, height = (right - left) / regions["columns"], (bottom - top) / regions["rows"]
    cells = [
        [left + column * width, top + row * height, left + (column + 1) * width, top + (row + 1) * height]
        for row in range(regions["rows"])
        for column in range(regions["columns"])
    ]
    torch.testing.assert_close(
        torch.tensor(cells, dtype=torch.float64), placement.corners_on_photo(grid), rtol=0, atol=1e-3
    )
    assert regions["photoSize"] == list(size)


def test_boxes_are_in_pixels_of_the_photo():
    boxes = Boxes(torch.tensor([[0.0, 0.25, 0.5, 1.0], [0.1, 0.1, 0.3, 0.2]]))
    placement = Placement.whole((64, 48)).resized((32, 32))
    regions = data_of(one(make_caption("a", placement, boxes)))["captions"][0]["regions"]
    torch.testing.assert_close(
        torch.tensor(regions["boxes"], dtype=torch.float64), placement.corners_on_photo(boxes), rtol=0, atol=1e-3
    )


def unpacked(maps, shape):
    kind = torch.uint16 if maps["levels"] > 255 else torch.uint8
    steps = torch.frombuffer(bytearray(base64.b64decode(maps["bytes"])), dtype=kind).double()
    return ((steps / maps["levels"]) ** 2 * maps["top"]).reshape(shape)


def test_maps_are_close_to_the_weights():
    caption = make_caption("a small dog", Placement.whole((64, 48)), num_heads=3)
    found = data_of(one(caption))["captions"][0]
    maps, heads = unpacked(found["accounts"][0]["maps"], (3, 16)), unpacked(found["accounts"][0]["heads"], (3, 3, 16))
    assert ((maps - caption.weights).abs() / caption.weights.clamp(min=1e-3)).max() <= 1e-3
    top = found["accounts"][0]["heads"]["top"]
    assert ((heads - caption.head_weights).abs() <= (caption.head_weights * top).sqrt() / 255 + top / 255**2).all()
    assert found["accounts"][0]["numHeads"] == 3


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.sampled_from([255, 65535]))
def test_a_level_is_off_by_half_a_step_of_the_square_root(values, levels):
    weights = torch.tensor(values)
    top = float(weights.max()) or 1.0
    found = unpacked(payload.packed(weights, top, levels), weights.shape)
    assert ((found / top).sqrt() - (weights / top).sqrt()).abs().max() <= 0.501 / levels + 1e-6


def test_accounts_are_told_apart_and_heads_belong_to_attention():
    caption = make_caption("a small dog", Placement.whole((64, 48)), num_heads=3)
    other = make_caption("a small dog", Placement.whole((64, 48)), seed=1)
    accounts = {"attention": (caption, "where"), "gradients": (other, "why <b>")}
    found = data_of(caption_page([PageItem(photo(), caption, "a", [caption, other], accounts)]))["captions"]
    assert [(account["name"], account["note"]) for account in found[0]["accounts"]] == [
        ("attention", "where"),
        ("gradients", "why <b>"),
    ]
    torch.testing.assert_close(
        unpacked(found[0]["accounts"][1]["maps"], (3, 16)).float(), other.weights, atol=1e-4, rtol=0
    )
    assert ["heads" in account for account in found[0]["accounts"]] == [True, False]
    assert len(found[1]["accounts"]) == 1
    alone = data_of(caption_page([PageItem(photo(), caption, "a", [], {"gradients": (other, "")})]))["captions"][0]
    assert [account["name"] for account in alone["accounts"]] == ["gradients"]
    assert "heads" not in alone["accounts"][0], "heads of attention are not heads of gradients"


def test_models_side_by_side_share_the_photo_and_the_scale():
    whole = Placement.whole((64, 48))
    first, second = make_caption("a dog", whole), make_caption("one small dog", whole, Grid(2, 3), seed=1)
    other = PageItem(photo(), second, "one.jpg", model="runs/<b>")
    page = caption_page([PageItem(photo(), first, "one.jpg", model="runs/a", beside=[other])])
    elements = Elements(page)
    data = [json.loads(text) for text in elements.data[:2]]
    assert [found["captions"][0]["text"] for found in data] == ["a dog", "one small dog"]
    assert (
        data[0]["top"] == data[1]["top"] == pytest.approx(max(float(first.weights.max()), float(second.weights.max())))
    )
    assert [found["captions"][0]["regions"]["rows"] for found in data] == [4, 2]
    assert len(elements.of("img")) == 1
    assert [attributes["aria-label"] for _, attributes in elements.found if attributes.get("class") == "model"] == [
        "runs/a", "runs/<b>",
    ]  # fmt: skip
    assert "Each model wrote its own caption" in page
    assert "Each model wrote its own caption" not in one(first)


def test_content_words_stand_out_unless_all_do():
    caption = make_caption("a small dog", Placement.whole((64, 48)))
    assert data_of(one(caption))["captions"][0]["content"] == [1, 2]
    assert data_of(one(caption, style=Style(words="all")))["captions"][0]["content"] is None


def test_candidates_share_one_scale_and_the_caption_is_the_one_shown():
    placement = Placement.whole((64, 48))
    captions = [make_caption(f"dog {seed}", placement, seed=seed) for seed in range(4)]
    data = data_of(caption_page([PageItem(photo(), captions[2], "a", captions)]))
    assert data["shown"] == 2
    assert [found["text"] for found in data["captions"]] == [caption.text for caption in captions]
    assert data["top"] == pytest.approx(max(float(caption.weights.max()) for caption in captions))
    data = data_of(caption_page([PageItem(photo(), captions[2], "a", captions[:2])]))
    assert [found["text"] for found in data["captions"]] == ["dog 2", "dog 0", "dog 1"]


def test_where_boxes_overlap_the_scale_reaches_their_sum():
    boxes = Boxes(torch.tensor([[0.0, 0.0, 0.6, 1.0], [0.4, 0.0, 1.0, 1.0]]))
    caption = make_caption("one", Placement.whole((64, 48)), boxes, weights=torch.tensor([[0.5, 0.25]]))
    assert data_of(one(caption))["top"] == pytest.approx(0.75)


@pytest.mark.parametrize(
    "changes", [{"weights": None}, {"weights": torch.zeros(1, 16)}, {"sentinel": torch.tensor([0.5])}]
)
def test_what_a_caption_lacks_is_left_out(changes):
    found = data_of(one(make_caption("a", Placement.whole((64, 48)), **changes)))["captions"][0]
    assert found["maps"] == (changes.get("weights", 0) is not None)
    assert found["sentinel"] == ([0.5] if "sentinel" in changes else None)


def test_a_caption_without_words_is_marked_as_such():
    caption = make_caption("", Placement.whole((64, 48)), weights=torch.zeros(0, 16))
    assert "(a caption without words)" in one(caption)


def test_numbers_that_json_lacks_become_the_nearest_ones():
    caption = make_caption("a b", Placement.whole((64, 48)), word_log_probs=torch.tensor([-torch.inf, torch.nan]))
    assert data_of(one(caption))["captions"][0]["probabilities"] == [0.0, 0.0]


def test_a_page_of_twelve_words_and_five_beams_is_small():
    """The photo is noise, the worst case for JPEG."""
    placement = Placement.whole((640, 480)).resized((224, 224))
    captions = [make_caption("word " * 12, placement, Grid(14, 14), 8, seed) for seed in range(5)]
    page = caption_page([PageItem(photo((640, 480)), captions[0], "a", captions)])
    assert len(page.encode()) < 600_000


@pytest.mark.parametrize("size", [(20, 20), (4000, 300), (3000, 3000)])
def test_photos_keep_their_proportions_and_tiny_ones_their_pixels(size):
    picture = photo(size)
    page = one(make_caption("a", Placement.whole(size)), picture)
    stored = Image.open(BytesIO(base64.b64decode(Elements(page).of("img")[0]["src"].partition(",")[2])))
    assert stored.width / stored.height == pytest.approx(size[0] / size[1], rel=0.02)
    assert stored.width * stored.height <= 1_010_000
    if size == (20, 20):
        assert stored.tobytes() == picture.tobytes()


def test_the_script_draws_with_the_numbers_of_sheets():
    data = json.loads(
        next(text for text in Elements(one(make_caption("a", Placement.whole((64, 48))))).data if "cover" in text)
    )
    table = torch.tensor(list(base64.b64decode(data["colours"]))).reshape(256, 3)
    assert torch.equal(table, colours.colour(torch.arange(256) / 255).long())
    assert (data["ground"], data["cover"]) == ([*colours.GROUND], [*colours.COVER])
    assert data["reveal"]["shade"] == [*reveal.SHADE]
    assert {name: data["reveal"][name] for name in ("least", "gamma", "most", "contour")} == {
        "least": reveal.LEAST, "gamma": reveal.GAMMA, "most": reveal.MOST, "contour": reveal.CONTOUR,
    }  # fmt: skip
    assert data["ratio"]["above"] == colours.ABOVE.tolist()


def look_of(page):
    return json.loads(next(text for text in Elements(page).data if text.startswith('{"style"')))


def test_a_page_starts_in_the_style_that_is_asked_for():
    caption = make_caption("a", Placement.whole((64, 48)))
    assert [look_of(one(caption, smooth=smooth))["smooth"] for smooth in (False, True)] == [False, True]
    assert look_of(one(caption))["style"] == "reveal"
    assert look_of(one(caption, style=Style(kind="ratio", smooth=True))) == {"style": "ratio", "smooth": True}


@pytest.mark.parametrize("part", [*payload.SCRIPTS, "page.js", "report.js"])
def test_a_script_cannot_end_itself(part):
    assert not re.search(r"</script|<!--", payload._part(part), re.IGNORECASE)


def test_a_page_without_items_is_an_error():
    with pytest.raises(ValueError, match="PageItem"):
        caption_page([])


def test_a_photo_of_another_size_is_an_error():
    with pytest.raises(ValueError, match="exif_transpose"):
        one(make_caption("a", Placement.whole((48, 64))))


def test_a_page_is_saved_as_html_or_not_at_all(tmp_path):
    item = PageItem(photo(), make_caption("a", Placement.whole((64, 48))), "one.jpg")
    save_page(tmp_path / "new" / "out.html", iter([item]))
    assert (tmp_path / "new" / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(UserError, match=r"ends in \.html"):
        save_page(tmp_path / "out.png", [item])
    assert not (tmp_path / "out.png").exists()
