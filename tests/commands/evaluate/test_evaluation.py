"""Evaluation of a run: its scores, protocol, baselines and files."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from captioner import builder, cli, metrics
from captioner.builder.sections import PartSettings
from captioner.commands import photo_sources
from captioner.commands.evaluate import MODEL, evaluate, save_page
from captioner.commands.evaluate.run_protocol import _decoding, _reward, scoring_tokens
from captioner.commands.train import training_run as runs
from captioner.errors import UserError
from captioner.metrics import java
from tests.cli.test_cli import run
from tests.helpers import DRAWN, FakeMeteor, tiny_settings

LIMITS = {"max_length": 20, "min_length": 1, "no_repeat": 0, "unknown": "forbid", "bad_endings": "allow"}


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"kind": "greedy"}, "greedy"),
        ({"kind": "beam", "beams": 5, "length_rule": "gnmt"}, "beam 5"),
        ({"kind": "beam", "beams": 3, "length_rule": "none", "no_repeat": 3}, "beam 3 no_repeat 3"),
        (
            {"kind": "diverse_beam", "beams": 6, "groups": 3, "diversity": 0.5},
            "diverse_beam beams 6 groups 3 diversity 0.5",
        ),
        (
            {"kind": "sample", "samples": 1, "temperature": 0.7, "top_k": 0, "top_p": 0.9},
            "sample samples 1 temperature 0.7 top_p 0.9",
        ),
    ],
)
def test_a_protocol_names_the_way_of_decoding_and_unusual_limits(search, said):
    kind, options = search["kind"], {key: value for key, value in search.items() if key != "kind"}
    assert _decoding(PartSettings(kind=kind, options=LIMITS | options)) == said


def test_a_protocol_names_the_largest_number_of_words():
    assert _decoding(PartSettings(kind="greedy", options=LIMITS | {"max_length": 5})) == "greedy max_length 5"


def test_a_protocol_names_the_reward_of_training():
    def reward(kind, **options):
        return _reward(PartSettings(kind=kind, options=options))

    assert reward("self_critical", cider=1.0, bleu=0.0) == "1 cider, end token included"
    assert reward("self_critical", cider=1.0, bleu=0.5) == "1 cider + 0.5 bleu, end token included"
    assert reward("teacher_forcing", label_smoothing=0.1) == ""


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        runs.train(DRAWN, [*tiny_settings(pictures, folder / f"run-{seed}"), "run.epochs=1", f"run.seed={seed}"])
    return folder / "run-0"


BEAMS = ["search.kind=beam", "search.beams=3"]


def test_scores_name_their_tokeniser_and_use_ptb_by_default(trained):
    found = evaluate(trained, baselines=False)
    assert found.protocol.tokens == "ptb"
    told = evaluate(trained, baselines=False, tokens="simple")
    assert told.protocol.tokens == "simple"
    with pytest.raises(UserError, match="tokens must be one of"):
        evaluate(trained, tokens="words")


@pytest.mark.parametrize(
    ("trained_on", "scored_on"),
    [("simple", "ptb"), ("ptb", "ptb"), ("characters", "characters"), ("whitespace", "whitespace")],
)
def test_scores_are_of_coco_captions_words_where_captions_have_such(trained_on, scored_on):
    assert scoring_tokens(trained_on) == scored_on


def test_several_captions_of_a_photo_add_their_diversity(trained):
    assert "self-CIDEr" not in evaluate(trained, baselines=False).rows[MODEL]
    row = evaluate(trained, overrides=BEAMS, baselines=False).rows[MODEL]
    assert 0 <= row["self-CIDEr"] <= 1
    assert row["distinct-1"] > 0


def test_objects_add_chair_and_must_be_of_the_photos(trained, pictures):
    found = evaluate(trained, instances=pictures / "instances_val.json")
    assert all(0 <= row["CHAIR_s"] <= 1 for row in found.rows.values())
    with pytest.raises(UserError, match="needs the instances of every captioned photo, 12 of 12 have none"):
        evaluate(trained, instances=pictures / "instances_train.json")


class FakeClip:
    """Knows nothing of photos, and captions by their length."""

    source = "a fake"

    def photos(self, paths):
        assert all(path.is_file() for path in paths)
        return numpy.full((len(paths), 2), 0.5**0.5)

    def texts(self, texts, what):
        angles = numpy.array([len(text) for text in texts]) / 100
        return numpy.stack([numpy.cos(angles), numpy.sin(angles)], axis=1)


def test_clip_scores_the_model_and_its_baselines_and_stands_in_the_protocol(trained, monkeypatch):
    monkeypatch.setattr("captioner.metrics.load_clip", lambda name, device, report: FakeClip())
    found = evaluate(trained, clip="any", java=False)
    assert len(found.rows) == 3
    for name, captions in found.systems.items():
        near = [2.5 * numpy.cos(numpy.pi / 4 - len(text) / 100) for text in captions.values()]
        assert found.rows[name]["CLIPScore"] == pytest.approx(numpy.mean(near))
        assert {"CLIPScore", "RefCLIPScore"} < found.intervals[name].keys()
    stored = json.loads((found.folder / "scores.json").read_text(encoding="utf-8"))
    assert "CLIPScore by a fake" in stored["protocol"]["scorers"]


def test_a_page_shows_every_photo_with_its_maps_and_goes_with_its_scores(trained):
    found = evaluate(trained, overrides=BEAMS)
    text = save_page(found).read_text(encoding="utf-8")
    data = [json.loads(one) for one in re.findall(r'<script type="application/json">(.*?)</script>', text)]
    worst = min(metrics.score_each(found.systems[MODEL], found.references(), "ptb")["CIDEr-D"])
    assert len(data) == 12
    assert data[0]["sort"][0] == worst
    assert all("photo" in one and one["captions"][0]["maps"] for one in data)
    assert "20 nearest photos" in text
    assert "self-CIDEr" in text
    evaluate(trained, baselines=False)
    assert not (trained / "val" / "report.html").exists()  # it showed other captions


def test_a_page_without_photos_or_references_shows_what_there_is(trained, pictures):
    found = evaluate(trained, baselines=False)
    gone = [replace(example, image=pictures / "images" / "gone.png") for example in found.examples]
    text = save_page(replace(found, examples=gone)).read_text(encoding="utf-8")
    assert "data:image/png;base64" not in text
    assert found.references()[gone[0].id][0] in text
    folder = [f"data.root={pictures / 'images'}", "data.kind=folder"]
    bare = evaluate(trained, "test", folder)
    assert "this split has no references" in save_page(bare).read_text(encoding="utf-8")


def test_runs_write_together_and_the_protocol_names_them(capsys, trained):
    other = trained.parent / "run-1"
    status, output, _ = run(capsys, cli.evaluate, trained, "--with", other, "--no-page")
    assert status == 0
    assert f"models: mean probabilities of {trained}, {other}" in "".join(output.split("\n"))
    assert "ensemble of 2" in output
    assert "this model" not in output
    title = f"<title>ensemble of {trained.name} and run-1 on val</title>"
    assert title in save_page(evaluate(trained, baselines=False, others=[other])).read_text(encoding="utf-8")
    folder = trained / "val-with-run-1"
    assert sorted(path.name for path in folder.iterdir()) == [
        "models.json",
        "report.html",
        "results.json",
        "scores.json",
    ]
    assert evaluate(trained, baselines=False).folder == trained / "val"


def test_captions_of_an_ensemble_are_asked_for_by_naming_several_models(capsys, trained, pictures):
    photo, other = next((pictures / "images").glob("val_*.png")), trained.parent / "run-1"
    expected = builder.load([trained, other]).caption(photo).text
    status, output, _ = run(capsys, cli.caption, photo, "--model", trained, "--model", other)
    assert status == 0
    assert expected in output


def test_meteor_is_computed_while_captions_are_written(trained, tmp_path, monkeypatch):
    """Its program gets every batch of captions at once."""
    monkeypatch.setattr("pycocoevalcap.meteor.meteor.Meteor", FakeMeteor)
    monkeypatch.setattr(java, "lacking", lambda tokens: {"SPICE": "not here"})
    monkeypatch.setattr(photo_sources, "_DECODE_BATCH", 5)
    batches, add = [], java.BegunMeteor.add
    monkeypatch.setattr(java.BegunMeteor, "add", lambda self, captions: [batches.append(captions), add(self, captions)])
    scored = evaluate(trained, baselines=False, out=tmp_path)
    assert [len(captions) for captions in batches] == [5, 5, 2]
    assert {photo: text for captions in batches for photo, text in captions.items()} == scored.texts()
    assert 0 <= scored.rows[MODEL]["METEOR"] <= 1


def test_ensembles_with_runs_of_one_name_have_folders_of_their_own(trained, tmp_path):
    others = [tmp_path / name / "seed-0" for name in "xy"]
    for other in others:
        shutil.copytree(trained.parent / "run-1", other)
    folders = [evaluate(trained, baselines=False, others=[other]).folder for other in [*others, *others]]
    assert [folder.name for folder in folders] == ["val-with-seed-0", "val-2-with-seed-0"] * 2


def test_a_folder_with_files_of_another_program_is_refused(trained, tmp_path):
    (tmp_path / "scores.json").write_text('{"mine": 1}')
    with pytest.raises(UserError, match=r"scores\.json exists, and captioner has not written it; give --out"):
        evaluate(trained, baselines=False, out=tmp_path)
    assert (tmp_path / "scores.json").read_text() == '{"mine": 1}'
    (tmp_path / "scores.json").unlink()
    for _ in range(2):  # its own files it replaces
        evaluate(trained, baselines=False, java=False, out=tmp_path)
