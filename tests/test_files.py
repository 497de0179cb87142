"""Atomic writes, and what killed programs leave of them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from captioner import files
from captioner.commands.outputs import check_outputs
from captioner.errors import Terminal, UserError, system_error
from captioner.files import (
    UNFINISHED,
    remove_unfinished,
    replacing,
    unfinished,
    write_text_atomically,
    written_together,
)

WRITER = """
import sys, time
from pathlib import Path
from captioner.files import replacing
with replacing(Path(sys.argv[1])) as beside:
    beside.write_text("half")
    (beside.parent / ".tmpAb3xYz").write_text("what a library puts beside its file")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writing(tmp_path):
    """A program that is writing `table.csv`."""
    program = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "table.csv")], stdout=subprocess.PIPE)
    assert program.stdout is not None
    assert program.stdout.readline() == b"writing\n"
    yield program
    program.kill()
    program.wait()
    program.stdout.close()


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_what_a_killed_program_left_is_removed_by_the_next_write_and_not_while_it_runs(tmp_path, writing):
    write_text_atomically(tmp_path / "table.csv", "whole")
    write_text_atomically(tmp_path / "other.csv", "whole")
    assert len(left(tmp_path)) == 1
    writing.kill()
    writing.wait()
    files._next_look.clear()
    write_text_atomically(tmp_path / "other.csv", "whole")
    assert left(tmp_path) == []
    assert (tmp_path / "table.csv").read_text(encoding="utf-8") == "whole"


def test_files_of_other_programs_stay(tmp_path):
    for name in (".table.csv.swp", ".notes.tmp", ".lock", ".other.csv.0123abcd.tmp"):
        (tmp_path / name).write_text("theirs", encoding="utf-8")
    (tmp_path / ".table.csv.0123abcd.tmp").write_text("as earlier versions left it", encoding="utf-8")
    write_text_atomically(tmp_path / "table.csv", "whole")
    assert sorted(left(tmp_path)) == [".lock", ".notes.tmp", ".other.csv.0123abcd.tmp", ".table.csv.swp"]


def test_a_folder_of_ours_is_cleared_of_all_temporary_files(tmp_path):
    for name in (".scores.json.0123abcd.tmp", ".tmpAb3xYz"):
        (tmp_path / name).write_text("half", encoding="utf-8")
    (tmp_path / ".newest.safetensors.0123abcd.tmp").mkdir()
    remove_unfinished(tmp_path)
    assert left(tmp_path) == []


def test_where_nothing_can_be_locked_a_day_passes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    young, old = tmp_path / ".table.csv.00000000.tmp", tmp_path / ".table.csv.11111111.tmp"
    for folder in (young, old):
        folder.mkdir()
    os.utime(old, (time.time() - 90_000,) * 2)
    write_text_atomically(tmp_path / "table.csv", "whole")
    assert left(tmp_path) == [young.name]


@pytest.mark.parametrize("name", ["a" * 240 + ".csv", "å" * 120 + ".csv"])
def test_a_long_name_is_written(tmp_path, name):
    write_text_atomically(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_names_are_written_in_utf_8_whatever_the_encoding_of_the_system(tmp_path):
    name = "blå 写真.png".encode().decode("ascii", "surrogateescape")  # as a C locale reads it
    write_text_atomically(tmp_path / "out.csv", f"{name}\n\udce9\n\ud83d\n")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "blå 写真.png\n\\udce9\n\\ud83d\n"


def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path):
    write_text_atomically(tmp_path / "table.csv", "earlier")
    with pytest.raises(RuntimeError), replacing(tmp_path / "table.csv") as beside:  # noqa: PT012
        beside.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["earlier"]


@pytest.mark.parametrize(("kind", "named"), [("folder", "it is a folder"), ("pipe", "something else has this name")])
def test_only_a_file_is_replaced(tmp_path, kind, named):
    path = tmp_path / "table.csv"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(OSError, match=r"table\.csv") as refused:
        write_text_atomically(path, "whole")
    assert f"table.csv: {named}" in system_error(refused.value)
    assert [name.name for name in tmp_path.iterdir()] == ["table.csv"]
    assert not path.is_file()


