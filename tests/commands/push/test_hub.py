"""Models on the Hugging Face hub: a card, an upload, and the same captions elsewhere; against a stand-in of the hub."""

from __future__ import annotations

import errno
import os
import re
import shutil
import threading
from urllib.error import URLError

import pytest

import captioner
from captioner import cli
from captioner.builder import results_root
from captioner.builder.hub import FILES
from captioner.commands.pack import card, packing
from captioner.commands.push import push, uploading
from captioner.errors import UserError
from captioner.readers import hub_access
from captioner.readers.hub_access import hub_errors
from tests.builder.test_renamed import OLD_RUN
from tests.cli.test_cli import run
from tests.commands.push.stand_in import stand_in

constants = pytest.importorskip("huggingface_hub.constants")


@pytest.fixture
def trained(tmp_path):
    return shutil.copytree(OLD_RUN, tmp_path / "trained")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with stand_in() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield server


def test_a_pushed_run_is_loaded_elsewhere_and_captions_bit_for_bit(capsys, hub, trained, pictures):
    photo = min((pictures / "images").glob("val_*.png"))
    assert run(capsys, cli.card, trained, "--trained-on", "drawn pictures", "--photo", photo)[0] == 0
    text = (trained / "README.md").read_text(encoding="utf-8")
    (trained / "README.md").write_text(text + "\nWritten by the author.\n", encoding="utf-8")
    status, output, errors = run(capsys, cli.push, trained, "me/small")
    assert status == 0, errors
    assert f"uploaded: {hub.address}/me/small" in output
    assert "--model hf://me/small" in output
    uploaded = hub.models["me/small"]
    assert (
        {"settings.yaml", "vocabulary.json", "best.safetensors", "README.md", "sheet.png"}
        <= set(uploaded)
        <= set(FILES)
    )
    assert uploaded["README.md"].startswith(b"---\nlibrary_name: captioner\n")
    assert b"Written by the author." in uploaded["README.md"]
    assert str(pictures).encode() not in b"".join(uploaded.values())
    folder = trained.parent / "packed"
    packing.pack(trained, folder, photos=False)
    ours, theirs = (
        captioner.load(folder, device="cpu").caption(photo),
        captioner.load("hf://me/small", device="cpu").caption(photo),
    )
    assert ours.as_json() == theirs.as_json()
    status, output, errors = run(capsys, cli.caption, photo, "--model", "hf://me/small")
    assert status == 0, errors
    assert "Fetching" not in errors  # a bar of the hub's client, in a log
    assert ours.text in output


def test_a_push_to_an_earlier_model_leaves_none_of_its_files_and_all_others(hub, trained):
    others = {".gitattributes": b"", "notes.txt": b"", "pictures/sheet.png": b"", "config.json": b"{}"}
    hub.models["me/small"] = dict.fromkeys(FILES, b"of another model") | others
    push(trained, "me/small")
    assert hub.num_commits == 1
    uploaded = hub.models["me/small"]
    assert {name: uploaded.pop(name) for name in others} == others
    assert set(uploaded) == {"settings.yaml", "vocabulary.json", "best.safetensors", "about.json", "README.md"}
    assert b"of another model" not in uploaded.values()
    assert captioner.load("hf://me/small", device="cpu").training_photos is None


def test_the_card_at_the_hub_names_the_model_as_the_hub_does(hub, trained, tmp_path):
    changed = shutil.copytree(trained, tmp_path / "changed")
    card(trained)
    card(changed)
    (changed / "README.md").write_text(
        (changed / "README.md").read_text(encoding="utf-8").replace('load("FOLDER")', 'load("FOLDER", device="cpu")'),
        encoding="utf-8",
    )
    packing.pack(trained, tmp_path / "packed", photos=False)
    for folder, expected in {trained: 0, tmp_path / "packed": 0, changed: 3}.items():
        push(folder, "me/small")
        text = hub.models["me/small"]["README.md"].decode()
        assert text.count("FOLDER") == expected
        assert text.count('captioner.load("hf://me/small").caption') == (expected == 0)
        assert text.count("--model hf://me/small --sheet") == (expected == 0)
        assert "FOLDER" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_of_a_copy_names_the_copy(hub, trained, tmp_path):
    push(trained, "me/small")
    push("hf://me/small", "me/copy")
    text = hub.models["me/copy"]["README.md"].decode()
    assert text.count("hf://me/copy") == 2
    assert "hf://me/small" not in text
    packing.pack("hf://me/small", tmp_path / "packed", photos=False)
    text = (tmp_path / "packed" / "README.md").read_text(encoding="utf-8")
    assert 'captioner.load("FOLDER").caption' in text
    assert "hf://me/small" not in text


