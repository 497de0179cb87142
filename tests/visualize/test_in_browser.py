"""Pages in a real browser: words by keyboard and mouse, maps on the right pixels, no requests, no errors."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from importlib.resources import files

import pytest
import torch
from PIL import Image

from captioner.commands.evaluate.report import Entry, report_page
from captioner.regions import Boxes, Grid, Placement
from captioner.visualize import overlay
from captioner.visualize.page import PageItem, caption_page, save_page
from captioner.visualize.painters import PAINTERS, Weights
from captioner.visualize.reveal import pixels_of
from captioner.visualize.strips import strip
from tests.visualize.chromium import Chromium, axe, installed
from tests.visualize.test_page import make_caption

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(installed() is None, reason="needs Chromium: no browser of that name is on the path"),
]
SIZE = (640, 480)
CROPPED = Placement.whole(SIZE).resized((299, 224)).cropped(37, 0, (224, 224))
TWELVE = "a small dog runs after a red ball on the green grass"
HOSTILE = "</script><img src=x onerror=window.broken=1>"
CHOSEN = "[...document.querySelectorAll('.word')].findIndex((word) => word.ariaChecked === 'true')"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Chromium(installed(), tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Opens a page of items; returns the seconds it took."""

    def opened(*items, **options):
        save_page(tmp_path / "page.html", items, **options)
        browser.resize()
        return browser.open(tmp_path / "page.html")

    return opened


def plain(size=SIZE):
    return Image.new("RGB", size, (90, 120, 200))


def canvas(browser, selector=".map"):
    """The pixels of a canvas; None if it is hidden."""
    find = f"document.querySelector({json.dumps(selector)})"
    if browser.run(f"{find}.hidden"):
        return None
    return Image.open(io.BytesIO(base64.b64decode(browser.run(f"{find}.toDataURL()").partition(",")[2]))).convert("RGB")


def test_a_page_opens_within_a_second_and_asks_for_nothing(browser, show):
    captions = [make_caption(TWELVE, CROPPED, Grid(14, 14), 8, seed) for seed in range(5)]
    seconds = min(show(PageItem(plain(), captions[0], "a.jpg", captions)) for _ in range(3))
    for key in ("Tab", "ArrowRight"):
        browser.press(key)
    assert [request[:5] for request in browser.requests if not request.startswith("data:")] == ["file:"]
    assert browser.complaints == []
    assert seconds < 1


def test_the_first_photos_are_drawn_wherever_they_stand(browser, show):
    """Or a picture of the whole page has empty places below the window."""
    caption = make_caption("a dog", CROPPED)
    show(*(PageItem(plain((64, 48)), replace(caption, placement=Placement.whole((64, 48))), f"{i}") for i in range(21)))
    drawn = "[...document.querySelectorAll('.item')].map((item) => getComputedStyle(item).contentVisibility)"
    assert browser.run(drawn) == ["visible"] * 19 + ["auto"] * 2


def test_texts_run_nothing(browser, show):
    caption = make_caption(f"a {HOSTILE}", CROPPED, candidates=[(HOSTILE, -1.0), ("b", -2.0)])
    show(PageItem(plain(), caption, HOSTILE))
    assert browser.run("window.broken ?? 0") == 0
    assert browser.complaints == []
    assert browser.run("document.querySelector('.word:nth-child(2) span').textContent") == HOSTILE.split()[0]


def test_the_keyboard_moves_through_words_and_the_map_follows(browser, show):
    show(PageItem(plain(), make_caption(TWELVE, CROPPED), "a.jpg"))
    assert canvas(browser) is None
    while not browser.run("document.activeElement.classList.contains('word')"):
        browser.press("Tab")
    maps = [canvas(browser)]
    for key, word in (("ArrowRight", 1), ("ArrowRight", 2), ("End", 11), ("ArrowRight", 0), ("ArrowLeft", 11)):
        browser.press(key)
        assert browser.run(CHOSEN) == word
        assert browser.run("document.activeElement.ariaChecked") == "true"
        maps.append(canvas(browser))
    assert len({picture.tobytes() for picture in maps}) == 4  # words 0, 1, 2 and 11
    assert browser.run("document.querySelector('[aria-live]').textContent").startswith("grass ")
    browser.press("Escape")
    assert canvas(browser) is None
    assert browser.run(CHOSEN) == -1


