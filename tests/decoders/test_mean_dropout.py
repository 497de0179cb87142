"""A decoder without the mean region has to attend to see the photo."""

from __future__ import annotations

import pytest
import torch

from captioner.regions import Regions
from captioner.text.vocabulary import START
from tests.helpers import make_decoder, make_regions

DECODERS = {
    "lstm before": {"kind": "lstm", "attend": "before"},
    "lstm after": {"kind": "lstm", "attend": "after"},
    "adaptive": {"kind": "lstm", "attend": "after", "attention": "adaptive"},
    "att2in": {"kind": "att2in"},
    "top_down": {"kind": "top_down"},
}
WORDS = torch.full((3, 2, 4), START)


def others(regions: Regions) -> Regions:
    return Regions(regions.features.flip(0) + 1, regions.mask, regions.layout)


class Blind(torch.nn.Module):
    """Attention whose context is zero, whatever is in the photo."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def __getattr__(self, name):
        return super().__getattr__(name) if name == "attention" else getattr(self.attention, name)

    def remember(self, regions):
        return self.attention.remember(regions)

    def forward(self, query, memory, need_weights=True):
        attended = self.attention(query, memory, need_weights)
        return type(attended)(torch.zeros_like(attended.context), attended.weights)


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_without_the_mean_and_without_a_context_the_photo_is_unseen(kind, fraction):
    decoder = make_decoder(mean_dropout=fraction, **DECODERS[kind]).eval()
    decoder.attention = Blind(decoder.attention)
    regions = make_regions()
    one, _ = decoder(WORDS, decoder.remember(regions))
    two, _ = decoder(WORDS, decoder.remember(others(regions)))
    assert torch.equal(one, two) == (fraction == 1)


@pytest.mark.parametrize("kind", DECODERS)
def test_attention_still_sees_the_photo(kind):
    decoder = make_decoder(mean_dropout=1.0, **DECODERS[kind]).eval()
    regions = make_regions()
    one, _ = decoder(WORDS, decoder.remember(regions))
    two, _ = decoder(WORDS, decoder.remember(others(regions)))
    assert not torch.equal(one, two)


def test_no_attention_keeps_its_context():
    """The kind `none` takes the mean region for its context, which is not the decoder's own."""
    decoder = make_decoder("lstm", attention="none", attend="after", gate="none", mean_dropout=1.0).eval()
    regions = make_regions()
    memory = decoder.remember(regions)
    _, attended = decoder(WORDS, memory)
    torch.testing.assert_close(attended.context[:, 0, 0], regions.mean())
    assert not torch.equal(memory.mean, regions.mean())


def test_a_fraction_of_the_photos_in_training_and_none_outside():
    decoder = make_decoder("lstm", attend="after", mean_dropout=0.5)
    mean = torch.randn(200, make_regions().features.shape[-1])
    replaced = (decoder.train().mean_dropout(mean) != mean).all(1)
    assert 60 < replaced.sum() < 140
    assert torch.equal(decoder.eval().mean_dropout(mean), mean)


def test_the_learned_vector_is_trained():
    decoder = make_decoder("lstm", attend="after", mean_dropout=1.0)
    output, _ = decoder(WORDS, decoder.remember(make_regions()))
    output.sum().backward()
    assert decoder.mean_dropout.learned.grad.abs().sum() > 0


def test_without_it_a_decoder_has_no_more_weights():
    assert make_decoder("lstm", attend="after").mean_dropout is None
