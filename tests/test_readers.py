"""Readers of files: the value, or a UserError of one line that names the file and the place in it."""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from typing_extensions import TypedDict

from captioner.builder import read_vocabulary
from captioner.data.coco import read_references, read_results
from captioner.data.instances import read_instances
from captioner.data.table import table
from captioner.errors import UserError
from captioner.features.store_index import StoreIndex
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.readers import parse_yaml, read_json, read_json_lines, read_text
from captioner.readers.arrays import read_arrays
from captioner.training.checkpoints import load_checkpoint

PACKAGE = Path(__file__).parents[1] / "captioner"
PARSERS = {
    "json.load", "json.loads", "yaml.load", "yaml.safe_load", "numpy.load", "csv.reader", "csv.DictReader"
}  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
@pytest.mark.parametrize(
    "read",
    [read_text, read_arrays, lambda path, advice: read_instances(path), lambda path, advice: load_checkpoint(path)],
)
def test_a_pipe_is_refused_under_the_name_that_was_given(tmp_path, monkeypatch, read):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(UserError, match=r"^pipe should be a file, got a pipe, socket or device"):
        read(Path("pipe"), "give a file")


def calls(path: Path) -> set[str]:
    """Functions of modules that a file calls, such as `json.loads`."""
    nodes = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return {f"{node.value.id}.{node.attr}" for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}  # fmt: skip


ALLOWED = {"data/table_files.py", "metrics/frequencies.py", "training/checkpoints.py", "builder/run_folder.py"}
"""They parse JSON that lies inside another file, or that they have just written; data/table_files.py finds unbalanced quotes in CSV."""


def test_only_the_readers_parse_files():
    assert PARSERS & calls(PACKAGE / "readers" / "__init__.py")
    others = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if PARSERS & calls(path)]
    assert [path for path in others if not path.startswith("readers/") and path not in ALLOWED] == []


JSON = {
    "deep": ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "digits": ('{"id": ' + "1" * 6_000 + "}", "6,000 digits"),
    "beyond a float": ('{"id": -' + "1" * 400 + "}", "400 digits"),
    "surrogate": ('{"caption": "a \\ud83d cat"}', "half of a character"),
    "surrogate in a key": ('{"\\udc00": 1}', "half of a character"),
    "cut off": ('{"a": [1, ', "line 1 column"),
    "empty": ("", "line 1 column 1"),
}


@pytest.mark.parametrize("case", JSON)
@pytest.mark.parametrize("read", [read_json, read_json_lines])
def test_json_that_is_damaged_is_named(tmp_path, case, read):
    content, complaint = JSON[case]
    path = tmp_path / "file.json"
    path.write_text("\n" + content, encoding="utf-8")
    if case == "empty" and read is read_json_lines:
        assert read(path, "check it") == []
        return
    with pytest.raises(UserError, match="json") as caught:
        read(path, "check it")
    message = str(caught.value)
    assert str(path) in message
    assert complaint.replace("line 1 column 1", "column") in message.replace("line 2 ", "line 1 ")
    assert "check it" in message
    assert "\n" not in message
    assert ("line 2:" in message) == (read is read_json_lines)


def test_whole_characters_are_read(tmp_path):
    path = tmp_path / "file.json"
    path.write_text('{"a": "\\ud83d\\ude00 \\\\ud83d", "b": ' + "1" * 300 + "}", encoding="utf-8-sig")
    assert read_json(path, "") == {"a": "\U0001f600 \\ud83d", "b": int("1" * 300)}


def test_the_shape_of_json_is_checked(tmp_path):
    path = tmp_path / "file.json"
    path.write_text('{"a": [1, "2"]}', encoding="utf-8")
    assert read_json(path, "", dict[str, list[int | str]]) == {"a": [1, "2"]}
    with pytest.raises(UserError, match=r"a\.1 .*integer"):
        read_json(path, "delete it", dict[str, list[int]])