def test_the_mouse_shows_a_word_and_a_click_keeps_it(browser, show):
    show(PageItem(plain(), make_caption(TWELVE, CROPPED), "a.jpg"))
    browser.point_at(".word:nth-child(2)")
    second = canvas(browser)
    browser.point_at("h2")
    assert canvas(browser) is None
    browser.point_at(".word:nth-child(4)", click=True)
    fourth = canvas(browser)
    browser.point_at(".word:nth-child(2)")
    assert canvas(browser).tobytes() == second.tobytes()
    browser.point_at("h2")
    assert canvas(browser).tobytes() == fourth.tobytes() != second.tobytes()


BOXES = Boxes(torch.tensor([[0.0, 0.0, 0.6, 0.7], [0.4, 0.3, 1.0, 1.0], [0.1, 0.1, 0.2, 0.9]]))


@pytest.mark.parametrize("style", ["reveal", "cells", "ratio"])
@pytest.mark.parametrize("layout", [Grid(7, 7), Grid(3, 5), BOXES], ids=["7x7", "3x5", "boxes"])
@pytest.mark.parametrize("placement", [CROPPED, Placement.whole(SIZE).resized((64, 64))], ids=["cropped", "whole"])
def test_the_map_has_the_sheet_s_pixels(browser, show, layout, placement, style):
    caption = make_caption(TWELVE, placement, layout)
    show(PageItem(plain(), caption, "a.jpg"), style=overlay.Style(kind=style))
    browser.press("Tab")
    browser.run("document.querySelector('.word').focus()")
    browser.press("Home")
    drawn = canvas(browser)
    photo = plain(drawn.size)
    (maps,) = overlay.maps_over(photo.resize(SIZE), [caption], drawn.size, overlay.Style(kind=style))
    cells = max(layout.rows, layout.columns) if isinstance(layout, Grid) else 1
    line = max(1, min(2, round(max(drawn.size) / cells / 12)))
    assert line == 2
    painter = PAINTERS[style]
    weights = Weights(maps.drawn[0], maps.uniform, float(maps.tops.max()), layout.num_regions)
    expected = painter.paint(painter.ground(photo), weights, line).expand(-1, -1, 3)
    differences = (pixels_of(drawn) - expected).abs().amax(-1)
    seen = ~maps.drawn[0].isnan()
    assert seen.any()
    assert differences[seen].max() <= 4  # a level of the scale, or the sheet's dithering
    assert differences[~seen].median() <= 1 if (~seen).any() else True  # hatched, lines apart


def switch(browser, name):
    """Presses the button or the box of this name."""
    found = f"[...document.querySelectorAll('.part, .plain, .switch')].find((one) => one.textContent === {name!r})"
    browser.run(f"({found}).click()")
    browser.settle()


def test_smooth_maps_lie_between_the_cells_and_stop_where_the_network_did(browser, show):
    caption = make_caption("one", CROPPED, weights=torch.eye(16)[5:6])
    show(PageItem(plain(), caption, "a.jpg"), style=overlay.Style(kind="cells"))
    browser.point_at(".word", click=True)
    cells = canvas(browser)
    switch(browser, "interpolate between cells")
    smooth = canvas(browser)
    assert len(cells.crop((130, 10, 550, 460)).getcolors(1 << 20)) == 2
    assert len(smooth.crop((130, 10, 550, 460)).getcolors(1 << 20)) > 50
    assert cells.crop((0, 0, 70, 480)).tobytes() == smooth.crop((0, 0, 70, 480)).tobytes()


