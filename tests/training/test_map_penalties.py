"""Penalties on the maps in training: their entropy, and their distance to the maps of the mirror image."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from captioner.commands.train import training_run as runs
from captioner.data.batches import Batch, CaptionedPhotos, pad_words
from captioner.errors import UserError
from captioner.explain.shape import entropy, scaled
from captioner.model import CaptionModel
from captioner.regions import Boxes, Grid, Regions
from captioner.text.vocabulary import END, START
from captioner.training.contract import Totals
from captioner.training.objectives import TeacherForcing, map_entropies
from tests.helpers import DRAWN, losses, make_attention, make_decoder, make_regions

CAPTIONS = [[[START, 4, 5, 6, END], [START, 7, END]], [[START, 8, 9, END]], [[START, 5, END], [START, 6, END]]]
TOTALS = Totals(words=sum(len(c) - 1 for photo in CAPTIONS for c in photo), captions=5, photos=3)


class OnAGrid(nn.Module):
    layout = Grid(2, 3)


class InBoxes(nn.Module):
    layout = Boxes(torch.zeros(1, 6, 4))


def make_objective(attention: str = "soft", encoder: nn.Module | None = None, **options) -> TeacherForcing:
    return TeacherForcing(CaptionModel(encoder or OnAGrid(), make_decoder(attention=attention)), **options).eval()


def make_batch(photos=slice(None), mirrored: Regions | None = None) -> Batch:
    chosen = torch.arange(3)[photos]
    return Batch(
        make_regions().select(chosen),
        pad_words(CAPTIONS[photos]),
        mirrored=None if mirrored is None else mirrored.select(chosen),
    )


def in_mirror(values: Tensor) -> Tensor:
    """Values (B, 6, ...) of the 2 x 3 regions, mirrored left to right, one by one."""
    return torch.stack([values[:, row * 3 + 2 - column] for row in range(2) for column in range(3)], 1)


def mirrored_regions() -> Regions:
    regions = make_regions()
    return replace(regions, features=in_mirror(regions.features), mask=in_mirror(regions.mask))


def words_and_maps(objective: TeacherForcing, batch: Batch):
    """Photo, caption and map (T, R) of every caption, over its real words."""
    _, attended = objective.model.decoder(batch.inputs, objective.model.remember(batch.photos))
    for photo, captions in enumerate(CAPTIONS):
        for number, caption in enumerate(captions):
            yield photo, attended.weights[photo, number, : len(caption) - 1]


@torch.no_grad()
def test_the_entropy_is_the_mean_over_words_as_reported():
    objective, batch = make_objective(map_entropy=0.5), make_batch()
    total = sum(
        float(entropy(scaled(maps[:, batch.photos.mask[photo]])).sum())
        for photo, maps in words_and_maps(objective, batch)
    )
    loss, terms = objective(batch, TOTALS)
    assert objective.terms == ("loss", "coverage", "map_entropy")
    assert terms[2].item() == pytest.approx(total / TOTALS.words)
    assert loss.item() == pytest.approx(float(terms[0] + 0.5 * terms[2]))


def test_maps_with_zeros_have_an_entropy_and_a_gradient():
    weights = torch.tensor([[[[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.1, 0.1, 0.0]]]]).requires_grad_()
    values = map_entropies(weights, torch.ones(1, 3, dtype=torch.bool))
    half = math.log(2) / math.log(3)
    torch.testing.assert_close(values, torch.tensor([[[0.0, half, 0.0, half]]]))
    values.sum().backward()
    assert weights.grad.isfinite().all()


@pytest.mark.parametrize("weigh", ["softmax", "sparsemax", "entmax15"])
def test_every_way_to_weigh_learns_from_the_penalty(weigh):
    decoder = make_decoder()
    decoder.attention = make_attention("soft", weigh=weigh)
    with torch.no_grad():
        decoder.attention.score.energy.weight.mul_(8)  # so that some weights are 0
    objective = TeacherForcing(CaptionModel(OnAGrid(), decoder), map_entropy=1.0)
    objective(make_batch(), TOTALS)[0].backward()
    gradients = [parameter.grad for parameter in decoder.attention.parameters()]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().sum() > 0 for gradient in gradients)


@torch.no_grad()
@pytest.mark.parametrize(
    ("start", "rise", "weights"),
    [(0, 0, [1, 1, 1, 1, 1]), (2, 0, [0, 0, 1, 1, 1]), (1, 2, [0, 0.5, 1, 1, 1]), (0, 4, [0.25, 0.5, 0.75, 1, 1])],
)
def test_the_weight_of_the_entropy_begins_and_rises_as_set(start, rise, weights):
    objective = make_objective(map_entropy=1.0, map_entropy_from=start, map_entropy_rise=rise)
    for step, weight in enumerate(weights):
        loss, terms = objective(make_batch(), replace(TOTALS, step=step))
        assert loss.item() == pytest.approx(float(terms[0] + weight * terms[2]))


@torch.no_grad()
def test_maps_of_a_perfect_mirror_image_have_no_distance():
    """Soft attention does not know where a region is, so mirrored regions give the mirrored map."""
    terms = make_objective(mirror=1.0)(make_batch(mirrored=mirrored_regions()), TOTALS)[1]
    assert terms[2].item() == pytest.approx(0, abs=1e-12)


@torch.no_grad()
def test_the_distance_to_the_mirror_image_is_the_mean_over_words():
    objective, other = make_objective(mirror=2.0), make_regions(seed=5)
    batch = make_batch(mirrored=other)
    pairs = zip(words_and_maps(objective, batch), words_and_maps(objective, replace(batch, photos=other)), strict=True)
    total = sum(float((maps - in_mirror(mirrored)).square().sum()) for (_, maps), (_, mirrored) in pairs)
    loss, terms = objective(batch, TOTALS)
    assert terms[2].item() == pytest.approx(total / TOTALS.words)
    assert loss.item() == pytest.approx(float(terms[0] + 2 * terms[2]))


def test_shares_of_parts_add_up_to_the_whole():
    objective, other = make_objective(mirror=2.0, map_entropy=1.0), make_regions(seed=5)
    whole, terms = objective(make_batch(mirrored=other), TOTALS)
    parts = [objective(make_batch(part, other), TOTALS) for part in (slice(0, 1), slice(1, 3))]
    torch.testing.assert_close(sum(loss for loss, _ in parts), whole)
    torch.testing.assert_close(sum(shares for _, shares in parts), terms)


def test_batches_hold_the_other_view():
    def source(indices, views):
        return torch.tensor([indices, views]).T

    photos = CaptionedPhotos(source, [[[START, 4, END]]] * 3, num_views=2, mirrored=True)
    batch = photos[[0, 4, 2]].to(torch.device("cpu"))
    assert batch.photos.tolist() == [[0, 0], [1, 1], [2, 0]]
    assert batch.mirrored.tolist() == [[0, 1], [1, 0], [2, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "none", "map_entropy": 1.0}, "map_entropy needs the weights of attention"),
        ({"attention": "none", "coverage": 1.0}, "coverage needs the weights of attention"),
        ({"mirror": 1.0, "sampling": "linear"}, "mirror compares the maps of equal words"),
        ({"mirror": 1.0, "encoder": InBoxes()}, "regions on a grid"),
    ],
    ids=str,
)
def test_penalties_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_objective(**options)


def test_the_mirror_needs_flips(settings):
    with pytest.raises(UserError, match=r"objective.mirror needs data.augment=flips, got none"):
        runs.train(DRAWN, [*settings, "objective.mirror=1"])


@pytest.mark.parametrize("frozen", [True, False])
def test_a_run_learns_from_both_penalties(frozen, settings, tmp_path):
    """With regions of a frozen encoder that are stored once, and with photos that are encoded in every step."""
    more = ["data.augment=flips", "objective.mirror=1", "objective.map_entropy=1", "objective.map_entropy_from=2"]
    if frozen:
        more += ["encoder.kind=resnet18", "encoder.weights=none", "encoder.input_size=64"]
        settings = [one for one in settings if not one.startswith("encoder.")]
    runs.train(DRAWN, [*settings, *more, "run.epochs=1"])
    steps = [line for line in losses(tmp_path / "run") if line["kind"] == "train"]
    assert steps
    assert all(0 < step["map_entropy"] <= 1 and 0 <= step["mirror"] <= 2 for step in steps)
