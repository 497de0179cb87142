"""Curves of runs: every value of a log is drawn, each run has a name and a look of its own, and nothing else becomes a figure."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from captioner.commands import curves as command
from captioner.commands.curves.training_curves import MOST_RUNS, _look, named, read_curves, smoothed
from captioner.errors import UserError


def log(folder, objective="loss", steps=120, validations=3, extra=""):
    folder.mkdir(parents=True)
    trained = {"kind": "train", "time": 1, "epoch": 0, "seconds": 1, "learning_rate": 1e-3, "gradient_norm": 1}
    scores = {"BLEU-4": 0.1, "map_entropy": 0.9, "distinct_captions": 0.5}
    rows = [{"kind": "start", "step": 0, "time": 0.0}]
    rows += [{**trained, "step": step, objective: None if step == 7 else 5 / step} for step in range(1, steps + 1)]
    for number in range(1, validations + 1):
        rows += [{"kind": "validation", "step": 40 * number, "time": 0, "CIDEr-D": 0.2 * number, **scores}]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + extra, encoding="utf-8")
    return folder


def texts(path):
    return " ".join("".join(node.itertext()) for node in ElementTree.parse(path).iter() if node.tag.endswith("text"))


def test_every_value_of_a_log_is_read(tmp_path):
    curves = read_curves(log(tmp_path / "a", extra='{"kind": "tra'))
    assert curves.objective == "loss"
    assert [step for step, _ in curves.terms] == [step for step in range(1, 121) if step != 7]
    assert curves.validated["CIDEr-D"] == [(40, 0.2), (80, 0.4), (120, pytest.approx(0.6))]
    assert "map_change" not in curves.validated


def test_figures_are_written_with_names_titles_and_units(tmp_path, capsys):
    runs = [log(tmp_path / "one" / "seed-0"), log(tmp_path / "two" / "seed-0", "reward", validations=0)]
    outs = [tmp_path / "new" / f"c{ending}" for ending in (".png", ".pdf", ".svg")]
    command.run(runs, outs)
    with Image.open(outs[0]) as picture:
        assert min(picture.size) > 300
    assert outs[1].read_bytes().startswith(b"%PDF")
    drawn = texts(outs[2])
    for text in (
        "one/seed-0",
        "two/seed-0",
        "Training: loss",
        "Training: reward",
        "CIDEr-D",
        "CIDEr-D x100",
        "Entropy of maps",
        "entropy / log R (uniform: 1)",
        "Distinct captions",
        "running mean",
        "marks: validations",
    ):
        assert text in drawn
    assert "Change of maps" not in drawn, "no run has it"
    assert capsys.readouterr().out.count("written: ") == 3
    first = outs[2].read_bytes()
    command.run(runs, outs[2:])
    assert outs[2].read_bytes() == first


def test_runs_are_named_by_what_tells_them_apart():
    names = named([Path("/r/a/seed-0"), Path("/r/a/seed-1"), Path("/r/b/seed-1"), Path("/r/a/seed-0")])
    assert list(names) == ["a/seed-0", "a/seed-1", "b/seed-1"]
    assert list(named([Path("/r/a"), Path("/r/b")])) == ["a", "b"]
    looks = [_look(number, MOST_RUNS) for number in range(MOST_RUNS)]
    assert len({(look["color"], look["linestyle"]) for look in looks}) == MOST_RUNS


def test_curves_that_lie_on_one_another_are_all_seen():
    widths = [_look(number, 4)["linewidth"] for number in range(4)]
    assert widths == sorted(widths, reverse=True)
    assert min(before - after for before, after in itertools.pairwise(widths)) > 0.3
    assert min(widths) > 1


def test_a_running_mean_keeps_means_and_length():
    assert smoothed([1.0]) == [1]
    assert smoothed([1.0, 2.0, 6.0]) == [3, 3, 3]
    values = smoothed([0.0, 2.0] * 200)
    assert len(values) == 400
    assert all(abs(value - 1) < 0.2 for value in values[5:-5])


def test_a_running_mean_does_not_lag():
    falling = [100.0 - step for step in range(100)]
    assert smoothed(falling)[2:-2] == pytest.approx(falling[2:-2])


@pytest.mark.parametrize(
    ("make", "out", "message"),
    [
        (lambda folder: folder.mkdir(), "c.png", r"no training log at .*; give the folder of a run"),
        (lambda folder: log(folder, steps=0), "c.png", "has no training step yet"),
        (log, "c.jpg", r"curves are written as \.png, \.pdf, \.svg, got 'c\.jpg'"),
    ],
)
def test_what_has_no_curves_is_an_error(tmp_path, make, out, message):
    make(tmp_path / "run")
    with pytest.raises(UserError, match=message):
        command.run([tmp_path / "run"], [tmp_path / out])
    assert not (tmp_path / out).exists()


def test_a_folder_is_no_file_to_write(tmp_path):
    (tmp_path / "c.png").mkdir()
    with pytest.raises(UserError, match="--out is a file, got the folder"):
        command.run([log(tmp_path / "run")], [tmp_path / "c.png"])


def test_too_many_runs_are_an_error(tmp_path):
    with pytest.raises(UserError, match="holds up to 21 runs, got 22"):
        command.run([tmp_path] * 22, [tmp_path / "c.png"])
