"""An evaluation that is killed leaves the earlier files, the new ones, or a mark that every reader reports."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from captioner import cli
from captioner.commands.evaluate import evaluate, evaluation, save_page
from captioner.commands.train import training_run as runs
from captioner.files import UNFINISHED
from tests.cli.test_cli import run
from tests.helpers import DRAWN, tiny_settings

FILES = ("results.json", "scores.json", "report.html")
CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"}


class Killed(BaseException):
    """Raised by every file operation after the kill, so that nothing is cleaned up."""


class Operations:
    """Counts file operations below a folder, and stops at one of them."""

    def __init__(self):
        self.folder, self.count, self.kill_at = "/nowhere", 0, 0
        sys.addaudithook(self.see)

    def see(self, event: str, values: tuple) -> None:
        if event in CHANGES and str(values[0]).startswith(self.folder):
            self.count += 1
            if 0 < self.kill_at <= self.count:
                raise Killed

    def run(self, folder: Path, work, kill_at: int = 0) -> int:
        """Do the work up to this operation; the number of operations that were begun."""
        self.folder, self.count, self.kill_at = str(folder), 0, kill_at
        try:
            work()
        except Killed:
            pass
        finally:
            self.folder = "/nowhere"
        return self.count


@pytest.fixture(scope="module")
def operations() -> Operations:
    return Operations()


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    runs.train(DRAWN, [*tiny_settings(pictures, folder), "run.epochs=1"])
    return folder


@pytest.fixture
def killable(trained, operations, monkeypatch, tmp_path):
    """Evaluate into a folder up to one file operation; captions and scores are computed once. The name is in every file."""
    scored = evaluate(trained, baselines=False, java=False, out=tmp_path / "first")
    bare = [replace(example, image=Path("gone.png")) for example in scored.examples]
    model = SimpleNamespace(vocabulary=SimpleNamespace(tokens="ptb"))
    monkeypatch.setattr(evaluation.builder, "load", lambda *_, **__: model)
    monkeypatch.setattr(evaluation, "_systems", lambda *_: scored.systems)
    monkeypatch.setattr(evaluation, "_scored", lambda one, *_: one)

    monkeypatch.setattr("captioner.commands.evaluate.pages.scores_by_photo", lambda *_: {})
    monkeypatch.setattr("captioner.commands.evaluate.pages.scores_page", lambda _, one, title: title)

    def work(name: str) -> None:
        captions = [replace(caption, text=name) for caption in scored.captions]
        named = replace(
            scored,
            folder=tmp_path / "out",
            captions=captions,
            protocol=replace(scored.protocol, split=name),
            examples=bare,
        )
        monkeypatch.setattr(evaluation, "_captioned", lambda *_: named)
        save_page(evaluate(trained, java=False, out=tmp_path / "out"))

    return lambda name, kill_at=0: operations.run(tmp_path, lambda: work(name), kill_at)


def content(folder: Path) -> dict[str, str]:
    """Which evaluation each file is of."""
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in FILES if (folder / name).exists()}
    return {name: "earlier" if "earlier" in text else "later" for name, text in texts.items()}


def test_a_kill_at_any_file_operation_leaves_one_evaluation_or_a_mark(killable, tmp_path):
    folder = tmp_path / "out"
    killable("earlier")
    whole = dict.fromkeys(FILES, "later")
    assert content(folder) == dict.fromkeys(FILES, "earlier")
    shutil.copytree(folder, tmp_path / "before")
    last = killable("later")
    assert content(folder) == whole
    assert last > 20
    marked = 0
    for kill_at in range(1, last + 1):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before", folder)
        killable("later", kill_at)
        there = content(folder)
        marked += (folder / UNFINISHED).exists()
        assert len({there.get(name) for name in ("scores.json", "report.html")} - {None, there["results.json"]}) == 0
        if not (folder / UNFINISHED).exists():
            assert {"results.json", "scores.json"} <= set(there)
    assert marked > 10
    killable("later")
    assert content(folder) == whole
    assert not (folder / UNFINISHED).exists()


@pytest.fixture
def unfinished(trained, monkeypatch, tmp_path) -> Path:
    """A run with an evaluation that ended while it was scored."""
    folder = shutil.copytree(trained, tmp_path / "run")

    def ended(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "_scored", ended)
        with pytest.raises(KeyboardInterrupt):
            evaluate(folder, baselines=False, java=False)
    return folder


def test_an_unfinished_evaluation_is_reported_by_those_who_read_it(unfinished, pictures, capsys, tmp_path):
    val = unfinished / "val"
    assert sorted(path.name for path in val.iterdir()) == ["results.json", UNFINISHED]
    said = f"note: {val} holds an unfinished evaluation"
    _, _, error = run(capsys, cli.score, val / "results.json", pictures / "captions_val.json", "--no-java")
    assert said in error
    _, _, error = run(capsys, cli.pack, unfinished, tmp_path / "packed", "--no-photos")
    assert said in error
    status, _, error = run(capsys, cli.evaluate, unfinished, "--no-java", "--no-page")
    assert status == 0
    assert said in error
    assert sorted(path.name for path in val.iterdir()) == ["results.json", "scores.json"]
    _, _, error = run(capsys, cli.evaluate, unfinished, "--no-java", "--no-page")
    assert "unfinished" not in error


def test_other_data_in_a_folder_of_results_names_itself_and_own_data_does_not(trained, pictures, tmp_path):
    other = ["data.kind=coco", f"data.root={pictures}", "data.images=images"]
    evaluate(trained, overrides=other, baselines=False, java=False, out=tmp_path)
    assert json.loads((tmp_path / "dataset.json").read_text(encoding="utf-8"))["kind"] == "coco"
    evaluate(trained, baselines=False, java=False, out=tmp_path)
    assert not (tmp_path / "dataset.json").exists()
