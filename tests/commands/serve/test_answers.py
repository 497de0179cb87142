"""Requests: every upload is answered, requests do not affect each other, and nothing of them remains on the disk."""

from __future__ import annotations

import gc
import itertools
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from captioner.attention import NoAttention
from captioner.commands import serve
from captioner.commands.caption.photos import as_json
from captioner.commands.serve import Allowed, web_page
from captioner.commands.serve import choices as decoding
from captioner.commands.serve import requests as answers
from captioner.commands.serve.choices import RANGES, choices_by_kind, choices_for, first_choices, make_search
from captioner.commands.serve.web_page import KEPT, sweep
from captioner.decoders.show_and_tell import ShowAndTellDecoder
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.search import KINDS

GREEDY = {"kind": "greedy", "max_length": 6}
BEAMS = {"kind": "beam", "beams": 3, "length_rule": "gnmt", "max_length": 6}
WHOLE = {"beams", "groups", "samples", "max_length"}


def empty(path):
    path.write_bytes(b"")


def large(path):
    with path.open("wb") as file:
        file.truncate(50 * 2**20)


def small_and_huge(path):
    Image.new("1", (20_000, 10_000)).save(path, "PNG", compress_level=1)


def quite_large(path):
    Image.new("1", (8_000, 6_000)).save(path, "PNG")


def not_a_photo(path):
    path.write_text("<svg/>")


def cut(path):
    Image.effect_noise((64, 64), 80).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:900])


def another_format(path):
    Image.new("RGB", (8, 8)).save(path, "PPM")


def gone(path):
    pass


