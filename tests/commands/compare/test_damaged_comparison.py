"""Files of a comparison that are damaged or of earlier data are named; their numbers are in no table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captioner.commands.compare.measurements import Line, baseline_lines, line_of
from captioner.commands.compare.timing import Times
from captioner.commands.compare.variants import Variant
from captioner.errors import UserError

SOFT, NONE = Variant("soft"), Variant("none")
SCORED = {"scores": {"CIDEr-D": 0.5, "BLEU-4": 0.1}, "each": [0.25, 0.75]}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A comparison of two kinds with one run each."""
    for variant in (SOFT, NONE):
        run = variant.folder(tmp_path, 0)
        run.mkdir(parents=True)
        measured = SCORED | {"shape": {"entropy": 1.0}, "right": None, "lift": None}
        (run / "measured_val.json").write_text(json.dumps(measured), encoding="utf-8")
    (tmp_path / "baselines_val.json").write_text(json.dumps({"most frequent": SCORED}), encoding="utf-8")
    return tmp_path


def lines(folder: Path) -> list[Line]:
    times = Times(1, 1.0, 1.0)
    return [
        *(line_of(variant, "val", SOFT, 1, folder, times) for variant in (SOFT, NONE)),
        *baseline_lines("val", SOFT, 1, folder),
    ]


def test_a_comparison_without_logs_has_no_seconds(folder):
    assert [line.seconds for line in lines(folder)] == [None] * 3


@pytest.mark.parametrize(
    "file", ["soft/seed-0/measured_val.json", "none/seed-0/measured_val.json", "baselines_val.json"]
)
@pytest.mark.parametrize("change", [{"scores": {}}, {"scores": {"CIDEr-D": None}}, {"each": []}, {"each": [0.1]},
                                    {"each": [0.1, 1e999]}, {"each": [0.1, float("nan")]}, {"each": [0.1] * 3}], ids=str)  # fmt: skip
def test_damaged_measurements_are_named(folder, file, change):
    path = folder / file
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | change if "scores" in content else {"most frequent": SCORED | change}))
    with pytest.raises(UserError, match=r"(measured_val|baselines_val)\.json .*it is measured again"):
        lines(folder)