@pytest.mark.parametrize(
    "name", ["me/..", "me/.git", "me/a--b", "me/small.git", "-me/small", "me/" + "a" * 100, "me/é"]
)
def test_a_name_that_the_hub_refuses_is_one_line_before_anything_is_packed(capsys, hub, trained, monkeypatch, name):
    monkeypatch.setattr(uploading, "pack", None)
    status, _, errors = run(capsys, cli.push, "--", trained, name)
    assert status == 2
    assert errors.count("\n") == 1
    assert re.match(r"error: .*owner/name", errors)
    assert name in errors
    assert hub.models == {}


def test_results_of_a_model_of_the_hub_are_not_written_into_its_cache(tmp_path):
    folder = tmp_path / "models--me--small" / "snapshots" / "abc"
    assert results_root(folder).as_posix() == "runs/hub-small"
    assert results_root(tmp_path) == tmp_path


def test_what_the_hub_does_not_have_or_refuses_is_one_line(capsys, hub, trained):
    hub.models["me/other"] = {"config.json": b"{}"}
    for name, why in {
        "hf://me/none": "there is no model me/none",
        "hf://me/other": "is no model of this program: it has no settings.yaml",
        "hf://me/other@v9": "has no such revision",
        "hf://me": "is named hf://owner/name or hf://owner/name@revision, got hf://me",
    }.items():
        status, _, errors = run(capsys, cli.caption, "photo.jpg", "--model", name)
        assert status == 2
        assert why in errors.splitlines()[-1]
    hub.refuses = True
    status, _, errors = run(capsys, cli.push, trained, "me/small")
    assert status == 2
    assert "the hub refuses access to me/small" in errors
    assert "hf auth login" in errors
    assert run(capsys, cli.push, trained, "small")[2].startswith(
        "error: a model on the hub is named owner/name, got small"
    )


def test_without_a_network_the_error_says_what_to_do():
    class ConnectError(Exception):
        pass

    with (
        pytest.raises(UserError, match=r"cannot be reached for me/x \(refused\); check the network or HF_ENDPOINT"),
        hub_errors("me/x"),
    ):
        raise ConnectError("refused")


def test_without_a_network_the_answer_comes_soon_and_an_earlier_download_is_used(capsys, hub, trained, monkeypatch):
    assert run(capsys, cli.push, trained, "me/small")[0] == 0
    fetched = captioner.load("hf://me/small", device="cpu")
    asked = []

    def unreachable(request, timeout):
        asked.append(request.full_url)
        raise URLError("no such host")

    monkeypatch.setattr(hub_access, "urlopen", unreachable)
    hub.models.clear()  # whoever asks it after all gets another answer
    assert captioner.load("hf://me/small", device="cpu").vocabulary.words == fetched.vocabulary.words
    advice = r"cannot be reached for me/none \(no such host\); check the network or HF_ENDPOINT, "
    with pytest.raises(UserError, match=advice + "or copy the model's folder here and give its path"):
        captioner.load("hf://me/none")
    assert re.search(advice + "and run the command again\n", run(capsys, cli.push, trained, "me/none")[2])
    assert asked == [hub.address] * 3


def test_a_cache_that_cannot_be_is_one_line(hub, trained, tmp_path, monkeypatch, capfd):
    push(trained, "me/small")
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    with pytest.raises(UserError, match=r"cannot be kept in the hub's cache \(Not a directory\); set HF_HOME"):
        captioner.load("hf://me/small")
    assert capfd.readouterr().err == ""
    for number in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT):
        with pytest.raises(UserError, match=r"cannot be kept in the hub's cache"), hub_errors("me/small"):
            raise OSError(number, os.strerror(number))


def test_a_hub_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(hub_access, "PATIENCE", 0.05)
    given_up = threading.Event()

    def silent(*_, **__):
        given_up.wait()
        raise URLError("too late")

    monkeypatch.setattr(hub_access, "urlopen", silent)
    with pytest.raises(URLError, match=r"no answer in 0\.05 seconds"):
        hub_access.check_reachable()
    given_up.set()


def test_a_client_that_should_use_no_network_asks_nobody(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub_access, "urlopen", None)
    with pytest.raises(URLError, match="HF_HUB_OFFLINE is set"):
        hub_access.check_reachable()


def test_the_files_of_a_packed_model_are_those_of_the_hub():
    assert set(packing.FILES) == set(FILES)


def test_models_lists_the_bundled_one(capsys):
    status, output, _ = run(capsys, cli.models)
    assert status == 0
    assert "natural: bundled, " in output
    assert "none by this project yet" in output


def test_a_card_of_the_bundled_model_is_not_overwritten(capsys):
    status, _, errors = run(capsys, cli.card, "natural")
    assert status == 2
    assert "give a run of yours" in errors
