"""METEOR and SPICE are computed where their programs can run, and left out otherwise."""

from __future__ import annotations

import subprocess

import numpy
import pytest

from captioner.errors import UserError
from captioner.metrics import java
from captioner.metrics.java import begin_meteor, java_scores, java_tallies, lacking, meteor_of
from tests.helpers import FakeMeteor

TEXTS = {7: "A dog runs on grass.", "x": "a man rides a horse", 2: ""}
REFERENCES = {
    7: ["A dog runs on the grass."],
    "x": ["A man is riding a brown horse.", "A person on a horse."],
    2: ["a cat"],
}


class FakeSpice:
    """Replaces pycocoevalcap's class, whose models cannot be shipped with tests."""

    failure: Exception | None = None

    def compute_score(self, wanted, written):
        if self.failure is not None:
            raise self.failure
        assert sorted(wanted) == sorted(written) == [0, 1, 2]  # it sorts ids, so they are of one type
        assert written[0] == ["a dog runs on grass"]
        each = [{"All": {"f": float(len(caption.split())) / 10}} for (caption,) in written.values()]
        return numpy.mean([one["All"]["f"] for one in each]), each


@pytest.fixture
def spice(monkeypatch):
    monkeypatch.setattr("pycocoevalcap.spice.spice.Spice", FakeSpice)
    monkeypatch.setattr(java, "lacking", lambda tokens: {"METEOR": "not here"})


def test_spice_is_the_mean_over_photos_with_what_each_adds(spice):
    assert java_scores(TEXTS, REFERENCES, "ptb") == {"SPICE": pytest.approx((0.5 + 0.5 + 0) / 3)}
    (tally,) = java_tallies(TEXTS, REFERENCES, "ptb")
    assert tally.numbers[:, 0].tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("failure", [OSError("no memory"), subprocess.CalledProcessError(1, "java")])
def test_a_program_that_fails_is_named_with_a_way_out(spice, monkeypatch, failure):
    monkeypatch.setattr(FakeSpice, "failure", failure)
    with pytest.raises(UserError, match=r"SPICE's Java program failed .* --no-java"):
        java_scores(TEXTS, REFERENCES)


def test_a_photo_whose_spice_is_not_a_number_is_an_error(spice, monkeypatch):
    none = [{"All": {"f": float("nan")}}, {"All": {"f": 0.5}}, {"All": {"f": 0.5}}]
    monkeypatch.setattr(FakeSpice, "compute_score", lambda self, wanted, written: (float("nan"), none))
    with pytest.raises(UserError, match="no number for 1 of 3 photos"):
        java_scores(TEXTS, REFERENCES)


@pytest.fixture
def meteor(monkeypatch):
    """METEOR by a program that needs no Java; returns its calls."""
    monkeypatch.setattr("pycocoevalcap.meteor.meteor.Meteor", FakeMeteor)
    monkeypatch.setattr(java, "lacking", lambda tokens: {"SPICE": "not here"})
    monkeypatch.setattr(FakeMeteor, "asked", [])
    return FakeMeteor


def test_meteor_that_began_earlier_asks_for_each_caption_once(meteor):
    begun = begin_meteor(REFERENCES, "ptb")
    for photo in ("x", 7):
        begun.add({photo: TEXTS[photo], "without references": "a bird"})
    (tally,) = java_tallies(TEXTS, REFERENCES, "ptb", begun)
    assert sorted(meteor.asked) == ["", "a dog runs on grass", "a man rides a horse"]
    (at_once,) = java_tallies(TEXTS, REFERENCES, "ptb")
    numpy.testing.assert_array_equal(tally.numbers, at_once.numbers)


def test_a_program_that_fails_while_captions_are_written_is_named_in_the_end(meteor, monkeypatch):
    def broken(self, caption, references):
        raise BrokenPipeError("its end is closed")

    monkeypatch.setattr(meteor, "_stat", broken)
    begun = begin_meteor(REFERENCES, "ptb")
    begun.add(TEXTS)
    with pytest.raises(UserError, match=r"METEOR's Java program failed \(its end is closed\).* --no-java"):
        java_tallies(TEXTS, REFERENCES, "ptb", begun)


def test_a_program_that_is_not_needed_any_more_ends(meteor):
    begun = begin_meteor(REFERENCES, "ptb")
    process, thread = begun.program.meteor_p, begun.thread
    del begun
    thread.join(timeout=10)
    assert process.killed


def test_without_java_or_references_nothing_begins(meteor, monkeypatch):
    assert begin_meteor({}, "ptb") is None
    monkeypatch.setattr(java, "lacking", lambda tokens: {"METEOR": "install Java"})
    assert begin_meteor(REFERENCES, "ptb") is None


def test_without_java_nothing_is_scored_and_it_is_said_how_to_get_it():
    assert lacking() == {"METEOR": "install Java", "SPICE": "install Java"}
    assert java_scores(TEXTS, REFERENCES) == {}


def test_spice_needs_its_models_too(monkeypatch, tmp_path):
    monkeypatch.setattr("captioner.metrics.java.shutil.which", lambda name: "/usr/bin/java")
    monkeypatch.setattr(java, "_spice_folder", lambda: tmp_path)
    assert lacking() == {"SPICE": "python -m pycocoevalcap.spice.get_stanford_models"}
    (tmp_path / "lib").mkdir()
    for name in ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar"):
        assert lacking()
        (tmp_path / "lib" / name).write_bytes(b"")
    assert lacking() == {}
    assert lacking("characters").keys() == {"METEOR", "SPICE"}


def test_the_folder_of_spice_is_where_its_program_lies():
    assert (java._spice_folder() / "spice-1.0.jar").is_file()


@pytest.mark.java
def test_meteor_is_scored_where_there_is_java():
    found = java_scores(TEXTS | {2: "a cat"}, REFERENCES)
    assert 0.3 < found["METEOR"] < 0.9
    exact = {photo: captions[0] for photo, captions in REFERENCES.items()}
    assert java_scores(exact, REFERENCES)["METEOR"] > 0.99


@pytest.mark.java
def test_meteor_of_each_photo_and_of_all_is_its_programs():
    from pycocoevalcap.meteor.meteor import Meteor

    captions = {0: ["a dog runs on the grass"], 1: ["dogs and horses"], 2: [""], 3: ["a man riding quickly a horse"]}
    references = {0: ["a dog runs on the grass"], 1: ["a horse beside a dog"], 2: ["a cat"], 3: ["a man rides a steed"]}
    scorer = Meteor()
    together, each = scorer.compute_score(references, captions)
    scorer.meteor_p.kill()
    scorer.meteor_p.communicate()
    texts = {photo: caption for photo, (caption,) in captions.items()}
    tally = next(one for one in java_tallies(texts, references, "whitespace") if "METEOR" in one.of_all())
    numpy.testing.assert_allclose(meteor_of(tally.numbers), each, atol=1e-12)
    assert tally.of_all()["METEOR"] == pytest.approx(together, abs=1e-12)
