"""What a device computes is what the CPU computes. On the CPU the tests of single parts run too; `pytest -m cuda` runs all on a GPU."""

from __future__ import annotations

import copy

import pytest
import torch
from PIL import Image
from torch import nn

from captioner import attention, builder
from captioner.commands.train import training_run
from captioner.data.batches import Batch, pad_words
from captioner.encoders.small_cnn import SmallCNN
from captioner.errors import Interrupted
from captioner.features.sources import PhotoFiles
from captioner.features.store import FeatureStore
from captioner.features.stored_regions import store_regions
from captioner.model import CaptionModel
from captioner.search import BeamSearch, DiverseBeamSearch, Greedy, Limits
from captioner.text.vocabulary import END, PAD, START
from captioner.training import step
from captioner.training.contract import Totals
from captioner.training.distributed import Processes
from captioner.training.objectives import TeacherForcing
from captioner.training.optimisation import adam
from captioner.training.plan import Plan
from captioner.training.step import TrainingStep
from tests.commands.train.test_resume import StopAfter
from tests.helpers import (
    DECODERS,
    DRAWN,
    QUERY,
    REGION,
    losses,
    make_attention,
    make_decoder,
    make_regions,
)

GPU = pytest.param(
    "cuda", marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA")]
)
DEVICES = pytest.mark.parametrize("device", ["cpu", GPU])
ONLY_GPU = pytest.mark.parametrize("device", [GPU])
CAPTIONS = [
    [[START, 4, 5, 6, 7, END], [START, 8, END]],
    [[START, 9, 10, END], [START, 4, END]],
    [[START, 5, END], [START, 6, END]],
]
SEARCHES = {
    "greedy": Greedy(Limits(6)),
    "beam": BeamSearch(3, "gnmt", Limits(6)),
    "diverse": DiverseBeamSearch(4, 2, limits=Limits(6)),
}


def small_decoder(kind: str, score: str = "additive") -> nn.Module:
    """An LSTM that fits every kind of attention and every score."""
    size = REGION if score == "dot" else QUERY
    decoder = make_decoder("lstm", attention=kind, attend="after", hidden_size=size)
    if score != "additive":
        decoder.attention = make_attention(kind, score, query_size=size)
    return decoder


def training_step(decoder: nn.Module, device: str) -> tuple[float, list[torch.Tensor]]:
    """The loss, and the gradients on the CPU, of a copy on a device."""
    regions, words = make_regions(len(CAPTIONS)), pad_words(CAPTIONS)
    decoder = copy.deepcopy(decoder).to(device).eval()  # no draws
    objective = TeacherForcing(CaptionModel(nn.Identity(), decoder))
    batch = Batch(regions, words).to(torch.device(device))
    loss, _ = objective(batch, Totals(int((batch.targets != PAD).sum()), 6, 3))
    loss.backward()
    return loss.item(), [weight.grad.cpu() for weight in decoder.parameters() if weight.grad is not None]


def assert_same_step(decoder: nn.Module, device: str) -> None:
    (loss, gradients), (expected, wanted) = training_step(decoder, device), training_step(decoder, "cpu")
    assert gradients
    assert loss == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(gradients, wanted, rtol=1e-5, atol=1e-7)


@DEVICES
@pytest.mark.parametrize("kind", attention.KINDS)
def test_every_kind_takes_the_same_step(kind, device):
    assert_same_step(small_decoder(kind), device)


@DEVICES
@pytest.mark.parametrize("score", attention.SCORES)
def test_every_score_takes_the_same_step(score, device):
    assert_same_step(small_decoder("soft", score), device)


@DEVICES
@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_takes_the_same_step(name, device):
    assert_same_step(make_decoder(**DECODERS[name]), device)


