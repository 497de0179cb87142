"""Training on the score, against the exact gradient of the expected reward."""

from __future__ import annotations

from itertools import product

import numpy
import pytest
import torch
from torch import distributed, nn

from captioner.data.batches import Batch
from captioner.errors import UserError
from captioner.model import CaptionModel
from captioner.regions import Grid, Regions
from captioner.text.vocabulary import END, PAD, START, UNK
from captioner.training.contract import Totals
from captioner.training.distributed import Processes
from captioner.training.plan import check_reward
from captioner.training.self_critical import SelfCritical
from captioner.training.word_evidence import WordEvidence
from tests.helpers import DECODERS, REGION, make_decoder

VOCABULARY, WORDS, LONGEST = 7, [4, 5, 6], 2


def reward(places, words, lengths, ended):
    """More for the word 5, less for captions that did not end, and another for each photo."""
    real = numpy.arange(words.shape[-1]) < lengths[..., None]
    return ((words == 5) & real).sum(-1) + 0.5 * ended + 0.25 * numpy.asarray(places)[:, None]


def make_objective(kind: str = "lstm", scale: float = 10.0, rewards=None, **options) -> SelfCritical:
    decoder = make_decoder(**DECODERS[kind], vocabulary_size=VOCABULARY)
    with torch.no_grad():
        decoder.to_vocabulary.weight.mul_(scale)
    model = CaptionModel(nn.Identity(), decoder)
    return SelfCritical(model, rewards or {"cider": reward}, bad_words=[4], max_length=LONGEST, **options).train()


