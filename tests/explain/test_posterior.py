"""The posterior map is Bayes' rule over regions, computed here region by region with maps that read one region alone."""

from __future__ import annotations

import pytest
import torch

from captioner.attention import given
from captioner.explain.forced_decoding import forced_decoding
from captioner.explain.posterior import has_posterior, posterior_maps
from captioner.explain.replaced_maps import record_maps, replace_maps
from captioner.text.vocabulary import START
from tests.explain.test_replaced_maps import FORMS, make_model
from tests.helpers import make_regions

WORDS = torch.tensor([[START, 5, 6, 7]] * 3)
ONE_ATTENTION = [(form, kind) for form, kind in FORMS if has_posterior(make_model(form, kind))]


def region_by_region(model, regions) -> torch.Tensor:
    """(n, R): each region's weight at the last word, times the word's probability if this region alone is read there."""
    own = record_maps(model, regions, WORDS[:, None])[0]  # (n, 1, T, R) or (n, 1, T, N, R)
    weights = own[:, 0, -1] if own.dim() == 4 else own[:, 0, -1].mean(1)
    posterior = torch.zeros_like(weights)
    for region in range(weights.shape[-1]):
        maps = own.clone()
        maps[:, :, -1] = 0
        maps[:, :, -1, ..., region] = 1
        with replace_maps(model.decoder, given, [maps]):
            log_probs = forced_decoding(model.decoder, model.remember(regions), WORDS[:, None]).log_probs[:, 0, -1]
        real = regions.mask[:, region]
        posterior[:, region] = torch.where(real, weights[:, region] * log_probs.exp(), 0)
    return posterior / posterior.sum(1, keepdim=True)


@pytest.mark.parametrize("form", ONE_ATTENTION, ids="/".join)
def test_the_posterior_is_bayes_rule(form):
    model, regions = make_model(*form), make_regions()
    found = posterior_maps(model, regions, WORDS)
    torch.testing.assert_close(found.double(), region_by_region(model, regions).double(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.sum(1), torch.ones(3))
    assert (found[~regions.mask] == 0).all()
    assert not torch.equal(found, posterior_maps(model, regions, WORDS.masked_fill(WORDS == 7, 4))), (
        "each word has its own"
    )


def test_the_decoder_is_left_as_it_was():
    model, regions = make_model("lstm"), make_regions()
    before = model.decoder(WORDS[:, None, :-1], model.remember(regions))[0]
    posterior_maps(model, regions, WORDS)
    assert torch.equal(model.decoder(WORDS[:, None, :-1], model.remember(regions))[0], before)


def test_layers_that_attend_in_turn_have_no_posterior():
    assert not has_posterior(make_model("transformer-pre"))
    assert ONE_ATTENTION