@pytest.mark.parametrize(
    ("texts", "others", "named"),
    [
        ({".csv": "photo.png"}, [], "--csv writes a .csv file, got"),
        ({".html": "photo.png"}, [], "--page writes a .html file, got"),
        ({".html": "photo"}, [], "--page writes a .html file, got"),
        ({".json": "one.json", ".html": "one.json"}, [], "--page writes a .html file, got"),
        ({".csv": None, ".json": "run.safetensors"}, [], "--json writes a .json file, got"),
        ({}, ["photo.png"], "photo.png is read by this command and would be replaced"),
        ({}, ["link.png"], "link.png is read by this command and would be replaced"),
        ({".csv": "same", ".json": "same"}, [], "same is given for two files"),
        ({}, ["page.html", "page.html"], "page.html is given for two files"),
        ({".csv": "folder"}, [], "folder is a folder"),
    ],
)
def test_what_would_be_lost_by_writing_is_refused(tmp_path, texts, others, named):
    (tmp_path / "photo.png").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.png").symlink_to("photo.png")
    texts = {ending: None if name is None else tmp_path / name for ending, name in texts.items()}
    with pytest.raises(UserError, match=named):
        check_outputs(texts, [tmp_path / name for name in others], [tmp_path / "photo.png"])


def test_a_file_of_another_program_is_not_replaced_unless_asked_for(tmp_path):
    """A pattern of the shell after an option, as in `--sheet *.png`, names a photo."""
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    (tmp_path / "notes.csv").write_text("photo,price\n")
    for texts, others in [({}, [tmp_path / "photo.png"]), ({".csv": tmp_path / "notes.csv"}, [])]:
        with pytest.raises(UserError, match=r"exists, and captioner has not written it; .* --overwrite"):
            check_outputs(texts, others, [])
        check_outputs(texts, others, [], overwrite=True)


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_computed(tmp_path):
    """The folder is below a file, where even root cannot write."""
    (tmp_path / "file").touch()
    for texts, others in [({".csv": tmp_path / "file" / "out.csv"}, []), ({}, [tmp_path / "file" / "sheets"])]:
        with pytest.raises(UserError, match=r"output cannot be written into .*file.*; give another folder"):
            check_outputs(texts, others, [])


def test_usual_outputs_are_not_refused(tmp_path):
    check_outputs({".csv": tmp_path / "a.csv", ".json": tmp_path / "a.jsonl"}, [tmp_path, None], [tmp_path / "a.png"])


@pytest.mark.parametrize("writes_files", [True, False])
def test_only_a_command_that_writes_files_goes_on_when_nobody_reads_what_it_prints(tmp_path, monkeypatch, writes_files):
    check_outputs({".csv": tmp_path / "out.csv" if writes_files else None}, [], [])
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as closed:
        terminal = Terminal()
        terminal.file = closed
        if writes_files:
            terminal.print("nobody reads this")
            terminal.print("nor this")
        else:
            monkeypatch.setattr("sys.stdout", closed)
            with pytest.raises(SystemExit):
                terminal.print("nobody reads this")
    monkeypatch.setattr(Terminal, "writes_files", False)


@pytest.mark.parametrize("name", ["experiments.sh", "mine.csv"])
def test_a_file_that_only_names_the_program_is_no_file_of_it(tmp_path, name):
    (tmp_path / name).write_text("photo\ncaptioner train configs/drawn.yaml\n")
    with pytest.raises(UserError, match="exists, and captioner has not written it"):
        check_outputs({}, [tmp_path / name], [])


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path):
    target, link = tmp_path / "there.txt", tmp_path / "link.txt"
    target.write_text("before")
    link.symlink_to(target)
    write_text_atomically(link, "after")
    assert link.is_symlink()
    assert target.read_text() == "after"


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left") as raised, replacing(tmp_path / "words.json"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert system_error(raised.value) == f"{tmp_path / 'words.json'}: the disk is full; free some space"


def test_a_command_does_not_remove_the_mark_of_another(tmp_path):
    with written_together(tmp_path):
        (tmp_path / UNFINISHED).write_text("the mark of another command")
    assert unfinished(tmp_path)
    with written_together(tmp_path), written_together(tmp_path):
        pass
    assert not unfinished(tmp_path)
