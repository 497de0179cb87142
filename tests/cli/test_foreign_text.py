"""Text from other people's files (names, captions, categories, tensors) is printed unchanged on any terminal, and never interpreted."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
import typer
from PIL import Image
from rich.table import Table
from safetensors.torch import load_file, save_file
from torch.distributed import TCPStore

from captioner import cli
from captioner.errors import LONGEST_MESSAGE, UserError
from captioner.metrics import Protocol
from captioner.metrics.protocol import differences_table
from captioner.metrics.protocol import table as score_table
from captioner.progress import Report, TerminalReport, console
from tests.builder.test_renamed import OLD_RUN
from tests.cli.test_cli import run as run_command
from tests.helpers import DRAWN

HOSTILE = "\x1b[31m\x9b2J[red]x[red]:smile:\u202e\n\r\t\udce9"
HARMLESS = "\\x1b[31m\\x9b2J[red]x[red]:smile:\\u202e\\n\\r\\t\\udce9"


def run(capsys, command, *arguments) -> tuple[int, str, str]:
    status, out, err = run_command(capsys, command, *arguments)
    assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(out + err)
    assert "Traceback" not in err
    return status, out, err


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A folder whose name, photos and files have hostile names."""
    folder = tmp_path / "\x1b[2J[bold]"
    folder.mkdir()
    for name in (f"{HOSTILE}.png", "b.png"):
        Image.new("RGB", (80, 80)).save(folder / name)
    return folder


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_captions_of_photos_with_hostile_names(capsys, hostile):
    outputs = [hostile / name for name in ("out.csv", "out.json", "out.html", "out.png", "strip.pdf", "gifs")]
    given = zip(("--csv", "--json", "--page", "--sheet", "--strip", "--gif"), outputs, strict=True)
    status, out, _ = run(capsys, cli.caption, hostile, "--model", OLD_RUN, *(part for pair in given for part in pair))
    assert status == 0
    assert out.count(f"{HARMLESS}.png: ") == 1
    assert all(path.stat().st_size for path in outputs)
    rows = list(csv.reader(io.StringIO(outputs[0].read_text(encoding="utf-8"))))
    assert [len(row) for row in rows] == [3, 3, 3]
    assert {Path(entry["photo"]).name for entry in json.loads(outputs[1].read_text())} == {f"{HOSTILE}.png", "b.png"}


def test_photos_that_cannot_be_read_have_hostile_names(capsys, hostile):
    (hostile / f"{HOSTILE}.png").write_bytes(b"none")
    status, _, err = run(capsys, cli.caption, hostile, "--model", OLD_RUN)
    assert status != 2
    assert HARMLESS in err


def test_hostile_words_of_a_vocabulary_are_printed(capsys, hostile, tmp_path):
    model = shutil.copytree(OLD_RUN, tmp_path / "[red]run")
    vocabulary = json.loads((model / "vocabulary.json").read_text(encoding="utf-8"))
    vocabulary["words"] = [f"{word}\x1b[31m[red]" for word in vocabulary["words"]]
    write(model / "vocabulary.json", vocabulary)
    status, out, _ = run(capsys, cli.caption, hostile / "b.png", "--model", model)
    assert status == 0
    assert "\\x1b[31m[red]" in out


def test_hostile_tensors_and_damaged_runs_are_named(capsys, hostile, tmp_path):
    model = shutil.copytree(OLD_RUN, tmp_path / "\x1b[0m[red]")
    tensors = load_file(model / "best.safetensors")
    save_file(tensors | {"\x1b[31m[red]": torch.zeros(1)}, model / "best.safetensors", {"state": "{}"})
    status, _, err = run(capsys, cli.caption, hostile / "b.png", "--model", model)
    assert status == 2
    assert "\\x1b[31m[red]" in err
    assert len(err.splitlines()) == 1


def test_scores_of_hostile_files(capsys, tmp_path):
    references = {
        "images": [{"id": index, "file_name": f"{HOSTILE}{index}"} for index in range(2)],
        "annotations": [
            {"id": index, "image_id": index, "caption": f"a dog \x1b[31m[red] {HOSTILE}"} for index in range(2)
        ],
    }
    captions, results = write(tmp_path / "[red]r\x1b.json", references), tmp_path / "\x1b[red].json"
    write(results, [{"image_id": index, "caption": f"a dog {HOSTILE}"} for index in range(2)])
    page = tmp_path / "out.html"
    status, out, _ = run(capsys, cli.score, results, captions, "--no-java", "--page", page)
    assert status == 0
    assert "\\x1b[red]" in out
    assert page.stat().st_size
    write(results, [{"image_id": HOSTILE, "caption": "a dog"}])
    status, _, err = run(capsys, cli.score, results, captions, "--no-java")
    assert status == 2
    assert len(err.splitlines()) == 1


