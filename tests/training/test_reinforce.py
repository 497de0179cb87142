"""REINFORCE, against the exact gradient of the expectation over all draws."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from captioner.attention import hard
from captioner.data.batches import Batch
from captioner.model import CaptionModel
from captioner.regions import Grid, Regions
from captioner.text.vocabulary import START
from captioner.training.contract import Totals
from captioner.training.objectives import TeacherForcing
from captioner.training.reinforce import Reinforce
from tests.helpers import REGION, make_decoder

REGIONS, WORDS = 3, [START, 5, 7]
DRAWS = {"lstm": 2, "transformer": 4}  # draws for two words: one each, or one in each of two layers


def make_batch(num_photos: int) -> Batch:
    """The same photo and caption, over and over."""
    features = torch.randn(1, REGIONS, REGION, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    regions = Regions.full(features.expand(num_photos, -1, -1), Grid(1, REGIONS))
    return Batch(regions, torch.tensor(WORDS).expand(num_photos, 1, -1))


def make_objective(kind: str = "lstm", **options) -> TeacherForcing:
    decoder = make_decoder(kind, attention="hard")
    with torch.no_grad():  # the region matters, and none is certain
        decoder.to_vocabulary.weight.mul_(20)
        for part in decoder.modules():
            if isinstance(part, hard.HardAttention):
                part.expected = 0.0
                part.score.energy.weight.mul_(3)
    return TeacherForcing(CaptionModel(nn.Identity(), decoder), **options).train()


def gradients(objective: nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    objective.zero_grad()
    loss.backward()
    return {name: one.grad.clone() for name, one in objective.named_parameters() if one.grad is not None}


def exact_loss(objective: TeacherForcing, num_draws: int, monkeypatch) -> torch.Tensor:
    """The expected negative log-likelihood, over every way of drawing a region for each draw."""
    ways = torch.tensor(list(product(range(REGIONS), repeat=num_draws)))  # (ways, draws)
    batch, left = make_batch(len(ways)), [ways]

    def draw(weights):
        drawn, left[0] = left[0].split([weights.shape[1], left[0].shape[1] - weights.shape[1]], 1)
        return drawn

    monkeypatch.setattr(hard, "_draw", draw)
    memory = objective.model.remember(batch.photos)
    output, attended = objective.model.decoder(batch.inputs, memory)
    log_probs = objective.model.decoder.vocabulary_logits(output).log_softmax(-1)
    of_caption = log_probs.gather(-1, batch.targets[..., None]).sum((1, 2, 3))
    return -(attended.choice_log_prob.sum((1, 2)).exp() * of_caption).sum()


@pytest.mark.parametrize("kind", DRAWS)
def test_its_gradient_is_that_of_the_expectation(kind, monkeypatch):
    objective = make_objective(kind, choice_entropy=0.0, reward="caption")
    objective.reinforce.baseline.fill_(-5.0)
    objective.reinforce.has_baseline.fill_(True)
    with monkeypatch.context() as patched:
        exact = gradients(objective, exact_loss(objective, DRAWS[kind], patched))
    num_draws = 40_000
    torch.manual_seed(0)
    drawn = gradients(
        objective, objective(make_batch(num_draws), Totals(words=num_draws, captions=num_draws, photos=num_draws))[0]
    )
    of_scores = [name for name in exact if "score" in name]
    assert of_scores
    for name in exact:
        scale = float(exact[name].norm())
        torch.testing.assert_close(drawn[name], exact[name], rtol=0, atol=0.06 * scale + 1e-6)
    assert all(float(exact[name].norm()) > 0 for name in of_scores)


def test_without_the_term_the_score_gets_no_gradient():
    objective = make_objective(reinforce=0.0, choice_entropy=0.0)
    gradients_of_scores = gradients(objective, objective(make_batch(4), Totals(words=8, captions=4, photos=4))[0])
    assert all(float(grad.norm()) == 0 for name, grad in gradients_of_scores.items() if "attention.score" in name)


@pytest.mark.parametrize("reward", ["word", "caption"])
def test_the_baseline_is_a_moving_average_of_the_rewards(reward):
    part = Reinforce(1.0, 0.0, reward)
    mask = torch.tensor([[[True, True], [True, False]]])
    attended = hard.Attended(torch.zeros(()), choice_log_prob=torch.zeros(1, 2, 2), choice_entropy=torch.zeros(1, 2, 2))
    wanted = None
    for step in range(1, 4):
        log_probs = -step * torch.tensor([[[1.0, 2.0], [6.0, 50.0]]])
        part(log_probs, attended, mask)
        mean = -step * (3.0 if reward == "word" else 4.5)
        wanted = mean if wanted is None else 0.9 * wanted + 0.1 * mean
        assert part.baseline.item() == pytest.approx(wanted)
    part.eval()(log_probs, attended, mask)
    assert part.baseline.item() == pytest.approx(wanted)


def test_the_entropy_bonus_is_subtracted_from_the_loss():
    mask, entropy = torch.ones(1, 1, 2, dtype=torch.bool), torch.tensor([[[0.3, 0.7]]])
    attended = hard.Attended(torch.zeros(()), choice_log_prob=torch.zeros(1, 1, 2), choice_entropy=entropy)
    assert Reinforce(1.0, 0.1, "word")(torch.zeros(1, 1, 2), attended, mask).item() == pytest.approx(-0.1)