@DEVICES
@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", DECODERS)
def test_every_search_finds_the_same_captions(name, search, device):
    decoder, regions = make_decoder(**DECODERS[name]).eval(), make_regions(4)
    with torch.no_grad():
        decoder.to_vocabulary.weight *= 30  # far from uniform, so that captions end at different lengths

    def found(on: str):
        there, photos = copy.deepcopy(decoder).to(on), regions.to(torch.device(on))
        return [best[0] for best in SEARCHES[search](there, there.remember(photos))]

    for mine, theirs in zip(found(device), found("cpu"), strict=True):
        assert mine.words.tolist() == theirs.words.tolist()
        assert mine.words.device.type == "cpu"
        torch.testing.assert_close(mine.log_probs, theirs.log_probs)
        assert mine.attended.keys() == theirs.attended.keys()


@ONLY_GPU
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_trains_in_every_precision(name, dtype, device, monkeypatch):
    """float16 takes the gradient scaler."""
    monkeypatch.setattr(step, "number_type", lambda precision, device: dtype)
    decoder = make_decoder(**DECODERS[name]).float().to(device)
    objective = TeacherForcing(CaptionModel(nn.Identity(), decoder))
    plan, here = Plan(precision="mixed"), Processes(torch.device(device))
    train = TrainingStep(objective, adam(objective.parameters(), 1e-2), plan, here)
    batch = Batch(make_regions(3).to(dtype=torch.float32), pad_words(CAPTIONS))
    totals = Totals(int((batch.targets != PAD).sum()), 6, 3)
    found = [float(train([batch], totals)[0][0]) for _ in range(20)]
    assert found[-1] < found[0]


@ONLY_GPU
@pytest.mark.parametrize("precision", ["fp32", "mixed"])
def test_a_run_resumes_with_the_losses_of_one_that_was_not_stopped(precision, device, settings, tmp_path):
    """Not to the last bit: sums on a GPU may be in any order."""
    on = [f"run.device={device}", f"run.precision={precision}"]
    training_run.train(DRAWN, [*settings, *on])
    whole = losses(tmp_path / "run")
    again = [*settings, *on, f"run.folder={tmp_path / 'again'}"]
    with pytest.raises(Interrupted):
        training_run.train(DRAWN, again, StopAfter(4))
    training_run.train(DRAWN, again)
    resumed = losses(tmp_path / "again")
    assert [line["kind"] for line in resumed] == [line["kind"] for line in whole]
    for mine, theirs in zip(resumed, whole, strict=True):
        if mine["kind"] == "train":
            assert mine["loss"] == pytest.approx(theirs["loss"], rel=2e-2)


@ONLY_GPU
def test_training_on_the_score_and_scheduled_sampling_run(device, settings, tmp_path):
    on = [*settings, f"run.device={device}", "run.epochs=1"]
    training_run.train(DRAWN, [*on, "objective.sampling=linear"])
    score = ["objective.kind=self_critical", f"run.from_run={tmp_path / 'run'}", f"run.folder={tmp_path / 'score'}"]
    training_run.train(DRAWN, [*on, *score])
    assert builder.load(tmp_path / "score", device=device).device.type == device


@DEVICES
def test_a_run_of_a_device_captions_on_it_and_on_the_cpu_alike(device, settings, pictures, tmp_path):
    training_run.train(DRAWN, [*settings, f"run.device={device}", "run.epochs=1"])
    photos = sorted(pictures.glob("images/val_*.png"))[:4]
    on_device, on_cpu = (builder.load(tmp_path / "run", device=name).captions(photos) for name in (device, "cpu"))
    for mine, theirs in zip(on_device, on_cpu, strict=True):
        assert mine.weights.device.type == "cpu"
        assert mine.log_prob == pytest.approx(theirs.log_prob, rel=1e-2)


@ONLY_GPU
def test_stored_regions_are_those_of_the_cpu(device, tmp_path):
    torch.manual_seed(0)
    encoder = SmallCNN(size=32, width=4, region_size=8).eval()
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path in paths:
        Image.effect_noise((40, 40), 60).convert("RGB").save(path)
    found = []
    for name in (device, "cpu"):
        there = copy.deepcopy(encoder).to(name)
        store = FeatureStore.of(there, tmp_path / name, "small")
        found.append(store_regions(there, PhotoFiles(paths, there.preprocess), store)[0](range(6)).features.float())
    torch.testing.assert_close(*found, rtol=2e-2, atol=2e-2)