def test_the_style_and_the_opacity_of_maps_can_be_chosen(browser, show):
    show(PageItem(plain(), make_caption(TWELVE, CROPPED), "a.jpg"))
    browser.point_at(".word:nth-child(2)", click=True)
    drawn = []
    for style in ("reveal", "cells", "ratio"):
        switch(browser, style)
        drawn.append(canvas(browser).tobytes())
    assert len(set(drawn)) == 3
    browser.run(
        "const s = document.querySelector('input[type=range]'); s.value = 25; s.dispatchEvent(new Event('input'))"
    )
    assert browser.run("document.querySelector('.map').style.opacity") == "0.25"


LOOK = "getComputedStyle({0}).boxShadow !== 'none' || getComputedStyle({0}).backgroundColor !== 'rgba(0, 0, 0, 0)'"
SELECTED = f"[...document.querySelectorAll('.word')].flatMap((word, index) => {LOOK.format('word')} ? [index] : [])"


def test_only_one_word_ever_looks_selected(browser, show):
    show(PageItem(plain(), make_caption(TWELVE, CROPPED), "a.jpg"))
    assert browser.run(SELECTED) == []
    browser.point_at(".word:nth-child(4)", click=True)
    browser.point_at(".word:nth-child(2)")
    assert browser.run(SELECTED) == [1]
    browser.point_at("h2")
    assert browser.run(SELECTED) == [3]
    browser.press("ArrowRight")
    assert browser.run(SELECTED) == [4]
    browser.point_at(".word:nth-child(2)")
    assert browser.run(SELECTED) == [1]
    assert (
        browser.run(
            "[...document.querySelectorAll('.word')].filter((word) => getComputedStyle(word).outlineStyle !== 'none').length"
        )
        == 0
    )


