"""The posterior map is Bayes' rule over regions, computed here region by region with maps that read one region alone."""

from __future__ import annotations

import pytest
import torch

from captioner.attention import given
from captioner.explain import posterior
from captioner.explain.forced_decoding import forced_decoding
from captioner.explain.posterior import has_posterior, posterior_maps
from captioner.explain.replaced_maps import record_maps, replace_maps
from captioner.model import CaptionModel
from captioner.text.vocabulary import START
from tests.explain.test_replaced_maps import FORMS, NoEncoder, make_model
from tests.helpers import DECODERS, make_decoder, make_regions

WORDS = torch.tensor([[START, 5, 6, 7]] * 3)
ONE_ATTENTION = [(form, kind) for form, kind in FORMS if has_posterior(make_model(form, kind))]


def region_by_region(model, regions, words) -> torch.Tensor:
    """(n, R): each region's weight at the last word, times the word's probability if this region alone is read there."""
    own = record_maps(model, regions, words[:, None])[0]  # (n, 1, T, R) or (n, 1, T, N, R)
    weights = own[:, 0, -1] if own.dim() == 4 else own[:, 0, -1].mean(1)
    posterior = torch.zeros_like(weights)
    for region in range(weights.shape[-1]):
        maps = own.clone()
        maps[:, :, -1] = 0
        maps[:, :, -1, ..., region] = 1
        with replace_maps(model.decoder, given, [maps]):
            log_probs = forced_decoding(model.decoder, model.remember(regions), words[:, None]).log_probs[:, 0, -1]
        real = regions.mask[:, region]
        posterior[:, region] = torch.where(real, weights[:, region] * log_probs.exp(), 0)
    return posterior / posterior.sum(1, keepdim=True)


@pytest.mark.parametrize("form", ONE_ATTENTION, ids="/".join)
def test_the_posterior_of_every_word_is_bayes_rule(form):
    model, regions = make_model(*form), make_regions()
    maps = posterior_maps(model, regions, WORDS)
    for word in range(3):
        expected = region_by_region(model, regions, WORDS[:, : word + 2]).double()
        torch.testing.assert_close(maps[:, word].double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(maps.sum(2), torch.ones(3, 3))
    assert (maps.transpose(1, 2)[~regions.mask] == 0).all()
    other = posterior_maps(model, regions, WORDS.masked_fill(WORDS == 7, 4))
    assert torch.equal(maps[:, :2], other[:, :2])
    assert not torch.equal(maps[:, 2], other[:, 2]), "each word has its own"


def test_a_caption_is_read_once(monkeypatch):
    model, regions, steps = make_model("lstm"), make_regions(), []
    step = type(model.decoder).step

    def counted(decoder, words, *rest):
        steps.append(words.shape[1])
        return step(decoder, words, *rest)

    monkeypatch.setattr(type(model.decoder), "step", counted)
    posterior_maps(model, regions, WORDS)
    assert sorted(steps) == [1] * 3 + [regions.mask.shape[1]] * 3, "for each word, one step and one for each region"


@pytest.mark.parametrize("form", ONE_ATTENTION, ids="/".join)
def test_other_threads_may_decode_meanwhile(form, monkeypatch):
    model, regions, seen = make_model(*form), make_regions(), []
    before = model.decoder(WORDS[:, None, :-1], model.remember(regions))[0]
    one_region_each = posterior._one_region_each

    def meanwhile(*arguments):
        seen.append(model.decoder(WORDS[:, None, :-1], model.remember(regions))[0])
        return one_region_each(*arguments)

    monkeypatch.setattr(posterior, "_one_region_each", meanwhile)
    posterior_maps(model, regions, WORDS)
    assert len(seen) == 3
    assert all(torch.equal(output, before) for output in seen)


def test_layers_that_attend_in_turn_and_no_attention_have_no_posterior():
    assert not has_posterior(make_model("transformer-pre"))
    blind = [options for options in DECODERS.values() if options.get("attention") == "none"]
    assert blind
    assert not any(has_posterior(CaptionModel(NoEncoder(), make_decoder(**options))) for options in blind)
    assert ONE_ATTENTION


def test_a_word_that_reads_no_region_has_a_map_of_zeros():
    """As with a window of `local_predictive` in which no box lies."""
    model, regions = make_model("lstm"), make_regions()
    with replace_maps(model.decoder, lambda weights, memory, query: torch.zeros_like(weights)):
        maps = posterior_maps(model, regions, WORDS)
    assert (maps == 0).all()
