"""The page in a real browser: uploads, words under the mouse, choice of decoding, bad files, and no request to other sites."""

from __future__ import annotations

import gc
import importlib.util
import json
import time
import warnings

import pytest
from PIL import Image

from tests.visualize.chromium import Chromium, installed

BROWSER = installed()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium: no browser of that name is on the path"),
    pytest.mark.skipif(
        importlib.util.find_spec("gradio") is None,
        reason="needs gradio, which is not installed: pip install -e '.[serve]'",
    ),
    pytest.mark.filterwarnings("default"),  # gradio's own
]
FRAME = "document.querySelector('iframe')?.contentDocument"
MAP = f"(({FRAME}).querySelector('.map').hidden ? null : ({FRAME}).querySelector('.map').toDataURL())"
CAPTIONS = f"{FRAME}?.querySelectorAll('.item h2').length"
GRADIO_S_OWN = "Method not implemented."  # what its client warns of when it closes a stream


@pytest.fixture(scope="module")
def address(service, tmp_path_factory):
    from captioner.commands.serve import make_page
    from captioner.commands.serve.web_page import start

    folder = tmp_path_factory.mktemp("sent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        page = start(make_page(service, folder), service.allowed, "127.0.0.1", None)
        yield page.local_url
        page.close(verbose=False)
        del page
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()  # gradio leaves its threads' event loops open


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Chromium(BROWSER, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser, address):
    browser.resize(1280)
    browser.open(address)
    wait(browser, "document.querySelector('input[type=file]')")
    return browser


def wait(browser, what, seconds=60):
    """Until an expression is true in the page."""
    end = time.monotonic() + seconds
    while not browser.run(f"Boolean({what})"):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def wait_for(path, seconds=10):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"not within {seconds} s: {path}"
        time.sleep(0.05)


def send(browser, *paths):
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    chooser = browser.call("DOM.querySelector", nodeId=root, selector="input[type=file]")["nodeId"]
    browser.call("DOM.setFileInputFiles", files=[str(path) for path in paths], nodeId=chooser)


def press_button(browser, name):
    browser.run(f"[...document.querySelectorAll('button')].find((one) => one.textContent.trim() === '{name}').click()")


def decode_by(browser, kind):
    browser.run(f"document.querySelector('input[type=radio][value={kind}]').click()")


def point_in_frame(browser, selector):
    """Move the mouse to the middle of an element of the captions' frame."""
    x, y = browser.run(
        f"(() => {{ const [f, r] = [document.querySelector('iframe'), {FRAME}.querySelector('{selector}')].map((one) => one.getBoundingClientRect());"
        " return [f.x + r.x + r.width / 2, f.y + r.y + r.height / 2] })()"
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    browser.settle()


def test_a_photo_is_sent_and_its_words_show_their_maps(page, address, photos):
    send(page, photos[0])
    wait(page, f"{CAPTIONS} === 1")
    assert page.run(f"{FRAME}.querySelectorAll('.word').length") >= 2
    assert page.run(MAP) is None
    maps = []
    for word in (1, 2):
        point_in_frame(page, f".word:nth-child({word})")
        maps.append(page.run(MAP))
    page.run(f"{FRAME}.querySelector('.word').focus()")
    for key in ("Home", "ArrowRight"):
        page.press(key)
        maps.append(page.run(MAP))
    assert None not in maps
    assert maps[0] != maps[1]
    assert maps[2:] == maps[:2], "the keyboard shows what the mouse showed"
    assert {complaint for complaint in page.complaints if GRADIO_S_OWN not in complaint} == set()
    outside = [one for one in page.requests if not one.startswith((address, "data:", "blob:", "about:"))]
    assert outside == []
    assert len(page.requests) > 10, "no list of requests would hide those to the outside"


def test_an_example_is_captioned_with_a_click_and_gradients_stand_beside(page, address):
    wait(page, "document.querySelectorAll('.gallery-item[aria-label]').length")
    names = page.run("[...document.querySelectorAll('.gallery-item')].map((one) => one.ariaLabel)")
    assert "example cat.jpg" in names
    page.run(
        "[...document.querySelectorAll('input[type=checkbox]')].find((box) => box.closest('label').textContent.includes('gradients')).click()"
    )
    page.run(f"document.querySelectorAll('.gallery-item')[{names.index('example cat.jpg')}].click()")
    wait(page, f"{FRAME}?.querySelector('.item h2')?.textContent === 'cat.jpg'")
    assert page.run(f"[...{FRAME}.querySelectorAll('.details .part')].map((one) => one.textContent)") == [
        "attention", "posterior", "gradient x input", "Grad-CAM", "side by side",
    ]  # fmt: skip
    assert [one for one in page.requests if not one.startswith((address, "data:", "blob:", "about:"))] == []
    decode_by(page, "beam")
    wait(page, "document.body.innerText.includes('beams')")
    press_button(page, "Caption")
    wait(page, f"{FRAME}?.querySelectorAll('.candidate').length === 3")
    assert page.run(f"{FRAME}.querySelector('.item h2').textContent") == "cat.jpg", "captioned again with other options"


def test_programs_can_call_it(address, photos, tmp_path):
    from gradio_client import Client, exceptions, handle_file

    client = Client(address, verbose=False)
    (entry,) = client.predict(handle_file(photos[0]), api_name="/caption")
    assert entry["photo"] == photos[0].name
    assert len(entry["weights"]) == len(entry["words"])
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(exceptions.AppError, match=r"notes\.txt is not a picture that can be read"):
        client.predict(handle_file(tmp_path / "notes.txt"), api_name="/caption")
    with pytest.raises(exceptions.AppError, match="send one photo, got none"):
        client.predict(None, api_name="/caption")
    client.close()


def test_decoding_can_be_chosen_and_results_downloaded(page, photos, tmp_path):
    send(page, *photos[:2])
    wait(page, f"{CAPTIONS} === 2")
    assert page.run(f"{FRAME}.querySelectorAll('.candidate').length") == 0
    assert page.run("document.body.innerText.includes('beams')") is False
    decode_by(page, "beam")
    wait(page, "document.body.innerText.includes('beams')")
    press_button(page, "Caption")
    wait(page, f"{FRAME}?.querySelectorAll('.candidate').length === 6")
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    for name, ending in (("sheet", "png"), ("json", "json"), ("page", "html")):
        press_button(page, f"save {name}")
        wait_for(tmp_path / f"captions.{ending}")
    with Image.open(tmp_path / "captions.png") as sheet:
        assert sheet.width > 400
    entries = json.loads((tmp_path / "captions.json").read_text(encoding="utf-8"))
    assert [entry["photo"] for entry in entries] == [photo.name for photo in photos[:2]]
    shown = page.run(
        f"[...{FRAME}.querySelectorAll('.candidate:first-child span:nth-child(2)')].map((one) => one.textContent)"
    )
    assert [entry["caption"] for entry in entries] == shown


def test_a_bad_file_gets_an_error_and_the_next_photo_is_captioned(page, photos, tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "empty.jpg").write_bytes(b"")
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png", compress_level=1)
    send(page, *(tmp_path / name for name in ("notes.txt", "empty.jpg", "huge.png")))
    wait(page, "document.querySelectorAll('[role=alert] li').length === 3")
    told = page.run("[...document.querySelectorAll('[role=alert] li')].map((one) => one.textContent)")
    assert [sentence.split()[0] for sentence in told] == ["notes.txt", "empty.jpg", "huge.png"]
    assert page.run(CAPTIONS) is None
    send(page, photos[0])
    wait(page, f"{CAPTIONS} === 1")


def test_a_file_of_50_mb_is_refused_and_the_next_photo_is_captioned(page, photos, tmp_path):
    with (tmp_path / "long.jpg").open("wb") as file:
        file.truncate(50 * 2**20)
    send(page, tmp_path / "long.jpg")
    wait(page, "document.body.innerText.includes('exceed the maximum allowed size of 20')")
    page.run("document.querySelector('button[aria-label=Clear]')?.click()")
    wait(page, "document.querySelector('input[type=file]')")
    send(page, photos[0])
    wait(page, f"{CAPTIONS} === 1")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_the_window_in_light_and_dark(page, photos, width, dark):
    page.resize(width, dark=dark)
    send(page, photos[0])
    wait(page, f"{CAPTIONS} === 1")
    assert page.run("document.documentElement.scrollWidth") <= width
    paper = page.run("getComputedStyle(document.body).backgroundColor")
    inside = page.run(f"getComputedStyle({FRAME}.body).backgroundColor")
    assert paper == inside == ("rgb(21, 23, 26)" if dark else "rgb(255, 255, 255)")


def test_two_people_at_once_get_their_own_captions(page, address, photos, tmp_path):
    other = Chromium(BROWSER, tmp_path / "profile")
    try:
        other.resize()
        other.open(address)
        wait(other, "document.querySelector('input[type=file]')")
        send(page, *photos[:3])
        send(other, photos[3])
        wait(page, f"{CAPTIONS} === 3")
        wait(other, f"{CAPTIONS} === 1")
        names = f"[...{FRAME}.querySelectorAll('.item h2')].map((name) => name.textContent)"
        assert page.run(names) == [photo.name for photo in photos[:3]]
        assert other.run(names) == [photos[3].name]
    finally:
        other.close()
