"""Training on joined data resumes exactly, also after the data was moved, and is scored on all parts or on one."""

from __future__ import annotations

import json
import shutil

import pytest

from captioner.commands.doctor import diagnose
from captioner.commands.evaluate import evaluate
from captioner.commands.train import training_run as runs
from captioner.errors import Interrupted, UserError
from tests.commands.train.test_resume import StopAfter, assert_same_end
from tests.helpers import DRAWN, tiny_settings


def joined(pictures, folder, root, *more: str) -> list[str]:
    """The drawn pictures as two data sets with the same ids: an epoch has 12 photos of one and 72 of the other."""
    parts = [
        {"kind": "coco", "root": "one", "share": 0.25},
        {"kind": "coco", "root": "two", "share": 1.5},
    ]
    for name in ("one", "two"):
        if not (root / name).exists():
            shutil.copytree(pictures, root / name)
    tiny = [setting for setting in tiny_settings(pictures, folder) if not setting.startswith("data.")]
    words = [setting for setting in tiny_settings(pictures, folder) if setting.startswith(("data.min", "data.max"))]
    data = ["data.kind=joined", f"data.root={root}", f"data.parts={json.dumps(parts)}"]
    return [*tiny, *words, *data, "data.augment=flips", "run.epochs=2", *more]


def test_joined_data_resumes_exactly_and_is_scored_by_part(pictures, tmp_path):
    whole, stopped = (joined(pictures, tmp_path / name, tmp_path / "data") for name in ("whole", "stopped"))
    runs.train(DRAWN, whole)
    with pytest.raises(Interrupted):
        runs.train(DRAWN, stopped, StopAfter(15))
    with pytest.raises(UserError, match=r"was started with data\.parts\[1\]\.share=1\.5, now it is 2\.0"):
        runs.train(DRAWN, [*stopped, "data.parts[1].share=2"])
    (tmp_path / "data").rename(tmp_path / "moved")
    runs.train(DRAWN, joined(pictures, tmp_path / "stopped", tmp_path / "moved"))
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")
    logged = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged if line["kind"] == "validation"] == [11, 22]  # 84 photos, 8 in a batch

    moved = [f"data.root={tmp_path / 'moved'}"]
    both = evaluate(tmp_path / "whole", "val", moved, java=False)
    assert both.folder == tmp_path / "whole" / "val"
    ids = [entry["image_id"] for entry in json.loads((both.folder / "results.json").read_text())]
    assert len(set(ids)) == 24
    assert {name: sum(one.startswith(f"{name}/") for one in ids) for name in ("one", "two")} == {"one": 12, "two": 12}
    alone = evaluate(tmp_path / "whole", "val", [*moved, "data.only=two"], java=False)
    assert alone.folder == tmp_path / "whole" / "val-two"
    assert {f"two/{number}": text for number, text in alone.texts().items()}.items() <= both.texts().items()
    assert len(alone.texts()) == 12


def test_the_doctor_counts_the_photos_of_each_part(pictures, tmp_path):
    findings, sizes = diagnose(
        DRAWN, joined(pictures, tmp_path / "run", tmp_path / "data", "data.parts[0].splits=[train]")
    )
    assert sizes["parts"] == [
        {"part": "one", "train": "48", "val": "0", "captions": "240", "share": "0.25", "an epoch takes": "12"},
        {"part": "two", "train": "48", "val": "12", "captions": "300", "share": "1.5", "an epoch takes": "72"},
    ]
    counts = {finding.what: finding.count for finding in findings}
    assert counts["photos that occur twice in one split, byte for byte"] == 48
