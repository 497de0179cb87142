"""Damaged photos, annotation files and configs end in a UserError or are read; nothing else is raised, and nothing hangs.

CAPTIONER_MUTATIONS scales the number of files; 1 is 20,000 photos and 2,000 annotation and config files.
"""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from captioner import builder
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from tests.helpers import DRAWN

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),  # Pillow warns of many damages
]

SCALE = float(os.environ.get("CAPTIONER_MUTATIONS", 1))
FORMATS = {"JPEG": {}, "PNG": {}, "GIF": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "ICO": {}, "TGA": {}, "MPO": {}}
FORMATS |= {
    name: {}
    for name, feature in {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}.items()
    if feature in features.get_supported()
}
HANG = 10


class Hang(BaseException):
    """Not an Exception, since readers turn those into a UserError."""


def limited(work: Callable[[], object]) -> None:
    """Run the work; a UserError is an answer. It may take 10 seconds of this process, however busy the computer is."""

    def late(*event: object) -> None:
        raise Hang(f"it took more than {HANG} s")

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, HANG)
    message = ""
    try:
        work()
    except UserError as error:
        message = str(error).strip()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    assert "\n" not in message
    assert len(message) < 1000


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "repeat", "zero", "large"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=5,
)


def mutated(content: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    """The content after changes; half of all changes fall into the first 64 bytes, where headers are."""
    for kind, where, values in changes:
        reach = min(64, len(content)) if where < 0.5 else len(content)
        at = int(2 * (where % 0.5) * reach)
        end = at + len(values)
        content = {
            "set": content[:at] + values + content[end:],
            "cut": content[:at],
            "insert": content[:at] + values + content[at:],
            "repeat": content[:at] + content[at:end] * 50 + content[end:],
            "zero": content[:at] + bytes(len(values)) + content[end:],
            "large": content[:at] + b"\xff" * len(values) + content[end:],
        }[kind]
    return content


def photo_bytes(name: str) -> bytes:
    generator = numpy.random.default_rng(0)
    photo = Image.fromarray(generator.integers(0, 256, (48, 64, 3), dtype=numpy.uint8))
    file = io.BytesIO()
    photo.save(file, name)
    return file.getvalue()


def many(count: float) -> settings:
    return settings(
        max_examples=max(5, int(SCALE * count)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_photos(name, tmp_path):
    content, path = photo_bytes(name), tmp_path / f"photo.{name.lower()}"

    @many(20_000 / len(FORMATS))
    @given(CHANGES)
    def check(changes):
        path.write_bytes(mutated(content, changes))
        limited(lambda: open_photo(path))

    check()


def annotation_files(pictures: Path) -> dict[str, tuple[str, list[str], bytes]]:
    """A file name, overrides that read it, and valid content, for each kind of data."""
    photos = [path.name for path in sorted((pictures / "images").glob("*.png"))[:6]]
    rows = [(photo, f'a red {index} star, or "two"') for index, photo in enumerate(photos)]
    coco = {
        "images": [{"id": index, "file_name": photo} for index, (photo, _) in enumerate(rows)],
        "annotations": [{"id": index, "image_id": index, "caption": text} for index, (_, text) in enumerate(rows)],
    }
    karpathy = {
        "images": [
            {"filename": photo, "imgid": index, "cocoid": index, "split": "train" if index < 4 else "val",
             "sentences": [{"raw": text, "tokens": text.split()}]}
            for index, (photo, text) in enumerate(rows)
        ]
    }  # fmt: skip
    lines = "".join(json.dumps({"image": photo, "caption": text}) + "\n" for photo, text in rows)
    table = "image,caption\n" + "".join(f'{photo},"{text.replace(chr(34), chr(34) * 2)}"\n' for photo, text in rows)
    return {
        "coco": ("captions_train.json", ["data.kind=coco"], json.dumps(coco).encode()),
        "karpathy": ("dataset_coco.json", ["data.kind=karpathy", "data.images=images"], json.dumps(karpathy).encode()),
        "csv": ("captions.csv", ["data.kind=table"], table.encode()),
        "jsonl": ("captions.jsonl", ["data.kind=table", "data.captions=captions.jsonl"], lines.encode()),
        "tsv": ("captions.tsv", ["data.kind=table", "data.captions=captions.tsv"], table.replace(",", "\t").encode()),
    }


@pytest.mark.parametrize("kind", ["coco", "karpathy", "csv", "jsonl", "tsv"])
def test_damaged_annotations(kind, pictures, tmp_path):
    name, overrides, content = annotation_files(pictures)[kind]
    (tmp_path / "images").symlink_to(pictures / "images")
    (tmp_path / "captions_val.json").write_bytes(content if kind == "coco" else b"{}")
    chosen = [*overrides, f"data.root={tmp_path}", "data.min_count=1"]

    @many(200)
    @given(CHANGES)
    def check(changes):
        (tmp_path / name).write_bytes(mutated(content, changes))
        limited(lambda: builder.make_all_splits(builder.read(DRAWN, chosen)))

    (tmp_path / name).write_bytes(content)
    assert builder.make_all_splits(builder.read(DRAWN, chosen))
    check()


HOSTILE = [
    "null", "true", "[]", "{}", '""', "-1", "0", "1e999", "NaN", "9" * 6000, '"\\ud800"', '"a\\u0000b"', '"../../x"', '"' + "x" * 300 + '"',
    "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, '"\\u001b[31mred"', '"[bold]x[/"', '"2024-13-45"',
]  # fmt: skip


def positions(value: Any, path: tuple = ()) -> list[tuple]:
    """The paths of every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [position for key, item in items for position in positions(item, (*path, key))]


def with_text(value: Any, path: tuple, text: str) -> str:
    """JSON with a raw text in the place of one value."""
    value = json.loads(json.dumps(value))
    if not path:
        return text
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = "@hostile@"
    return json.dumps(value).replace('"@hostile@"', text)


@pytest.mark.parametrize("kind", ["coco", "karpathy", "jsonl"])
def test_hostile_values(kind, pictures, tmp_path):
    """Every value of a file in turn is replaced by another type, a huge number, deep nesting, or text with control characters."""
    name, overrides, content = annotation_files(pictures)[kind]
    (tmp_path / "images").symlink_to(pictures / "images")
    (tmp_path / "captions_val.json").write_bytes(content if kind == "coco" else b"{}")
    chosen = [*overrides, f"data.root={tmp_path}", "data.min_count=1"]
    lines = content.decode().splitlines() if kind == "jsonl" else [content.decode()]
    value = json.loads(lines[0])
    for path in positions(value)[:: max(1, int(4 / max(SCALE, 0.1)) if kind != "jsonl" else 1)]:
        for text in HOSTILE:
            (tmp_path / name).write_text("\n".join([with_text(value, path, text), *lines[1:]]), encoding="utf-8")
            limited(lambda: builder.make_all_splits(builder.read(DRAWN, chosen)))


@pytest.mark.parametrize(
    "text", [*HOSTILE, "0x_", '!!int "abc"', "!!python/object:os.system x", "*a", "&a [*a]", "? x", "|", "\t"]
)
def test_hostile_settings(text, tmp_path):
    """Every setting of a config in turn is replaced by it."""
    path, lines = tmp_path / "config.yaml", DRAWN.read_text(encoding="utf-8").splitlines()
    for index, line in enumerate(lines):
        name, colon, _ = line.partition(":")
        if not colon or line.startswith("#"):
            continue
        path.write_text("\n".join([*lines[:index], f"{name}: {text}", *lines[index + 1 :]]), encoding="utf-8")
        (tmp_path / "base.yaml").write_bytes((DRAWN.parent / "base.yaml").read_bytes())
        limited(lambda: builder.read(path, []))
        for key in ("run.seed", "run.device", "data.root", "attention.size", "encoder.kind"):
            limited(lambda key=key: builder.read(DRAWN, [f"{key}={text}"]))


def test_damaged_configs(tmp_path):
    path = tmp_path / "config.yaml"
    content = DRAWN.read_bytes().replace(b"base: base.yaml", b"base: " + str(DRAWN.parent / "base.yaml").encode())

    @many(1000)
    @given(CHANGES)
    def check(changes):
        path.write_bytes(mutated(content, changes))
        limited(lambda: builder.read(path, []))

    path.write_bytes(content)
    assert builder.read(path, [])
    check()
