"""An inspection from the command line to its results: on a small run, and on the same run with uniform maps."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import captioner
from captioner import cli
from captioner.commands import inspect as inspection
from captioner.commands.inspect import Request, compared_maps, inspect, measures
from captioner.commands.inspect.findings import Card, shown
from captioner.commands.inspect.inputs import read_inputs
from captioner.commands.inspect.observations import Cost
from captioner.commands.train import training_run as runs
from captioner.data.drawn import instances_path
from captioner.errors import UserError
from captioner.metrics.bootstrap import Estimate
from captioner.progress import Report, silent
from captioner.training.checkpoints import load_checkpoint, save_checkpoint
from captioner.training.loop import BEST
from tests.cli.test_cli import run
from tests.helpers import DRAWN, tiny_settings


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "trained"
    runs.train(
        DRAWN, [*tiny_settings(pictures, folder), "run.epochs=2", "search.max_length=8", "attention.score=additive"]
    )
    return folder


@pytest.fixture
def request_for(pictures):
    return Request(instances_path(pictures, "val"))


def printed(part) -> str:
    console = Console(width=80, highlight=False)
    with console.capture() as captured:
        console.print(part)
    return captured.get()


def test_the_command_writes_the_card_and_says_whether_attention_matters(trained, pictures):
    ended = CliRunner().invoke(cli.app, ["inspect", str(trained), "--instances", str(instances_path(pictures, "val"))])
    assert ended.exit_code == 0, ended.output
    assert "Does attention matter here?" in ended.output
    *tables, _verdict, _written = ended.output.strip().splitlines()
    assert max(map(len, tables)) <= 80
    (folder,) = trained.glob("inspect-*")
    card = json.loads((folder / "inspect.json").read_text(encoding="utf-8"))
    assert card["about"]["photos"] == 12
    read = card["agreement"]["references"]
    assert {"attention", "uniform", "centre of the photo", "shuffled", "another word's"} <= read.keys()
    assert read["attention"]["num_words"] > 20
    assert read["uniform"]["lift"]["value"] == pytest.approx(1)
    gain = card["gains"]["references"]["posterior"]["centre of the photo"]
    for number in ("lift", "pointing"):
        ours, centre = (read[name][number]["value"] for name in ("posterior", "centre of the photo"))
        assert gain[number]["value"] == pytest.approx(ours - centre)
    assert "Is it on the object more than others are?" in ended.output
    assert card["lag"]["references"]["0"] == read["attention"]
    best = card["best_offset"]["references"]
    lifts = {int(offset): found["lift"]["value"] for offset, found in card["lag"]["references"].items()}
    assert lifts[best["offset"]] == pytest.approx(max(lifts.values()))
    assert "In the references the lift is largest" in " ".join(" ".join(tables).split())
    assert set(card["replaced"]) == {"uniform", "shuffled", "another word's"}
    assert 0 < card["shape"]["entropy"]["value"] <= 1
    with Image.open(folder / "inspect.png") as picture:
        assert picture.size[0] > 500


def test_the_option_first_inspects_the_first_photos(trained, pictures):
    wanted = [str(instances_path(pictures, "val")), "--first", "3"]
    ended = CliRunner().invoke(cli.app, ["inspect", str(trained), "--instances", *wanted])
    assert ended.exit_code == 0, ended.output
    (folder,) = trained.glob("inspect-*-first-3")  # beside what all photos say
    about = json.loads((folder / "inspect.json").read_text(encoding="utf-8"))["about"]
    assert (about["photos"], about["run"]) == (3, str(trained))
    shutil.rmtree(folder)


def test_results_can_lie_elsewhere_and_a_folder_that_cannot_be_written_to_is_refused_at_once(
    trained, pictures, tmp_path
):
    request = Request(instances_path(pictures, "val"), first=2, out=trained / "settings.yaml")
    with pytest.raises(UserError, match=r"output cannot be written into .*; give --out FOLDER"):
        read_inputs(trained, request, (), Report())
    assert read_inputs(trained, replace(request, out=tmp_path / "out"), (), Report()).folder == tmp_path / "out"


def test_photos_that_are_elsewhere_are_reported_once(trained, pictures, tmp_path):
    class NoAlarm(Report):
        def unreadable_photos(self, split, listed_in, reasons):
            pytest.fail("reported before the error")

    request = Request(instances_path(pictures, "val"), images=tmp_path)
    with pytest.raises(
        UserError, match=r"no photo of inspection can be read; all are listed in .*, first: no photo at"
    ):
        read_inputs(trained, request, (), NoAlarm())


@pytest.fixture(scope="module")
def card(trained, pictures, tmp_path_factory) -> Card:
    """Every picture holds objects of one category, and every word names it; insertion and deletion are measured at five words."""
    folder = tmp_path_factory.mktemp("card")
    content = json.loads(instances_path(pictures, "val").read_text(encoding="utf-8"))
    first = content["categories"][0]
    same = [{**annotation, "category_id": first["id"]} for annotation in content["annotations"]]
    known = [word for word in captioner.load(trained).vocabulary.number_of if word.isalpha()]
    path, words = folder / "instances.json", folder / "words.json"
    path.write_text(json.dumps({**content, "annotations": same}))
    words.write_text(json.dumps({first["name"]: known}))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(measures, "_MAX_WORDS", 5)
        return inspect(trained, Request(path, pictures / "captions_val.json", pictures / "images", words=words))


def test_every_row_says_on_how_many_words_it_stands(card):
    stands = {name: one.num_words for name, one in card.agreement["captions"].items()}
    assert stands["gradient x input"] == stands["attention, the same words"] == 5 < stands["attention"]
    assert {one.num_words for one in card.reasons.values()} == {5}
    assert {"attention", "random order", "another word's"} <= card.reasons.keys()
    (table,) = [
        part
        for part in map(printed, inspection.tables(card))
        if "the object? Words of the model's own captions" in part
    ]
    for name in ("attention", "gradient x input"):
        assert re.search(rf"{name} +{stands[name]} ", table)


def test_gains_are_differences_at_the_same_words(card):
    assert set(card.gains) == {"references", "captions"}
    rows = card.agreement["captions"]
    for name, by_other in card.gains["captions"].items():
        assert set(by_other) == {"centre of the photo", "attention"} - {name}
        if name not in ("attention", "posterior"):
            own = rows["attention, the same words"].lift.value
            assert by_other["attention"].lift.value == pytest.approx(rows[name].lift.value - own)
    assert {"attention", "posterior", "gradient x input", "Grad-CAM"} <= card.gains["captions"].keys()


def test_posterior_maps_of_a_caption_are_computed_once(trained, request_for, monkeypatch):
    computed, original = [], compared_maps.posterior_maps

    def counted(model, regions, words):
        computed.append((words.tolist(), regions.features.sum().item()))
        return original(model, regions, words)

    monkeypatch.setattr(compared_maps, "posterior_maps", counted)
    inspect(trained, request_for)
    assert computed
    assert len(computed) == len({str(key) for key in computed})


def test_tables_fit_80_columns_with_every_number_in_one_line(card):
    lines = [line for part in inspection.tables(card) for line in printed(part).splitlines()]
    assert max(map(len, lines)) <= 80
    assert all(line.count("[") == line.count("]") for line in lines)
    rows = [line for line in lines if line.strip().startswith(("attention ", "uniform "))]
    assert [line.count("]") for line in rows] == [
        2,
        2,
        2,
        2,
        2,
        2,
        0,
        2,
    ]  # of a few words' reasons there is no interval


def test_a_few_photos_have_no_interval():
    assert shown(Estimate(1.0, 0.5, 1.5, 10)) == "1.00 [0.50, 1.50]"
    assert shown(Estimate(1.0, 0.5, 1.5, 9)) == "1.00 (9 photos)"
    assert shown(Estimate(1.0, 0.5, 1.5, 1)) == "1.00 (1 photo)"


def test_a_dash_is_explained_only_below_tables_that_have_one(card):
    there = card.agreement["references"]["attention"]
    for size, dash in ((there, False), (replace(there, lift=None), True)):
        tables = map(printed, inspection.tables(replace(card, sizes={"references": {"large": size}})))
        (part,) = [table for table in tables if "small objects" in table]
        assert ("-: there is no such word" in " ".join(part.split())) is (" - " in part) is dash


def test_without_object_words_a_sentence_replaces_the_tables(trained, request_for):
    card = replace(inspect(trained, request_for), agreement={}, lag={}, best_offset={}, sizes={}, reasons={})
    text = " ".join("".join(map(printed, inspection.tables(card))).split())
    assert "add words for categories with --words" in text
    assert "Nothing to show: there is no such word" in text
    inspection.save(card)


def test_a_model_with_uniform_maps_has_lift_1_and_loses_nothing(trained, request_for, tmp_path):
    """Its score has no energy, so that all regions weigh the same."""
    blind = tmp_path / "blind"
    shutil.copytree(trained, blind)
    tensors, state = load_checkpoint(blind / BEST)
    (energy,) = [name for name in tensors if name.endswith("score.energy.weight")]
    save_checkpoint(blind / BEST, {**tensors, energy: tensors[energy] * 0}, state)
    card = inspect(blind, request_for)
    found = card.agreement["references"]["attention"]
    assert found.lift.low <= 1 + 1e-6
    assert found.lift.high >= 1 - 1e-6
    assert found.lift.value == pytest.approx(1)
    assert found.pointing.value == pytest.approx(found.fair_share.value, abs=0.05)
    assert card.shape["entropy"].value == pytest.approx(1)
    for cost in card.replaced.values():
        assert cost.log_prob.value == pytest.approx(0, abs=1e-5)
        assert cost.cider.value == pytest.approx(0, abs=1e-6)
    assert "Not measurably" in card.verdict
    assert card.title.endswith("Does attention matter? Not measurably")
    long = replace(card, about=card.about | {"run": "runs/" + 200 * "a"})
    assert len(long.title) < 150, "one line above the figure's panels"
    for bounds, answer in (((1, 2), "Yes:"), ((-2, -1), "It does harm:")):
        cost = Cost(Estimate(0.0, *bounds, 12), Estimate(0.0, *bounds, 12))
        assert answer in replace(card, replaced={"uniform": cost}).verdict
    noise = Cost(Estimate(1e-6, 5e-7, 2e-6, 12), Estimate(1e-6, 5e-7, 2e-6, 12))
    assert "Not measurably" in replace(card, replaced={"uniform": noise}).verdict
    assert "A little" in replace(card, replaced={"uniform": replace(cost, cider=Estimate(1.0, 0.5, 2.0, 12))}).verdict


def test_photos_without_references_are_inspected_by_the_models_own_captions(trained, pictures, tmp_path):
    instances = json.loads(instances_path(pictures, "val").read_text(encoding="utf-8"))
    path = tmp_path / "objects.json"
    path.write_text(json.dumps(instances))
    card = inspect(trained, Request(path, images=pictures / "images", masks=True))
    assert "references" not in card.agreement
    assert card.replaced["uniform"].cider is None
    assert card.replaced["uniform"].log_prob is not None
    assert card.about["areas"] == "outlines"
    inspection.save(card)
    assert inspection.tables(card)


def test_captions_of_other_photos_are_refused_and_of_some_noted(trained, pictures, tmp_path, capsys):
    path = instances_path(pictures, "val")
    with pytest.raises(UserError, match=r"captions of the inspected photos, got none in common \(first ids"):
        read_inputs(trained, Request(path, captions=pictures / "captions_train.json"), (), silent)
    content = json.loads((pictures / "captions_val.json").read_text(encoding="utf-8"))
    some = tmp_path / "some.json"
    kept = content["images"][0]["id"]
    annotations = [one for one in content["annotations"] if one["image_id"] == kept]
    some.write_text(json.dumps({**content, "annotations": annotations}))
    read_inputs(trained, Request(path, captions=some), (), silent)
    assert "has no captions of 11 of 12 photos" in capsys.readouterr().err


def test_further_words_name_categories(trained, pictures, tmp_path):
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"red circle": ["scarlet disc"]}))
    path = instances_path(pictures, "val")
    plain, more = (read_inputs(trained, Request(path, words=given), (), silent).object_words for given in (None, words))
    said = ["two", "scarlet", "discs", "and", "a", "red", "circle"]
    assert [named.words for named in plain(said)] == ["red circle"]
    assert [(named.last, named.category) for named in more(said)] == [(2, "red circle"), (6, "red circle")]


def test_what_cannot_be_inspected_is_refused(trained, pictures, tmp_path):
    path = instances_path(pictures, "val")
    content = json.loads(path.read_text(encoding="utf-8"))
    larger = tmp_path / "instances.json"
    larger.write_text(json.dumps({**content, "images": [{**image, "width": 640} for image in content["images"]]}))
    with pytest.raises(UserError, match="those of a photo of 640 x 80 pixels, the photo has 80 x 80"):
        inspect(trained, Request(larger, images=pictures / "images"))
    with pytest.raises(UserError, match=r"no folder .*images; give --images"):
        inspect(trained, Request(larger))
    nameless = tmp_path / "nameless.json"
    nameless.write_text(json.dumps({**content, "images": [{"id": image["id"]} for image in content["images"]]}))
    with pytest.raises(UserError, match="got 12 of 12 without"):
        inspect(trained, Request(nameless, images=pictures / "images"))
    nowhere = tmp_path / "nowhere.json"
    bare = [{"image_id": one["image_id"], "category_id": one["category_id"]} for one in content["annotations"]]
    nowhere.write_text(json.dumps({**content, "annotations": bare}))
    with pytest.raises(UserError, match=rf"should say where objects are \(bbox\), got {len(bare)} objects without"):
        inspect(trained, Request(nowhere, images=pictures / "images"))
    for option, request in {
        "--words": Request(path, words=larger / "x"),
        "--captions": Request(path, larger / "x"),
    }.items():
        with pytest.raises(UserError, match=f"{option} needs a file, got none at"):
            inspect(trained, request)
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"dog": ["hound"]}))
    with pytest.raises(UserError, match="'dog', which is no category"):
        inspect(trained, Request(path, words=words))
    words.write_text(json.dumps({"dog": "hound"}))
    with pytest.raises(UserError, match="should map categories to lists of words"):
        inspect(trained, Request(path, words=words))


WRONG_FILES = {
    "captions.json": (
        None,
        "got a captions file, which does not say where objects are; give the file that says where the objects",
    ),
    "results.json": ('[{"image_id": 1, "caption": "a circle"}]', "got a list, as a results file is; give"),
    "list.json": ("[]", "got a list, as a results file is; give"),
    "empty_object.json": ("{}", "got no list of images and none of categories and none of annotations; give"),
    "no_json.json": ("a circle", "should be json, but is not"),
    "empty.json": ("", "should be json, but is not"),
    "away/instances.json": (None, "no instances file can be read at"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_another_file_given_as_instances_is_a_one_line_error(trained, pictures, tmp_path, capsys, name):
    content, wanted = WRONG_FILES[name]
    if name == "captions.json":
        content = (pictures / "captions_val.json").read_text(encoding="utf-8")
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    status, _, errors = run(capsys, cli.inspect, trained, "--instances", tmp_path / name)
    assert status == 2
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert wanted in errors


def test_a_run_without_attention_is_refused(pictures, tmp_path):
    folder = tmp_path / "runs" / "blind"
    overrides = [one for one in tiny_settings(pictures, folder) if not one.startswith("attention.")]
    runs.train(DRAWN, [*overrides, "attention.kind=none", "run.epochs=1"])
    with pytest.raises(UserError, match=r"attention\.kind=none: there are no maps to inspect"):
        inspect(folder, Request(instances_path(pictures, "val")))