BAD = {
    empty: "is empty: 0 bytes; send a photo",
    large: "has 50 MB, the limit is 20 MB; make it smaller",
    small_and_huge: "20,000 x 10,000, at most 40,000,000 pixels are read; make it smaller",
    quite_large: "8,000 x 6,000, at most 40,000,000 pixels are read; make it smaller",
    not_a_photo: "be something else); give one of JPEG, PNG",
    another_format: "is not a picture that can be read (it may be cut off or damaged, or be something else); give one of JPEG",
    cut: "cannot be read as a photo",
    gone: "is no longer on the server; send it again",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_file_that_is_not_a_photo_gets_an_error_and_the_others_captions(service, photos, tmp_path, make):
    bad = tmp_path / "holiday.png"
    make(bad)
    answer = service.answer([photos[0], bad, photos[1]], GREEDY)
    assert [path.name for path, _ in answer.captioned] == [photos[0].name, photos[1].name]
    (problem,) = answer.problems
    assert problem.startswith("holiday.png ")
    assert BAD[make] in problem
    assert str(tmp_path) not in problem, "the path on the server stays private"
    alone = service.answer([bad], GREEDY)
    assert (alone.captioned, alone.page, alone.sheets, alone.problems) == ([], "", [], [problem])


def test_an_answer_has_captions_page_sheet_and_json(service, photos):
    answer = service.answer(photos[:2], BEAMS)
    assert [len(captions) for _, captions in answer.captioned] == [3, 3]
    assert answer.page.count('class="item"') == len(answer.sheets) == 2
    assert photos[1].name in answer.page
    entries = json.loads(as_json(answer.captioned, service.name))
    assert [entry["photo"] for entry in entries] == [photo.name for photo in photos[:2]]
    assert {entry["model"] for entry in entries} == {service.run.name}
    assert [len(entry["weights"]) for entry in entries] == [len(captions[0].words) for _, captions in answer.captioned]


@pytest.mark.parametrize("gradients", [False, True])
def test_a_page_always_has_attention_and_posterior(service, photos, gradients):
    page = service.answer(photos[:1], GREEDY, gradients=gradients).page
    accounts = ["attention", "posterior", "gradient x input", "Grad-CAM"]
    assert [name for name in accounts if f'"name":"{name}"' in page] == accounts[: 4 if gradients else 2]
    assert '"name":"posterior"' not in service.answer(photos[:1], GREEDY, posterior=False).page


def test_a_model_without_attention_has_a_page(service, photos):
    encoder, sizes = service.captioner.model.encoder, {"hidden_size": 8, "word_size": 8}
    size = encoder.region_size
    decoder = ShowAndTellDecoder(NoAttention(size), size, len(service.captioner.vocabulary), **sizes)
    blind = replace(service.captioner, model=CaptionModel(encoder, decoder).eval())
    answer = replace(service, captioner=blind).answer(photos[:1], GREEDY)
    assert answer.page.count('class="item"') == 1
    assert '"name":"' not in answer.page


def test_models_beside_the_first_have_their_captions_on_the_page_and_the_sheet(service, photos):
    both = replace(service, beside=[service])
    answer = both.answer(photos[:1], GREEDY, gradients=True)
    first, second = service.name, f"{service.name} 2"
    assert [f'aria-label="{name}"' in answer.page for name in (first, second)] == [True, True]
    assert answer.page.count('"name":"Grad-CAM"') == 2
    assert answer.sheets[0].metadata["models"] == f"{first}, {second}"
    assert len(answer.captioned) == 1


@pytest.mark.parametrize("count", [0, 17])
def test_too_many_photos_and_none_are_refused(service, photos, count):
    with pytest.raises(UserError, match=f"give 1 to 16 photos at a time, got {count}"):
        service.answer(photos[:1] * count, GREEDY)


def test_at_the_time_limit_finished_captions_are_returned(service, photos, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(answers.time, "monotonic", lambda: next(ticks))
    words = len(service.answer(photos[:1], GREEDY).captioned[0][1][0].words)
    hurried = replace(service, allowed=Allowed(seconds=3 * words))
    answer = hurried.answer(photos[:1] * 9, GREEDY)
    assert 1 <= len(answer.captioned) < 9
    left = 9 - len(answer.captioned)
    assert f"{left} of 9 photos have no caption" in answer.problems[0]
    assert replace(service, allowed=Allowed(seconds=-1)).answer(photos[:1], BEAMS).page == ""


def test_a_program_that_stops_ends_its_requests_at_the_next_word_and_waits_for_them(service, photos):
    own = replace(service, running=answers.Running())
    begun, given = threading.Event(), []

    def tick(done, _):
        begun.set()
        while done and not own.running.stopping:
            time.sleep(0.001)

    asked = threading.Thread(target=lambda: given.append(own.answer(photos[:3], GREEDY, tick)))
    asked.start()
    begun.wait()
    own.running.stop(60)
    asked.join(5)
    assert len(given[0].captioned) < 3


def test_photos_done_are_counted(service, photos):
    told = []
    service.answer(photos[:3], GREEDY, lambda *counts: told.append(counts))
    assert told == [(0, 3), (1, 3), (2, 3)]


@st.composite
def some_choices(draw):
    choices = {
        "kind": draw(st.sampled_from(list(KINDS))),
        "length_rule": draw(st.sampled_from(["none", "mean", "gnmt"])),
    }
    for name, (low, high, _) in RANGES.items():
        choices[name] = draw(st.integers(low, high) if name in WHOLE else st.floats(low, high))
    return choices


@settings(max_examples=20)
@given(some_choices())
def test_what_is_chosen_is_what_decodes(service, choices):
    choices["beams"] -= choices["beams"] % choices["groups"] if choices["beams"] >= choices["groups"] else 0
    choices["groups"] = min(choices["groups"], choices["beams"])
    search = make_search(service.run, service.captioner.vocabulary, choices)
    assert type(search) is KINDS[choices["kind"]]
    for name in choices_for(choices["kind"]) - {"kind", "max_length"}:
        assert getattr(search, name) == pytest.approx(choices[name]) if name in RANGES else choices[name]
    assert search.limits.max_length == choices["max_length"]


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"kind": "beam", "beams": 1_000_000}, "beams should be from 1 to 20, got 1000000"),
        ({"kind": "sample", "temperature": float("nan")}, "temperature should be from 0.1 to 2, got nan"),
        ({"kind": "sample", "samples": "many"}, "samples should be from 1 to 20, got 'many'"),
        ({"kind": "diverse_beam", "beams": 5, "groups": 2}, "beams should be a multiple of groups, got 5 and 2"),
        ({"kind": "beam", "length_rule": "longest"}, "search.length_rule should be 'none', 'mean' or 'gnmt'"),
        ({"kind": "guess"}, "search.kind should be one of greedy, beam"),
    ],
)
def test_what_cannot_be_chosen_is_refused(service, photos, choices, sentence):
    with pytest.raises(UserError, match=sentence):
        service.answer(photos[:1], choices)