def test_hostile_settings_are_named(capsys):
    for override in (f"run.{HOSTILE}=1", f"{HOSTILE}.x=1", f"run.folder=[{HOSTILE}]", f"attention.kind='{HOSTILE}'"):
        run(capsys, cli.describe, DRAWN, override)
    assert run(capsys, cli.doctor, HOSTILE)[0] == 2


def test_every_event_is_printed_without_its_escapes(capsys):
    report: Report = TerminalReport()
    report.note(HOSTILE)
    report.alarm(HOSTILE)
    report.missing_photos([Path(HOSTILE)])
    report.unreadable_photos(HOSTILE, Path(HOSTILE), [HOSTILE])
    report.variant(HOSTILE, 0, 1, 1)
    report.training_finished(Path(HOSTILE))
    with console.capture() as bar, report:
        report.captions(HOSTILE, 1, 2)
        report.bar.refresh()
    out, err = capsys.readouterr()
    assert not {"\x1b", "\x9b", "\u202e", "\r"} & set(out + err + bar.get())
    assert "[red]x[red]" in out


def test_no_cell_or_title_of_a_table_is_read_as_markup(capsys):
    table = Table(title="[red]title[/red]", caption="[red]caption")
    table.add_column("[red]head\x1b")
    table.add_row("[red]cell[/red]\x1b")
    console.print(table)
    out = capsys.readouterr().out
    assert out.count("[red]") == 4
    assert "\x1b" not in out


def test_columns_are_as_wide_as_the_escapes_in_them(capsys):
    name = "\x1b[31mr\x07\x9b\u2066.json"
    table = Table("head\x1b[0m")
    table.add_row(name)
    console.print(table)
    console.print(differences_table(name, name, {name: {"CIDEr-D": 0.5}}, {"CIDEr-D": (0.0, -1.0, 1.0)}))
    console.print(score_table({name: {"CIDEr-D": 0.5}}, Protocol("val", 1, "1", "simple", "greedy")))
    out = capsys.readouterr().out
    assert out.count("\\x1b[31mr\\x07\\x9b\\u2066.json") == 4
    assert out.count("head\\x1b[0m") == 1


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_output_in_a_narrow_encoding_ends_as_it_should(monkeypatch, tmp_path, encoding):
    photo = tmp_path / "写真 été.png"
    Image.new("RGB", (80, 80)).save(photo)
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    arguments = [str(photo), "--model", str(OLD_RUN), "--csv", str(tmp_path / "out.csv")]
    app = typer.Typer()
    app.command()(cli.caption)
    with pytest.raises(SystemExit) as ended:
        cli.main(lambda: app(arguments, standalone_mode=False))
    sys.stdout.flush()
    assert ended.value.code == 0
    assert "?? " in written.getvalue().decode(encoding)
    assert "写真 été" in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_a_message_that_quotes_a_whole_file_keeps_its_two_ends():
    message = str(UserError(f"wanted a list, got {'x' * 3_000_000}; give a list"))
    assert message.startswith("wanted a list, got xxx")
    assert message.endswith("xxx; give a list")
    assert "more characters" in message
    assert len(message) < LONGEST_MESSAGE + 50


@pytest.mark.parametrize(
    ("number", "words"),
    [(30, "file system is read-only"), (37, "no locks"), (28, "the disk is full"), (13, "no permission")],
)
def test_what_the_system_refuses_is_a_plain_sentence(capsys, number, words):
    def refused():
        raise OSError(number, os.strerror(number), "/data/[red]run")

    status, _, err = run(capsys, refused)
    assert status == 2
    assert f"error: /data/[red]run: {words}" in err.replace("the file system is", "file system is").replace(
        "this file system has ", ""
    )
    assert "Errno" not in err


def test_several_processes_print_an_error_once(capsys, monkeypatch):
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}.items():
        monkeypatch.setenv(name, value)

    def refused(text: str):
        raise UserError(text)

    assert [run(capsys, refused, text)[2] for text in ("a", "a", "b")] == ["error: a\n", "", "error: b\n"]
