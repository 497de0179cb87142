"""Where a word could be seen: learned from captions, and taught to attention."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from captioner.commands.train import training_run as runs
from captioner.data.batches import CaptionedPhotos, pad_words
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.progress import silent
from captioner.regions import Grid, Regions
from captioner.text.vocabulary import END, START, Vocabulary
from captioner.training.distributed import processes
from captioner.training.objectives import TeacherForcing
from captioner.training.word_evidence import FILE, WordEvidence, evidence_for
from tests.helpers import DRAWN, losses, make_decoder

WORDS = ["a", "circle", "square", "and"]
A, CIRCLE, SQUARE = 4, 5, 6
REGIONS, SIZE = 6, 8


def photos_with(seen: torch.Tensor) -> Regions:
    """Regions (B, 6, 8): noise, plus a circle's or a square's feature where `seen` (B, 2) says."""
    torch.manual_seed(0)
    features = 0.3 * torch.randn(len(seen), REGIONS, SIZE)
    for photo, places in enumerate(seen.tolist()):
        for shape, place in enumerate(places):
            if place >= 0:
                features[photo, place, shape] += 4
    return Regions(features, torch.ones(len(seen), REGIONS, dtype=torch.bool), Grid(2, 3))


def shapes(num_photos: int = 240) -> tuple[torch.Tensor, CaptionedPhotos]:
    """The places of a circle and of a square in each photo, -1 for none, and the photos with a caption each."""
    torch.manual_seed(1)
    seen = torch.randint(REGIONS, (num_photos, 2))
    seen[torch.rand(num_photos, 2) < 0.5] = -1
    regions = photos_with(seen)
    captions = [
        [[START, A, *[word for word, place in zip((CIRCLE, SQUARE), places, strict=True) if place >= 0], END]]
        for places in seen.tolist()
    ]
    return seen, CaptionedPhotos(lambda photos, views=None: regions.select(torch.tensor(photos)), captions)  # pyright: ignore[reportArgumentType]


def learned(folder, monkeypatch, photos: CaptionedPhotos) -> WordEvidence:
    monkeypatch.setattr("captioner.training.word_evidence.EPOCHS", 40)
    monkeypatch.setattr("captioner.training.word_evidence.LEARNING_RATE", 0.02)
    with processes("cpu") as here:
        return evidence_for(photos, Vocabulary(WORDS), folder, 0, here, silent)


def test_evidence_finds_what_words_name_from_captions_alone(tmp_path, monkeypatch):
    seen, photos = shapes()
    evidence = learned(tmp_path, monkeypatch, photos)
    assert evidence.place.tolist() == [-1] * 5 + [0, 1, -1]  # function words have none
    scores = evidence(photos_with(seen))  # (B, R, 2)
    for shape in (0, 1):
        has = seen[:, shape] >= 0
        found = scores[has, :, shape].argmax(1)
        assert (found == seen[has, shape]).float().mean() > 0.95


def test_evidence_is_stored_and_read_again(tmp_path, monkeypatch):
    _, photos = shapes()
    first = learned(tmp_path, monkeypatch, photos)
    written = (tmp_path / FILE).stat().st_mtime_ns
    again = learned(tmp_path, monkeypatch, photos)
    assert (tmp_path / FILE).stat().st_mtime_ns == written
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_all_processes_meet_although_the_evidence_is_there_already(tmp_path, monkeypatch):
    """A process that looks for the file after another has written it has to meet the others too."""
    _, photos = shapes()
    learned(tmp_path, monkeypatch, photos)
    calls = []
    with processes("cpu") as here:
        monkeypatch.setattr(type(here), "from_first", lambda self, work: calls.append(work()))
        evidence_for(photos, Vocabulary(WORDS), tmp_path, 0, here, silent)
    assert calls == [True]


def test_evidence_of_other_words_is_refused(tmp_path, monkeypatch):
    _, photos = shapes()
    learned(tmp_path, monkeypatch, photos)
    fewer = CaptionedPhotos(photos.source, [[[START, A, CIRCLE, END]]] * len(photos))
    with pytest.raises(UserError, match=FILE):
        learned(tmp_path, monkeypatch, fewer)


def test_words_must_be_frequent(tmp_path, monkeypatch):
    _, photos = shapes(20)
    with pytest.raises(UserError, match="at least 30 training photos, got none"):
        learned(tmp_path, monkeypatch, photos)


def test_the_divergence_is_that_of_each_word_by_hand():
    evidence = WordEvidence(SIZE, [CIRCLE, SQUARE], len(Vocabulary(WORDS)))
    torch.nn.init.normal_(evidence.score.weight)
    evidence.requires_grad_(False)
    regions = photos_with(torch.tensor([[0, 3], [5, -1]]))
    regions.mask[1, 4] = False  # padding
    targets = pad_words([[[START, A, CIRCLE, END], [START, SQUARE, END]], [[START, CIRCLE, END]]])[..., 1:]
    weights = torch.rand(2, 2, targets.shape[2], REGIONS) * regions.mask[:, None, None]
    weights /= 2 * weights.sum(-1, keepdim=True)  # as with a sentinel, which takes the other half
    result = evidence.divergence(weights, targets, regions, sharpness=1.5)

    scores = evidence(regions)
    for photo, caption, step in [(0, 0, 1), (0, 1, 0), (1, 0, 0)]:
        word = [CIRCLE, SQUARE].index(int(targets[photo, caption, step]))
        real = [region for region in range(REGIONS) if regions.mask[photo, region]]
        powers = [math.exp(1.5 * float(scores[photo, region, word])) for region in real]
        expected = sum(
            power / sum(powers) * math.log(power / sum(powers) / (2 * float(weights[photo, caption, step, region])))
            for power, region in zip(powers, real, strict=True)
        )
        assert float(result[photo, caption, step]) == pytest.approx(expected, rel=1e-4)
    assert float(result[0, 0, 0]) == 0  # "a"
    assert float(result[0, 0, 2]) == 0  # the end token


def test_maps_equal_to_the_evidence_have_no_divergence():
    evidence = WordEvidence(SIZE, [CIRCLE, SQUARE], len(Vocabulary(WORDS)))
    torch.nn.init.normal_(evidence.score.weight)
    evidence.requires_grad_(False)
    regions = photos_with(torch.tensor([[0, 3]]))
    weights = (2 * evidence(regions)[0, :, 1]).softmax(0)[None, None, None]
    targets = torch.tensor([[[SQUARE]]])
    assert float(evidence.divergence(weights, targets, regions, sharpness=2.0)) == pytest.approx(0, abs=1e-5)


def test_gradients_of_zero_weights_are_finite():
    evidence = WordEvidence(SIZE, [CIRCLE], len(Vocabulary(WORDS)))
    regions = photos_with(torch.tensor([[0, 3]]))
    weights = torch.zeros(1, 1, 1, REGIONS).index_fill(3, torch.tensor([2]), 1.0).requires_grad_()
    evidence.divergence(weights, torch.tensor([[[CIRCLE]]]), regions, 2.0).sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_a_run_is_taught(settings, tmp_path):
    more = ["encoder.kind=resnet18", "encoder.weights=none", "encoder.input_size=64", "objective.evidence=1"]
    own = [one for one in settings if not one.startswith("encoder.")]
    runs.train(DRAWN, [*own, *more, "run.epochs=1"])
    steps = [line for line in losses(tmp_path / "run") if line["kind"] == "train"]
    assert all(step["evidence"] > 0 for step in steps)
    assert steps
    assert (tmp_path / "run" / FILE).is_file()


def test_evidence_needs_maps():
    with pytest.raises(ValueError, match="evidence needs the weights of attention"):
        TeacherForcing(CaptionModel(nn.Identity(), make_decoder(attention="none")), evidence=1.0)


def test_evidence_needs_a_frozen_encoder(settings):
    with pytest.raises(UserError, match="evidence needs a frozen encoder"):
        runs.train(DRAWN, [*settings, "objective.evidence=1"])
