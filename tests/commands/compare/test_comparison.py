"""A comparison of kinds from end to end, on a few pictures."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from statistics import fmean

import pytest
import yaml
from PIL import Image
from rich.console import Console

from captioner import builder
from captioner.commands import compare as comparison
from captioner.commands.compare.variants import read_recipe
from captioner.commands.train import training_run as runs
from captioner.errors import UserError
from captioner.progress import Report
from tests.helpers import CONFIGS, DRAWN, tiny_settings

COMPARE = CONFIGS / "compare_drawn.yaml"
KINDS = ["soft:additive", "soft:dot", "transformer+layers=1/multi_head+heads=4"]


@pytest.fixture
def options(pictures, tmp_path):
    tiny = tiny_settings(pictures, tmp_path / "demo")
    runs.train(DRAWN, [*tiny, "run.epochs=1"])
    shared = [
        one for one in tiny if not one.startswith(("run.folder", "attention.", "decoder.word_size", "run.epochs"))
    ]
    return [*shared, f"encoder.from_run={tmp_path / 'demo'}", "refiner.size=16", "run.epochs=1"]


def test_kinds_are_trained_once_measured_and_compared(options, tmp_path, capsys):
    folder, trained = tmp_path / "compared", []

    class Started(Report):
        def training_started(self, folder, num_photos, num_words, device):
            trained.append(folder)

    comparison.compare(COMPARE, KINDS[:1], 1, folder, ["val"], options, Started())
    killed = folder / "soft-additive" / "seed-0" / ".measured_val.json.0123abcd.tmp"
    killed.mkdir()
    lines = comparison.compare(COMPARE, KINDS, 2, folder, ["val", "unseen"], options, Started())
    assert not killed.exists()
    assert sorted(path.relative_to(folder).as_posix() for path in trained) == sorted(
        f"{name}/seed-{seed}"
        for name in ("soft-additive", "soft-dot", "transformer-layers-1-multi_head-heads-4")
        for seed in (0, 1)
    )
    assert [(line.name, line.split) for line in lines] == [
        (name, split) for split in ("val", "unseen") for name in [*KINDS, "most frequent", "20 nearest photos"]
    ]
    assert lines[0].difference is None
    own = yaml.safe_load((folder / "transformer-layers-1-multi_head-heads-4" / "seed-0" / "settings.yaml").read_text())
    assert (own["decoder"]["layers"], own["attention"]["heads"]) == (1, 4)
    for line in lines[1:5]:
        middle, low, high = line.difference
        assert low <= middle <= high
        assert middle == pytest.approx(fmean(line.scores) - fmean(lines[0].scores), abs=1e-9)
    kinds = [line for line in lines if line.name in KINDS]
    assert all(
        0 < line.entropy <= 1 and line.step_ms > 0 and line.seconds > 0 and line.parameters > 0 for line in kinds
    )
    assert comparison.compare(COMPARE, KINDS, 2, folder, ["val", "unseen"], options) == lines  # times too are kept
    comparison.save(folder, lines, COMPARE)
    text = (folder / "comparison.md").read_text(encoding="utf-8")
    assert text.count("\n|") == 1 + len(lines)
    printed = comparison.tables(lines)
    assert text.endswith(f"{printed[-1].caption}\n")
    assert "-: not measured" in printed[-1].caption
    assert "over photos.\nmaps and cost.\n" in text
    assert len(json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["lines"]) == len(lines)
    with Image.open(folder / "comparison.png") as figure:
        assert min(figure.size) > 200


def test_the_tables_hold_in_80_columns_whatever_a_kind_is_called():
    long = "transformer+layers=2+feedforward_size=1024/multi_head"
    lines = [
        comparison.Line("soft:additive", "val", [3.505, 3.511], None, None, None, 0.7, 0.2, 0.1, 1_661_992, 57.1, 245.5, 8.67),
        comparison.Line(long, "val", [3.211, 3.1], (-1.2, -1.35, -1.1), None, None, 0.6, 0.2, 0.4, 12_583_079, 777.0, 1348.2, 14.03),
        comparison.Line("most frequent", "val", [0.8], (-2.683, -2.8, -2.569)),
    ]  # fmt: skip
    console = Console(width=80, file=StringIO())
    console.print(*comparison.tables(lines), sep="\n")
    text = console.file.getvalue()
    assert all(
        number in text
        for number in ("350.8 ± 0.4", "-120.0 [-135.0, -110.0]", "12,583,079", "1348.2", "14.03", " 777 ")
    )
    assert "…" not in text
    cells = [line.split(" ")[1] for line in text.splitlines() if line.startswith(" ")]
    assert "".join(cells).count(long) == 2  # on lines of its own, and whole
    assert " lift " not in text.partition("correct captions: ")[0]  # a column in which nothing was measured


def test_an_unknown_kind_is_named_before_anything_is_trained(options, tmp_path):
    with pytest.raises(UserError, match="got 'sfot'; did you mean 'soft'"):
        comparison.compare(COMPARE, ["soft:dot", "sfot:dot"], 1, tmp_path / "compared", overrides=options)
    assert not (tmp_path / "compared").exists()
    with pytest.raises(UserError, match="no split 'vall' with photos; it has train, val, unseen"):
        comparison.compare(COMPARE, ["soft:dot"], 1, tmp_path / "compared", ["vall"], options)
    with pytest.raises(UserError, match="needs kinds of attention, got none"):
        comparison.check_names(" , ")


@pytest.mark.parametrize(
    ("names", "override", "takers"),
    [
        (["soft:additive", "soft:dot", "multi_head"], "attention.size=8", ["soft:additive", "multi_head"]),
        (["soft:dot", "multi_head"], "attention.heads=2", ["multi_head"]),
        (["multi_head", "soft"], "attention.score=general", ["soft"]),
        (["transformer/soft:dot", "soft:dot"], "decoder.layers=1", ["transformer/soft:dot"]),
        (["transformer/soft:dot", "soft:dot"], "decoder.looks=before", ["soft:dot"]),
    ],
)
def test_an_override_that_some_kinds_lack_is_for_the_others(names, override, takers, capsys):
    variants = [comparison.Variant(name) for name in names]
    recipe, fitting, notes = read_recipe(COMPARE, [override, "run.seed=3"], variants)
    override = override.replace("looks", "attend")
    key, _, value = override.partition("=")
    assert notes == [f"{override} holds for {', '.join(takers)} only; the other kinds have no such setting"]
    for variant in variants:
        settings = builder.read(COMPARE, [*fitting[variant.name], *variant.overrides(recipe)])
        section = settings.resolved[key.partition(".")[0]]
        assert (str(section.get(key.partition(".")[2])) == value) == (variant.name in takers)
        assert settings.run.seed == 3


@pytest.mark.parametrize("override", ["attention.heads=2", "attention.sizes=8", "decoder.layers=1"])
def test_an_override_that_no_kind_has_is_refused(override, tmp_path):
    with pytest.raises(UserError, match="unknown key in"):
        comparison.compare(COMPARE, ["soft:additive", "soft:dot"], 1, tmp_path / "compared", overrides=[override])
    assert not (tmp_path / "compared").exists()


def test_a_run_that_was_trained_on_is_measured_again(options, tmp_path):
    folder = tmp_path / "compared"
    run, path = folder / "soft-additive" / "seed-0", folder / "soft-additive" / "seed-0" / "measured_val.json"
    comparison.compare(COMPARE, KINDS[:1], 1, folder, ["val"], options)
    first = path.read_bytes()
    more = [
        "attention.kind=soft",
        "attention.score=additive",
        "run.epochs=2",
        "run.validate_every=2",
        f"run.folder={run}",
    ]
    runs.train(COMPARE, [*options, *more, "run.seed=0", "search.max_length=2"], change=True)
    examples = builder.make_all_splits(builder.read_run_settings(run))["val"]
    comparison.measurements.measure(run, "val", examples, Report())
    again = json.loads(path.read_bytes())
    assert again["of"] != json.loads(first)["of"]
    assert again["of"]["search"]["max_length"] == 2
    comparison.measurements.measure(run, "val", examples, Unasked())


def test_other_data_are_refused_or_scored_anew(options, pictures, tmp_path):
    """Scores on different data never share a table, even if both have the same number of photos."""
    folder, data = tmp_path / "compared", tmp_path / "data"
    shutil.copytree(pictures, data)
    here = [*(option for option in options if not option.startswith("data.root=")), f"data.root={data}"]
    first = comparison.compare(COMPARE, KINDS[:1], 1, folder, ["val", "unseen"], here)
    rewrite(data / "captions_unseen.json")
    again = comparison.compare(COMPARE, KINDS[:1], 1, folder, ["val", "unseen"], here)
    assert [(line.name, line.split) for line in first] == [(line.name, line.split) for line in again]
    changed = {now.split for before, now in zip(first, again, strict=True) if before.scores != now.scores}
    assert changed == {"unseen"}
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(data, elsewhere)
    rewrite(elsewhere / "captions_unseen.json")
    there = [*here[:-1], f"data.root={elsewhere}"]
    moved = comparison.compare(COMPARE, KINDS[:1], 1, folder, ["val", "unseen"], there)
    new = comparison.compare(COMPARE, KINDS[:1], 1, tmp_path / "new", ["val", "unseen"], there)
    assert [(line.name, line.split, line.scores) for line in moved] == [
        (line.name, line.split, line.scores) for line in new
    ]
    rewrite(elsewhere / "captions_val.json")
    with pytest.raises(
        UserError, match=r"seed-0 was trained on other data than these: .* of val .*; give another --folder"
    ):
        comparison.compare(COMPARE, KINDS[:2], 1, folder, ["val"], there)
    assert not (folder / "soft-dot").exists()
    min((elsewhere / "images").glob("val_*.png")).unlink()
    with pytest.raises(UserError, match="1 photo of val missing"):
        comparison.compare(COMPARE, KINDS[:1], 1, folder, ["val"], there)
    shutil.rmtree(elsewhere / "images")
    assert comparison.compare(COMPARE, KINDS[:1], 1, folder, ["unseen"], there) == [
        line for line in moved if line.split == "unseen"
    ]


def rewrite(captions):
    """Give every photo other captions."""
    content = json.loads(captions.read_text(encoding="utf-8"))
    for annotation in content["annotations"]:
        annotation["caption"] += " " + annotation["caption"]
    captions.write_text(json.dumps(content), encoding="utf-8")


class Unasked(Report):
    """Refuses to hear of any work."""

    def __getattribute__(self, name):
        raise AssertionError(f"not expected: {name}")


def test_kinds_are_compared_with_a_penalty_on_the_mirror_image(options, tmp_path):
    mirror = [*options, "objective.mirror=1", "data.augment=flips"]
    lines = comparison.compare(COMPARE, KINDS[:1], 1, tmp_path / "compared", ["val"], mirror)
    assert lines[0].step_ms > 0


@pytest.mark.parametrize(("names", "seeds", "splits"), [([], 1, ["val"]), (["soft"], 0, ["val"]), (["soft"], 1, [])])
def test_nothing_to_compare_is_an_error(tmp_path, names, seeds, splits):
    with pytest.raises(UserError, match="compare needs a kind of attention, a seed and a split"):
        comparison.compare(COMPARE, names, seeds, tmp_path, splits)
