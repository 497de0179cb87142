"""Several models that decode as one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from captioner import builder
from captioner.commands.train import training_run as runs
from captioner.encoders.small_cnn import SmallCNN
from captioner.ensemble import Ensemble
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.regions import Boxes
from captioner.search import BeamSearch, Limits, Sampling
from captioner.text.vocabulary import START
from tests.helpers import DECODERS, DRAWN, REGION, make_decoder, make_regions, tiny_settings


class Eye(nn.Module):
    """An encoder for tests that pass regions."""

    preprocess = "as they are"

    def __init__(self, weight: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.region_size, self.layout = 7, None


def make_model(kind: str, scale: float = 1.0) -> CaptionModel:
    decoder = make_decoder(**DECODERS[kind])
    with torch.no_grad():
        decoder.to_vocabulary.weight.mul_(30 * scale)
    return CaptionModel(Eye(), decoder)


@torch.no_grad()
@pytest.mark.parametrize("kind", DECODERS)
def test_an_ensemble_of_a_single_model_is_the_model(kind):
    model = make_model(kind)
    alone, regions, search = Ensemble([model]), make_regions(), BeamSearch(3, "gnmt", Limits(5))
    ours = search(alone.decoder, alone.remember(regions), max_captions=3)
    own = search(model.decoder, model.remember(regions), max_captions=3)
    for hypotheses, expected in zip(ours, own, strict=True):
        for hypothesis, other in zip(hypotheses, expected, strict=True):
            assert hypothesis.words.tolist() == other.words.tolist()
            assert hypothesis.log_prob == pytest.approx(other.log_prob, abs=1e-6)
            if other.attended["weights"] is not None:
                torch.testing.assert_close(hypothesis.attended["weights"], other.attended["weights"])


@torch.no_grad()
def test_it_writes_by_the_mean_of_probabilities_and_shows_the_mean_of_maps():
    models = [make_model("lstm"), make_model("lstm-after", 0.5), make_model("transformer-pre")]
    together, regions = Ensemble(models), make_regions()
    memory = together.remember(regions)
    words, state = torch.full((3, 2), START), together.decoder.start(memory, 2)
    states = [model.decoder.start(model.remember(regions), 2) for model in models]
    for _ in range(3):
        output, attended, state = together.decoder.step(words, state, memory)
        shares, maps = [], []
        for index, model in enumerate(models):
            own_output, own_attended, states[index] = model.decoder.step(words, states[index], model.remember(regions))
            shares.append(model.decoder.vocabulary_logits(own_output).softmax(-1))
            maps.append(own_attended.weights)
        torch.testing.assert_close(together.decoder.vocabulary_logits(output).exp(), torch.stack(shares).mean(0))
        torch.testing.assert_close(attended.weights, torch.stack(maps).mean(0))
        words = output.argmax(-1)


@torch.no_grad()
def test_photos_leave_the_batch_of_an_ensemble_too():
    models = [make_model("lstm"), make_model("transformer-post")]
    together = Ensemble(models)
    regions = make_regions(num_photos=6, rows=4)
    memory = together.remember(regions)
    results = BeamSearch(3, limits=Limits(6))(together.decoder, memory)
    for photo, hypotheses in enumerate(results):
        alone = BeamSearch(3, limits=Limits(6))(together.decoder, memory.select(torch.tensor([photo])))[0]
        assert hypotheses[0].words.tolist() == alone[0].words.tolist()
    assert all(hypotheses for hypotheses in Sampling(4, limits=Limits(6))(together.decoder, memory, max_captions=4))


def test_models_that_preprocess_photos_differently_are_refused():
    other = make_model("lstm")
    other.encoder.preprocess = "another"
    with pytest.raises(UserError, match="should preprocess photos alike"):
        Ensemble([make_model("lstm"), other])


def test_runs_are_loaded_together(pictures, tmp_path):
    for seed in (0, 1):
        tiny = tiny_settings(pictures, tmp_path / f"run-{seed}")
        runs.train(DRAWN, [*tiny, "run.epochs=1", f"run.seed={seed}"])
    folders = [tmp_path / "run-0", tmp_path / "run-1"]
    photo = next(pictures.glob("images/val_*.png"))
    caption = builder.load(folders).caption(photo)
    assert caption.words
    assert caption.weights.sum(-1).tolist() == pytest.approx([1.0] * len(caption.words), abs=1e-5)
    candidates = builder.load(folders[:1], overrides=["search.kind=beam", "search.beams=3"]).candidates(photo)
    assert len(candidates) == 3
    tiny = tiny_settings(pictures, tmp_path / "other")
    runs.train(DRAWN, [*tiny, "run.epochs=1", "data.min_count=20"])
    with pytest.raises(UserError, match="need the same vocabulary"):
        builder.load([folders[0], tmp_path / "other"])
    with pytest.raises(UserError, match="load needs a run, got none"):
        builder.load([])


def test_models_with_one_encoder_run_it_once(monkeypatch):
    encoder, passes = SmallCNN(size=16, width=4, region_size=REGION), []
    models = [CaptionModel(copy.deepcopy(encoder), make_decoder()) for _ in range(3)]
    monkeypatch.setattr(SmallCNN, "forward", lambda self, pixels: passes.append(self) or make_regions())
    Ensemble(models).remember(torch.zeros(3, 3, 16, 16, dtype=torch.uint8))
    assert len(passes) == 1


def test_encoders_with_other_options_each_see_the_photos_themselves(monkeypatch):
    encoder, passes = SmallCNN(size=16, width=4, region_size=REGION), []
    aligned = copy.deepcopy(encoder)
    aligned.choices = lambda: {"aligned": True}
    monkeypatch.setattr(SmallCNN, "forward", lambda self, pixels: passes.append(self) or make_regions())
    together = Ensemble([CaptionModel(one, make_decoder()) for one in (encoder, aligned)])
    together.remember(torch.zeros(3, 3, 16, 16, dtype=torch.uint8))
    assert passes == [encoder, aligned]
    assert together.decoder.mean_maps  # of the same grid


@torch.no_grad()
def test_maps_of_different_boxes_are_not_averaged():
    ours, theirs = make_model("lstm"), make_model("lstm")
    for model, weight in ((ours, 0.0), (theirs, 1.0)):
        model.encoder = Eye(weight)
        model.encoder.layout = Boxes(torch.zeros(12, 4))
    together, regions = Ensemble([ours, theirs]), make_regions()
    words, memory = torch.full((3, 2), START), together.remember(regions)
    _, attended, _ = together.decoder.step(words, together.decoder.start(memory, 2), memory)
    own = ours.remember(regions)
    _, expected, _ = ours.decoder.step(words, ours.decoder.start(own, 2), own)
    torch.testing.assert_close(attended.weights, expected.weights)