def test_a_line_that_a_killed_program_left_is_passed_over(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes('{"a": 1}\n\n{"caf\u00e9'.encode()[:-1])
    assert read_json_lines(path, "", unfinished=True) == [{"a": 1}]
    with pytest.raises(UserError, match="UTF-8"):
        read_json_lines(path, "")


def test_what_is_no_file_is_named(tmp_path):
    for path in (tmp_path, Path("/dev/null"), tmp_path / "none", Path("a\0b")):
        with pytest.raises(UserError, match="check it"):
            read_text(path, "check it")


YAML = {
    "run: {seed: 2024-13-45}": r"line 1: .*'2024-13-45': month must be",
    "run:\n  seed: 0x_": r"line 2: .*'0x_'",
    'run: {seed: !!int "abc"}': r"line 1: .*'abc'",
    'run: {seed: !!int ""}': "line 1",
    "run: !!timestamp x": "line 1",
    "run: !!bool x": "line 1",
    "run: !!binary x": "line 1",
    "run: {1: 2, seed: 3}\ndata:\n  root: a\n  root: b": r"line 4: .*'root' occurs twice",
    "run: {seed: 1}\nrun: {epochs: 2}": r"line 2: .*'run' occurs twice",
    'run: "\\ud83d"': r"line 1: .*half of a character",
    "? {a: 1}\n: 2": "line 1",
    "run: [": "line 1",
    "run: \x07": "not YAML|should be YAML",
    "[" * 5_000: "nested too deeply",
    "run: " + "1" * 6_000: "line 1",
    "a" * 300_000: "300,000 characters",
    "run: !!python/object/apply:os.system [ls]": "line 1",
}


@pytest.mark.parametrize("text", YAML, ids=lambda text: repr(text[:20]))
def test_yaml_that_is_damaged_is_named(text):
    if text.endswith("1" * 6_000) and not hasattr(sys, "set_int_max_str_digits"):
        pytest.skip("before 3.10.7, Python reads integers of any length")
    with pytest.raises(UserError, match=YAML[text]) as caught:
        parse_yaml(text, "my.yaml")
    assert "my.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_merged_keys_of_yaml_may_be_written_again():
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", "") == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}


CSV = {
    "long header": ("x" * 2_000_000 + ",caption\n", "line 1"),
    "long field": ("image,caption\na.jpg," + "x" * 2_000_000 + "\n", "line 2"),
    "zero": ("image,caption\na.jpg,a\0b\n", "a zero byte in line 2"),
    "nothing": ("", "got nothing"),
}


@pytest.mark.parametrize("case", CSV)
def test_a_table_that_is_damaged_is_named(tmp_path, case):
    content, complaint = CSV[case]
    (tmp_path / "captions.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=complaint) as caught:
        table(str(tmp_path))
    assert len(str(caught.value)) < 600


def npy(header: str) -> bytes:
    """A file of numpy with this header and no data."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


ARRAYS = {
    "text": b"these are not features\n",
    "header": npy("{'descr': '<f4', 'fortran_order'"),
    "huge": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (800000000000,), }"),
    "negative": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-5, 3), }"),
    "type": npy("{'descr': 'zz', 'fortran_order': False, 'shape': (5,), }"),
    "pickle": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"),
    "cut off": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }") + b"abc",
    "zip": b"PK\x03\x04 cut off",
    "empty": b"",
}


def is_read_by_numpy(path) -> bool:
    try:
        numpy.load(path)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_are_damaged_are_named(tmp_path, case, suffix):
    path = tmp_path / f"one.{suffix}"
    path.write_bytes(ARRAYS[case])
    if case == "negative" and is_read_by_numpy(path):
        pytest.skip("some versions of numpy read this as an array without rows")
    with pytest.raises(UserError, match=r"one\..*should be a file of numpy arrays.*compute it again") as caught:
        read_arrays(path, "compute it again")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_arrays_that_unpack_to_more_than_the_memory_are_refused(tmp_path, monkeypatch):
    numpy.savez_compressed(tmp_path / "zeros.npz", features=numpy.zeros(1_000_000))
    assert len(read_arrays(tmp_path / "zeros.npz", "")["features"]) == 1_000_000
    monkeypatch.setattr("captioner.readers.arrays.free_memory", lambda: 1_000_000)
    with pytest.raises(UserError, match=r"zeros\.npz .*does not fit into memory"):
        read_arrays(tmp_path / "zeros.npz", "compute it again")


COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
    "annotations": [{"id": 1, "image_id": 1, "caption": "a cat"}, {"id": 2, "image_id": 2, "caption": "a caf\u00e9"}],
}
INSTANCES = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 5, "height": 4}],
    "categories": [{"id": 3, "name": "cat"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 1, 2.5, 3]}],
}
INDEX = [{"photo": f"/p/{row}.png", "bytes": 9, "changed": 8, "view": 0, "row": row, "crc32": 7} for row in range(3)]
CONFIG = "base: base.yaml\ndata: {kind: drawn, root: a}\nrun:\n  seed: 3\n  folder: 'x'\n"


def lines(rows: list) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def vocabulary(path: Path) -> None:
    loaded = read_vocabulary(path)
    loaded.join(loaded.words)


VALID = {
    "captions.json": (json.dumps(COCO), read_references),
    "results.json": (json.dumps([{"image_id": 1, "caption": "a cat"}]), read_results),
    "instances.json": (json.dumps(INSTANCES), read_instances),
    "captions.jsonl": (lines([{"image": "a.jpg", "captions": ["a cat", "b"]}]), lambda path: table(str(path.parent), path.name)),
    "captions.csv": ('image,caption\na.jpg,"a, cat"\nb.jpg,a dog\n', lambda path: table(str(path.parent), path.name)),
    "vocabulary.json": (json.dumps({"tokens": "simple", "words": ["a", "caf\u00e9"]}, ensure_ascii=False), vocabulary),
    "photos.jsonl": (lines(INDEX), lambda path: StoreIndex(path).refresh()),
    "config.yaml": (CONFIG, lambda path: parse_yaml(read_text(path, ""), path)),
}  # fmt: skip
PIECES = [
    b"", b"\0", b"\xff", b"\\ud800", b'"', b"{", b"]", b",", b"\n", b"null", b"-1", b"1e999", b"NaN", b"9" * 400, b"[" * 3000,
    b"true", b": ", b"- ", b"&a ", b"*a", b"!!int ", b"\t", b"0x_", "\u2028".encode(), b"[]", b"{}", b'"x"',
]  # fmt: skip


def damaged(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """The content with some parts replaced by pieces."""
    for start, length, piece in edits:
        start %= len(content) + 1
        content = content[:start] + piece + content[start + length :]
    return content


def complaint(read, path: Path, otherwise: str) -> str:
    """What a reader says of a file; `otherwise` if it is read."""
    try:
        read(path)
    except UserError as error:
        return str(error)
    return otherwise


EDITS = some.lists(
    some.tuples(some.integers(0, 10_000), some.integers(0, 12), some.sampled_from(PIECES) | some.binary(max_size=4)),
    min_size=1,
    max_size=4,
)
FEW = settings(max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", VALID)
@FEW
@given(edits=EDITS)
def test_a_mutated_file_is_read_or_named(tmp_path, name, edits):
    text, read = VALID[name]
    (tmp_path / name).write_bytes(damaged(text.encode(), edits))
    assert name in complaint(read, tmp_path / name, name)


@FEW
@given(edits=EDITS)
def test_mutated_arrays_are_read_or_named(tmp_path, edits):
    path = tmp_path / "document_frequencies.npz"
    DocumentFrequencies.count({1: ["a cat sat"], 2: ["a cat ran"]}).save(path)
    with numpy.load(path) as arrays:
        numpy.savez(path, **arrays)  # not compressed, so that edits reach the arrays
    path.write_bytes(damaged(path.read_bytes(), edits))
    assert path.name in complaint(DocumentFrequencies.load, path, path.name)
    assert path.name in complaint(lambda path: read_arrays(path, "compute it again"), path, path.name)


class Kind(TypedDict):
    kind: str


def test_a_shape_does_not_take_further_keys_away(tmp_path):
    """Older versions of pydantic leave the keys out that a TypedDict does not name; a log holds its losses in them."""
    path = tmp_path / "log.jsonl"
    path.write_text('{"kind": "training", "loss": 2.5}\n')
    assert read_json_lines(path, "", Kind) == [{"kind": "training", "loss": 2.5}]
    assert read_json(path, "", Kind) == {"kind": "training", "loss": 2.5}


def test_a_key_that_json_has_twice_is_named(tmp_path):
    (tmp_path / "captions.json").write_text(
        '[{"image": "a.jpg", "caption": "a dog", "caption": "a cat"}]', encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"captions\.json .*'caption' twice"):
        read_json(tmp_path / "captions.json", "write it again")