def test_the_page_starts_with_the_run_s_own_choices(service, photos):
    first = first_choices(service.run)
    assert first["kind"] == "greedy"
    assert first["max_length"] == service.captioner.search.limits.max_length
    assert first["beams"] == 3
    assert set(first) == {"kind", "length_rule", *RANGES}
    by_kind = choices_by_kind(service.run)
    assert sorted(by_kind) == sorted(KINDS)
    for kind, first in by_kind.items():
        assert first["kind"] == kind
        assert service.answer(photos[:1], first).captioned, "what the page shows at first can be chosen"
    assert decoding._within("beams", 500) == RANGES["beams"].high


def told(answer):
    captions = [caption for _, captions in answer.captioned for caption in captions]
    return [path.name for path, _ in answer.captioned], answer.problems, [caption.text for caption in captions]


def test_four_threads_get_the_answers_that_one_gets(service, photos, tmp_path):
    """Different photos, decoded in different ways, a bad one among them."""
    empty(tmp_path / "empty.jpg")
    sent = [[tmp_path / "empty.jpg", photo] if n == 2 else [photo] for n, photo in enumerate(photos[:4])]
    requests = [(files, choices) for files in sent for choices in (GREEDY, BEAMS)]
    expected = [service.answer(*request) for request in requests]
    sums = [[caption.log_prob for _, captions in answer.captioned for caption in captions] for answer in expected]
    assert len({round(found[0], 4) for found in sums}) > 4, "photos that are alike would hide a mix-up"
    own = service.captioner.search
    with ThreadPoolExecutor(4) as pool:
        for n, answer in enumerate(pool.map(lambda n: service.answer(*requests[n % 8]), range(16))):
            assert told(answer) == told(expected[n % 8])
            numbers = [caption.log_prob for _, captions in answer.captioned for caption in captions]
            assert numbers == pytest.approx(sums[n % 8], abs=1e-4)
    assert service.captioner.search is own, "a request may not change how others decode"


def living():
    gc.collect()
    return sum(issubclass(type(one), (torch.Tensor, Image.Image)) for one in gc.get_objects())


def test_nothing_of_a_request_stays(service, photos):
    service.answer(photos[:2], BEAMS)
    before = living()
    for _ in range(3):
        service.answer(photos[:2], BEAMS)
    assert living() <= before


def test_uploads_are_removed_after_an_hour(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "photo.jpg").write_bytes(b"photo")
    os.utime(old, (time.time() - KEPT - 60,) * 2)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")  # like a file that gradio removes between listing and reading
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gone", "new"]


def test_uploads_are_removed_also_while_nobody_asks(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "_SWEEP_SECONDS", 0.01)
    upload = tmp_path / "uploads" / "old"
    upload.mkdir(parents=True)
    sweeping = threading.Thread(target=serve._sweep_often, args=(tmp_path / "uploads",), daemon=True)
    sweeping.start()
    os.utime(upload, (time.time() - KEPT - 60,) * 2)
    while upload.exists():
        time.sleep(0.01)
    (tmp_path / "uploads").rmdir()
    sweeping.join(10)
    assert not sweeping.is_alive()


@pytest.mark.parametrize("host", ["192.0.2.1", "nonsense.invalid"])
def test_an_address_of_another_machine_is_refused_at_once(host):
    with pytest.raises(OSError, match=r"."):
        web_page._check_address(host, None)
    web_page._check_address("127.0.0.1", None)