def make_batch(num_photos: int) -> Batch:
    """One photo, over and over."""
    features = torch.randn(1, 4, REGION, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    regions = Regions.full(features.expand(num_photos, -1, -1), Grid(2, 2))
    return Batch(regions, torch.full((num_photos, 1, 3), PAD), [0] * num_photos)


def gradients(objective: nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    objective.zero_grad()
    loss.backward()
    return {name: one.grad.clone() for name, one in objective.named_parameters() if one.grad is not None}


def expected_reward(objective: SelfCritical) -> torch.Tensor:
    """Over every caption, word for word."""
    decoder, total = objective.model.decoder, torch.zeros((), dtype=torch.float64)
    memory = decoder.remember(make_batch(1).photos)
    for length in range(1, LONGEST + 1):
        for caption in product(WORDS, repeat=length):
            output, _ = decoder(torch.tensor([[[START, *caption]]]), memory)
            logits = decoder.vocabulary_logits(output)[0, 0] / objective.temperature
            logits = logits.index_fill(1, torch.tensor([PAD, START, UNK]), -torch.inf)
            first = logits[0].index_fill(0, torch.tensor([END]), -torch.inf).log_softmax(0)
            log_probs = [first, *logits[1:].log_softmax(-1)]
            log_prob = sum(log_probs[place][word] for place, word in enumerate(caption))
            ended = length < LONGEST
            if ended:
                log_prob = log_prob + log_probs[length][END]
            numbers, one = numpy.array([[caption]]), numpy.array
            worth = objective.rewards["cider"]([0], numbers, one([[length]]), one([[ended]]))
            total = total + log_prob.exp() * worth.item()
    return total


@pytest.mark.parametrize("kind", ["lstm", "top_down", "transformer-pre"])
@pytest.mark.parametrize(("baseline", "temperature"), [("mean", 1.0), ("greedy", 1.0), ("mean", 2.0)])
def test_its_gradient_is_that_of_the_expected_reward(kind, baseline, temperature):
    objective = make_objective(kind, baseline=baseline, temperature=temperature, samples=4)
    exact = gradients(objective, -expected_reward(objective))
    num_photos = 8_000
    torch.manual_seed(0)
    loss, terms = objective(make_batch(num_photos), Totals(words=1, captions=1, photos=num_photos))
    drawn = gradients(objective, loss)
    assert float(terms[0]) == pytest.approx(expected_reward(objective).item(), rel=0.03)
    assert exact.keys() == drawn.keys()
    scale = max(float(one.norm()) for one in exact.values())
    for name in exact:
        torch.testing.assert_close(drawn[name], exact[name], rtol=0, atol=0.05 * scale)


def test_training_on_the_reward_finds_the_best_caption():
    objective = make_objective(scale=1.0, samples=5)
    optimiser = torch.optim.Adam(objective.parameters(), 0.05)
    torch.manual_seed(0)
    for _ in range(60):
        loss, terms = objective(make_batch(4), Totals(words=1, captions=1, photos=4))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(terms[0]) > 1.9  # 5 5, cut: 2; 5 alone, ended: 1.5


def test_what_is_logged_is_what_was_drawn():
    seen = []

    def noted(places, words, lengths, ended):
        seen.append((words, lengths, ended))
        return reward(places, words, lengths, ended)

    objective = make_objective(rewards={"cider": noted, "bleu": reward}, cider=2.0, bleu=1.0, samples=3)
    torch.manual_seed(1)
    batch = make_batch(6)
    batch = Batch(batch.photos, batch.words, [0, 1, 2, 3, 4, 5])
    _, terms = objective(batch, Totals(words=1, captions=1, photos=6))
    ((words, lengths, ended),) = seen
    rewards = 3 * reward(batch.indices, words, lengths, ended)
    last = numpy.take_along_axis(words, lengths[..., None] - 1, 2)[..., 0]
    expected = [rewards.mean(), rewards.mean(), (last == 4).mean(), lengths.mean()]
    torch.testing.assert_close(terms.double(), torch.tensor(expected, dtype=torch.float64), atol=1e-5, rtol=0)
    assert (lengths >= 1).all()
    assert not numpy.isin(words, [START, UNK]).any()
    assert (ended == (lengths < LONGEST)).all()


def test_two_parts_of_a_batch_add_up_and_dropout_is_off():
    objective = make_objective(samples=2)
    objective.model.decoder.dropout.p = 0.9
    torch.manual_seed(0)
    _, whole = objective(make_batch(4), Totals(words=1, captions=1, photos=4))
    torch.manual_seed(0)
    _, half = objective(make_batch(4), Totals(words=1, captions=1, photos=8))
    torch.testing.assert_close(whole, 2 * half)
    assert objective.model.training


def _one_of_two(rank: int, folder: str) -> None:
    """A process of the test below: its own photos, its own draws."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    objective = make_objective(samples=4)
    wrapped = Processes(torch.device("cpu"), rank, 2).wrap(objective)
    torch.manual_seed(rank)
    loss, _ = wrapped(make_batch(3 + rank), Totals(1, 1, 7))
    torch.save(gradients(objective, loss), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_the_gradients_of_two_processes_meet(tmp_path):
    torch.multiprocessing.spawn(_one_of_two, (str(tmp_path),), nprocs=2)
    alone = []
    for rank in range(2):
        objective = make_objective(samples=4)
        torch.manual_seed(rank)
        alone.append(gradients(objective, objective(make_batch(3 + rank), Totals(1, 1, 7))[0]))
    assert any(not torch.allclose(one, alone[1][name]) for name, one in alone[0].items())
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found.keys() == alone[0].keys()
        for name, gradient in found.items():
            torch.testing.assert_close(gradient, (alone[0][name] + alone[1][name]) / 2)


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="needs at least 2 samples, got 1"):
        make_objective(samples=1)
    with pytest.raises(ValueError, match="needs cider or bleu above 0"):
        make_objective(cider=0.0)


def test_maps_of_drawn_words_are_taught_by_the_evidence():
    objective = make_objective(evidence=0.5, rewards={"cider": lambda *arguments: numpy.zeros((2, 5))})
    objective.word_evidence = WordEvidence(REGION, [4, 6], VOCABULARY)
    torch.nn.init.normal_(objective.word_evidence.score.weight)
    objective.terms += ("evidence",)
    loss, terms = objective(make_batch(2), Totals(words=1, captions=1, photos=2))
    divergence = dict(zip(objective.terms, terms.tolist(), strict=True))["evidence"]
    assert divergence > 0
    assert loss.item() == pytest.approx(0.5 * divergence)  # without rewards, nothing else is learned
    assert any(float(gradient.abs().max()) > 0 for gradient in gradients(objective, loss).values())


def test_evidence_needs_maps():
    with pytest.raises(ValueError, match="evidence needs the weights of attention"):
        SelfCritical(CaptionModel(nn.Identity(), make_decoder(attention="none")), {"cider": reward}, evidence=1.0)


@pytest.mark.parametrize("kind", ["lstm", "transformer-pre"])
@pytest.mark.parametrize("baseline", ["mean", "greedy"])
def test_every_weight_has_a_gradient_in_mixed_precision_too(kind, baseline):
    """Older versions of torch kept the casts of weights that had been made for the draws, without a gradient."""
    objective = make_objective(kind, baseline=baseline).float()
    batch = make_batch(4)
    batch = Batch(batch.photos.to(dtype=torch.float32), batch.words, batch.indices)
    totals = Totals(words=0, captions=0, photos=4)
    torch.manual_seed(0)
    expected = gradients(objective, objective(batch, totals)[0])
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = objective(batch, totals)
    assert gradients(objective, loss).keys() == expected.keys()


def test_every_parameter_has_a_gradient_with_mean_dropout():
    """Processes wait for each other's gradients of all parameters."""
    decoder = make_decoder(vocabulary_size=VOCABULARY, mean_dropout=0.5)
    objective = SelfCritical(CaptionModel(nn.Identity(), decoder), {"cider": reward}, max_length=LONGEST).train()
    found = gradients(objective, objective(make_batch(4), Totals(words=0, captions=0, photos=4))[0])
    assert float(found["model.decoder.mean_dropout.learned"].abs().max()) == 0


def test_one_training_photo_has_no_cider_to_learn_from():
    check_reward({"cider": 1.0, "bleu": 0.0}, 2)
    check_reward({"cider": 1.0, "bleu": 0.5}, 1)
    check_reward({"label_smoothing": 0.1}, 1)
    with pytest.raises(
        UserError, match="CIDEr-D of one training photo is always 0, so nothing is learned; train on more"
    ):
        check_reward({"cider": 1.0, "bleu": 0.0}, 1)