def test_pointing_at_a_region_says_which_words_attended_there(browser, show):
    weights = torch.full((12, 16), 0.05)
    weights[2, 5], weights[7, 5] = 0.8, 0.25
    show(PageItem(plain(), make_caption(TWELVE, Placement.whole(SIZE), weights=weights), "a.jpg"))
    x, y = browser.run(
        "(() => { const r = document.querySelector('.probe').getBoundingClientRect(); return [r.x + 0.375 * r.width, r.y + 0.375 * r.height] })()"
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    browser.settle()
    facts = browser.run("[...document.querySelectorAll('.fact')].map((fact) => fact.textContent)")
    assert facts[:3] == ["at row 2, column 2", "dog 13 x uniform", "ball 4.0 x uniform"]
    assert browser.run("document.querySelector('.word:nth-child(3) small').textContent") == "12.8x"
    assert browser.run(SELECTED) == [], "no word looks selected"
    browser.point_at("h2")
    assert browser.run("document.querySelector('.region').hidden")
    browser.press("Tab")
    browser.run("document.querySelector('.look input').focus()")
    while browser.run("document.activeElement.className") != "probe":
        browser.press("Tab")
    for _ in range(2):
        browser.press("ArrowLeft")
    browser.press("ArrowUp")
    assert browser.run("document.querySelector('.fact b').textContent") == "row 2, column 1"
    assert browser.run("document.querySelector('[aria-live]').textContent").startswith("at row 2, column 1; ")


def test_accounts_share_word_and_region(browser, show):
    caption = make_caption(TWELVE, CROPPED)
    accounts = {"attention": (caption, "where"), "gradients": (make_caption(TWELVE, CROPPED, seed=1), "why")}
    show(PageItem(plain(), caption, "a.jpg", accounts=accounts))
    browser.point_at(".word:nth-child(3)", click=True)
    maps = [canvas(browser)]
    switch(browser, "gradients")
    maps.append(canvas(browser))
    switch(browser, "side by side")
    assert browser.run("document.querySelectorAll('.stage').length") == 2
    assert browser.run(CHOSEN) == 2
    browser.point_at("figure:nth-child(2) .probe")
    assert browser.run("[...document.querySelectorAll('.region')].map((region) => region.hidden)") == [False, False]
    assert browser.run("document.querySelector('.fact').textContent").startswith("gradients at row ")
    assert maps[0].tobytes() != maps[1].tobytes()
    assert browser.run("[...document.querySelectorAll('.map')].map((map) => map.hidden)") == [False, False]
    switch(browser, "attention")
    assert browser.run("document.querySelectorAll('.stage').length") == 1
    assert canvas(browser).tobytes() == maps[0].tobytes()
    assert browser.complaints == []


def test_play_goes_through_the_words_that_matter(browser, show):
    show(PageItem(plain(), make_caption("a small dog", CROPPED), "a.jpg"))
    switch(browser, "play")
    assert browser.run(CHOSEN) == 1
    browser.run("new Promise((done) => setTimeout(done, 1500))")
    assert browser.run(CHOSEN) == 2
    browser.run("new Promise((done) => setTimeout(done, 1300))")
    assert browser.run("document.querySelector('.plain').textContent") == "play"


def test_words_that_matter_carry_their_part_of_the_photo(browser, show):
    picture = plain()
    picture.paste((250, 20, 20), (320, 240, 640, 480))
    weights = torch.full((2, 16), 0.01)
    weights[0, 15], weights[1, 0] = 0.85, 0.85
    show(PageItem(picture, make_caption("red blue", Placement.whole(SIZE), weights=weights), "a.jpg"))
    pieces = [canvas(browser, f".word:nth-child({word}) .piece").resize((1, 1)).getpixel((0, 0)) for word in (1, 2)]
    assert pieces[0][0] > 230 > 120 > pieces[1][0]


@pytest.mark.skipif(axe() is None, reason="needs axe-core: pip install axe-core-python")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_axe_finds_no_violation(browser, show, width, dark):
    captions = [make_caption(f"{TWELVE} {seed}", CROPPED, Grid(4, 4), 3, seed) for seed in range(3)]
    accounts = {"attention": (captions[0], "where"), "gradients": (captions[1], "why")}
    show(PageItem(plain(), captions[0], "a.jpg", captions, accounts), PageItem(plain(), captions[1], "b.jpg"))
    browser.resize(width, dark=dark)
    found = "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.map(({id, nodes}) => [id, nodes[0].html]))"
    browser.run(f"{axe()};0")
    assert browser.run(found) == []
    browser.point_at(".word:nth-child(2)", click=True)
    switch(browser, "side by side")
    browser.point_at(".probe")
    assert browser.run(found) == []


def test_candidates_and_heads_can_be_chosen(browser, show):
    captions = [make_caption(f"{TWELVE} {seed}", CROPPED, Grid(4, 4), 3, seed) for seed in range(3)]
    show(PageItem(plain(), captions[0], "a.jpg", captions))
    browser.point_at(".word:nth-child(2)", click=True)
    mean = canvas(browser)
    browser.point_at(".head:nth-child(3)", click=True)
    assert canvas(browser).tobytes() != mean.tobytes()
    assert browser.run("document.querySelectorAll('.head canvas').length") == 4
    browser.point_at(".candidate:nth-child(3)", click=True)
    assert browser.run("document.querySelector('.word:last-child span').textContent") == "2"
    assert canvas(browser) is None
    assert browser.complaints == []


def test_arrows_go_where_they_point_in_a_script_from_right_to_left(browser, show):
    show(PageItem(plain(), make_caption("كلب صغير يركض", CROPPED), "a.jpg"))
    while not browser.run("document.activeElement.classList.contains('word')"):
        browser.press("Tab")
    browser.press("ArrowLeft")
    assert browser.run(CHOSEN) == 1


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_sticks_out_sideways(browser, show, width):
    long = make_caption(f"{'extraordinarily ' * 40} {'x' * 300}", CROPPED)
    tall = make_caption("a", Placement.whole((30, 900)))
    wide = make_caption("a", Placement.whole((4000, 300)))
    show(
        PageItem(plain(), long, "y" * 200),
        PageItem(plain((30, 900)), tall, "b"),
        PageItem(plain((4000, 300)), wide, "c"),
    )
    browser.resize(width)
    assert browser.run("document.documentElement.scrollWidth") <= width


@pytest.fixture
def report(browser, tmp_path):
    entries = [
        Entry(plain(), f"photo {place}", make_caption(f"{TWELVE} {place}", CROPPED, seed=place), [f"reference {place}"], {"CIDEr-D": score, "BLEU-4": -score})
        for place, score in enumerate([0.5, 0.1, 0.9])
    ]  # fmt: skip
    page = report_page(entries, [{"this model": {"CIDEr-D": 0.5}}], "split: val")
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    browser.resize()
    browser.open(tmp_path / "report.html")
    browser.settle()
    return browser


def names(browser):
    return browser.run(
        "[...document.querySelectorAll('.entry:not([hidden]) h2')].map((name) => name.textContent.slice(-1)).join('')"
    )


def test_a_report_s_tables_fit_a_phone(browser, tmp_path):
    metrics = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D", "METEOR"]
    rows = {name: dict.fromkeys(metrics, 0.9) for name in ("ensemble of 2", "most frequent", "20 nearest photos")}
    intervals = {name: dict.fromkeys(metrics, (0.889, 0.911)) for name in rows}
    (tmp_path / "report.html").write_text(report_page([], [rows], "split: val", intervals=intervals), encoding="utf-8")
    browser.resize(360)
    browser.open(tmp_path / "report.html")
    ends = browser.run("[...document.querySelectorAll('th, td')].map((cell) => cell.getBoundingClientRect().right)")
    assert len(ends) == 4 * 8
    assert max(ends) <= 360
    assert browser.run("document.querySelector('table').scrollWidth <= document.querySelector('.scroll').clientWidth")


def test_a_report_can_be_sorted_and_filtered(report):
    assert names(report) == "102"
    choose = "document.querySelector('#{0}').{1}; document.querySelector('#{0}').dispatchEvent(new Event('{2}'))"
    report.run(choose.format("sort", "selectedIndex = 1", "change"))
    assert names(report) == "201"
    report.run(choose.format("sort", "value = 'name'", "change"))
    assert names(report) == "012"
    report.run(choose.format("descending", "checked = true", "change"))
    assert names(report) == "210"
    report.run(choose.format("filter", "value = 'DOG reference 1'", "input"))
    assert names(report) == "1"
    assert report.run("document.querySelector('#count').textContent") == "1 of 3 photos"
    assert report.complaints == []


def test_a_report_s_words_have_maps(report):
    assert canvas(report) is None
    report.point_at(".word:nth-child(2)")
    second = canvas(report)
    report.point_at(".word:nth-child(3)")
    assert canvas(report).tobytes() != second.tobytes()
    assert [request[:5] for request in report.requests if not request.startswith("data:")] == ["file:"]


def test_a_report_of_texts_is_sorted_too_and_complains_about_nothing(browser, tmp_path):
    entries = [Entry(None, f"photo {place}", TWELVE, [], {"CIDEr-D": score}) for place, score in enumerate([0.5, 0.1])]
    (tmp_path / "report.html").write_text(report_page(entries, [], "split: val"), encoding="utf-8")
    browser.open(tmp_path / "report.html")
    browser.settle()
    assert names(browser) == "10"
    browser.run(
        "document.querySelector('#sort').value = 'name'; document.querySelector('#sort').dispatchEvent(new Event('change'))"
    )
    assert names(browser) == "01"
    assert browser.run("document.querySelector('.sentence').textContent") == TWELVE
    assert browser.complaints == []


def test_the_widget_tells_which_word_is_pointed_at_and_fits_its_frame(browser, tmp_path):
    page = json.dumps(caption_page([PageItem(plain(), make_caption(TWELVE, CROPPED), "a.jpg")])).replace("<", "\\u003c")
    script = (files("captioner.visualize") / "web" / "widget.js").read_text(encoding="utf-8")
    host = (
        f"<main id=el></main><script type=module>{script.replace('export default { render };', '')}\n"
        f"const held = {{page: {page}}}; window.said = [];"
        "const model = {get: (name) => held[name], set: (name, value) => { held[name] = value }, save_changes: () => said.push(held.word)};"
        "render({ model, el: document.getElementById('el') });</script>"
    )
    (tmp_path / "host.html").write_text("<!doctype html><meta charset=utf-8>" + host, encoding="utf-8")
    browser.resize()
    browser.open(tmp_path / "host.html")
    inside = "document.querySelector('iframe').contentDocument"
    browser.run("new Promise((done) => setTimeout(done, 300))")
    browser.run(f"{inside}.querySelectorAll('.word')[3].click()")
    browser.settle()
    assert browser.run("said.at(-1)") == 3
    height = browser.run("document.querySelector('iframe').clientHeight")
    assert 200 < height <= 800
    assert browser.complaints == []
    paper = f"getComputedStyle({inside}.body).backgroundColor"
    for system in (False, True):
        browser.resize(dark=system)
        for light, colour in (("false", "rgb(21, 23, 26)"), ("true", "rgb(255, 255, 255)")):
            browser.run(f"document.body.dataset.jpThemeLight = '{light}'")
            browser.settle()
            assert browser.run(paper) == colour  # as JupyterLab's theme, not as the system
            assert browser.run("document.querySelector('iframe').contentWindow.isDark()") == (light == "false")


def test_models_side_by_side_have_one_cursor(browser, show):
    first, second = (
        make_caption("a dog on a rug", CROPPED),
        make_caption("a rug and a cat", CROPPED, Grid(2, 2), seed=1),
    )
    other = PageItem(plain(), second, "a.jpg", model="b")
    show(PageItem(plain(), first, "a.jpg", model="a", beside=[other]))
    shown = "[...document.querySelectorAll('.view')].map((view) => view.dataset.word)"
    facts = "[...document.querySelectorAll('.view')].map((view) => view.querySelector('.readout').textContent)"

    def point(view, word, **options):
        browser.point_at(f".model:nth-child({view}) .word:nth-child({word})", **options)
        return browser.run(shown)

    assert point(1, 5) == ["4", "1"]  # rug
    assert point(1, 4) == ["3", "3"]  # the second a
    assert point(1, 2) == ["1", ""]  # dog
    assert browser.run(facts)[1] == "not in this caption: dog"
    assert point(2, 2, click=True) == ["4", "1"]
    browser.point_at("h2")
    assert browser.run(shown) == ["4", "1"]
    assert browser.run("document.querySelectorAll('.word.shown').length") == 2
    browser.point_at(".model:nth-child(2) .probe")
    regions = "[...document.querySelectorAll('.region')].map((region) => !region.hidden)"
    assert browser.run(regions) == [True, True]
    browser.point_at("h2")
    assert browser.run(regions) == [False, False]
    assert browser.complaints == []


def test_photos_of_two_models_are_side_by_side_and_level_also_in_a_narrow_window(browser, show):
    first, second = (make_caption("a dog", CROPPED, seed=seed) for seed in (1, 2))
    first = replace(first, unlike_training=1.5)  # a note above the first model's photo alone
    show(PageItem(plain(), first, "a.jpg", model="one", beside=[PageItem(plain(), second, "a.jpg", model="two")]))
    corners = "[...document.querySelectorAll('.stage')].map((stage) => [stage.getBoundingClientRect().x, stage.getBoundingClientRect().y])"
    for width in (700, 1200):
        browser.resize(width)
        (left, top), (right, level) = browser.run(corners)
        assert right > left + 250
        assert level == top
    browser.resize(390)
    (left, top), (right, below) = browser.run(corners)
    assert (right, below > top + 200) == (left, True)
    assert browser.complaints == []


def test_heads_follow_the_layer_that_is_shown(browser, show):
    caption, below = (make_caption("a dog", CROPPED, num_heads=heads, seed=heads) for heads in (4, 3))
    accounts = {"layer 1 of 2": (below, "lower"), "layer 2 of 2": (caption, "where")}
    show(PageItem(plain(), caption, "a.jpg", [], accounts))
    heads = "[document.querySelector('.heads').previousElementSibling.textContent, document.querySelectorAll('.head').length]"
    assert browser.run(heads) == ["heads of layer 2 of 2", 5], "the caption's own maps come first"
    assert browser.run("document.querySelector('.details .part[aria-checked=true]').textContent") == "layer 2 of 2"
    browser.point_at(".word:nth-child(2)", click=True)
    browser.point_at(".details .part:nth-child(1)", click=True)
    assert browser.run(heads) == ["heads of layer 1 of 2", 4]
    mean = canvas(browser)
    browser.point_at(".head:nth-child(3)", click=True)
    assert canvas(browser).tobytes() != mean.tobytes()
    assert browser.complaints == []


def test_a_right_to_left_caption_of_an_svg_runs_from_the_right(browser, tmp_path):
    """One with a phrase from left to right in it; a browser alone would put what follows the phrase on its right."""
    caption = make_caption("כלב עם red ball רץ", Placement.whole(SIZE))
    strip(plain(), caption).save(tmp_path / "strip.svg")
    browser.resize()
    browser.open(tmp_path / "strip.svg")
    place = "document.querySelector('text').getStartPositionOfChar({}).x"
    first, phrase, last = (browser.run(place.format(index)) for index in (0, 7, len(caption.text) - 1))
    assert first > phrase > last > 0


def test_a_touch_of_the_shown_word_shows_the_photo_alone(browser, show):
    show(PageItem(plain(), make_caption("a small dog", Placement.whole(SIZE)), "dog.jpg"))
    touched = "new PointerEvent('click', { pointerType: 'touch', bubbles: true })"
    for expected in ("1", ""):
        browser.run(f"document.querySelectorAll('.word')[1].dispatchEvent({touched})")
        assert browser.run("document.querySelector('.view').dataset.word") == expected


def test_a_map_of_zeros_is_called_so(browser, show):
    caption = make_caption("a dog", Placement.whole(SIZE), weights=torch.zeros(2, 16))
    show(PageItem(plain(), caption, "dog.jpg"))
    browser.point_at(".word", click=True)
    assert "no region raised this word" in browser.run("document.querySelector('.readout').textContent")
    assert browser.run("[...document.querySelectorAll('.piece')].every((piece) => piece.hidden)")


def test_weight_beside_the_photo_is_named_and_keys_stay_on_the_photo(browser, show):
    weights = torch.zeros(1, 16)
    weights[0, 0], weights[0, 5] = 0.98, 0.02
    placement = Placement((80, 40), (80, 80), offset=(0.0, -20.0))
    show(PageItem(plain((80, 40)), make_caption("dog", placement, weights=weights), "dog.jpg"))
    browser.point_at(".word", click=True)
    assert "beside the photo 98%" in browser.run("document.querySelector('.readout').textContent")
    browser.run("document.querySelector('.probe').focus()")
    for key in ["ArrowUp"] * 4:
        browser.press(key)
    assert "row 2" in browser.run("document.querySelector('.readout').textContent")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_tall_photo_is_wide_enough_and_scrolls(browser, show, width):
    show(PageItem(plain((40, 3000)), make_caption("a dog", Placement.whole((40, 3000))), "tall.jpg"))
    browser.resize(width)
    assert browser.run("document.querySelector('.stage').clientWidth") >= 120
    assert browser.run("document.querySelector('.frame').clientHeight") < 900
    assert browser.run("document.documentElement.scrollWidth") <= width
