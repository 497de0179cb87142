"""An inspection from the command line to the card: on a small run, and on the same run with maps that know nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from captioner import cli, inspection, runs
from captioner.bootstrap import Estimate
from captioner.data.drawn import instances_path
from captioner.errors import UserError
from captioner.inspection import Request, inspect
from captioner.inspection.opening import open_all
from captioner.inspection.watching import Cost
from captioner.photos import silent
from captioner.training.checkpoints import load_checkpoint, save_checkpoint
from captioner.training.loop import BEST
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


def test_the_command_writes_the_card_and_says_whether_attention_matters(trained, pictures):
    ended = CliRunner().invoke(cli.app, ["inspect", str(trained), "--instances", str(instances_path(pictures, "val"))])
    assert ended.exit_code == 0, ended.output
    assert "Does attention matter here?" in ended.output
    (folder,) = trained.glob("inspect-*")
    card = json.loads((folder / "inspect.json").read_text(encoding="utf-8"))
    assert card["about"]["photos"] == 12
    read = card["agreement"]["references"]
    assert {"attention", "uniform", "centre of the photo", "shuffled", "another word's"} <= read.keys()
    assert read["attention"]["num_words"] > 20
    assert read["uniform"]["lift"]["value"] == pytest.approx(1)
    assert card["lag"]["references"]["0"] == read["attention"]
    assert set(card["replaced"]) == {"uniform", "shuffled", "another word's"}
    assert 0 < card["shape"]["entropy"]["value"] <= 1
    with Image.open(folder / "inspect.png") as picture:
        assert picture.size[0] > 500


def test_a_model_that_looks_everywhere_alike_lifts_1_and_loses_nothing(trained, request_for, tmp_path):
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
    for bounds, answer in (((1, 2), "Yes:"), ((-2, -1), "It does harm:")):
        cost = Cost(Estimate(0.0, *bounds, 12), Estimate(0.0, *bounds, 12))
        assert answer in replace(card, replaced={"uniform": cost}).verdict
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


def test_further_words_name_categories(trained, pictures, tmp_path):
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"red circle": ["scarlet disc"]}))
    path = instances_path(pictures, "val")
    plain, more = (open_all(trained, Request(path, words=given), (), silent).named for given in (None, words))
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
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"dog": ["hound"]}))
    with pytest.raises(UserError, match="'dog', which is no category"):
        inspect(trained, Request(path, words=words))
    words.write_text(json.dumps({"dog": "hound"}))
    with pytest.raises(UserError, match="should map categories to lists of words"):
        inspect(trained, Request(path, words=words))


def test_a_run_without_attention_is_refused(pictures, tmp_path):
    folder = tmp_path / "runs" / "blind"
    overrides = [one for one in tiny_settings(pictures, folder) if not one.startswith("attention.")]
    runs.train(DRAWN, [*overrides, "attention.kind=none", "run.epochs=1"])
    with pytest.raises(UserError, match=r"attention\.kind=none: there are no maps to inspect"):
        inspect(folder, Request(instances_path(pictures, "val")))
