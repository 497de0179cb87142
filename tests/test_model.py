"""The whole network as one PyTorch module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captioner.model import CaptionModel
from captioner.text.vocabulary import START
from tests.helpers import DECODERS, VOCABULARY, make_decoder, make_regions


@pytest.fixture(params=DECODERS)
def model(request):
    return CaptionModel(nn.Identity(), make_decoder(**DECODERS[request.param]))  # regions are made already


def some_words() -> torch.Tensor:
    words = torch.randint(4, VOCABULARY, (3, 2, 5), generator=torch.Generator().manual_seed(0))
    words[..., 0] = START
    return words


def test_forward_equals_its_parts_called_one_by_one(model):
    logits, attended = model(make_regions(), some_words())
    memory = model.remember(make_regions())
    state, decoder = model.decoder.start(memory, 2), model.decoder
    for position in range(5):
        output, expected, state = decoder.step(some_words()[..., position], state, memory)
        torch.testing.assert_close(logits[:, :, position], decoder.vocabulary_logits(output))
        torch.testing.assert_close(attended.context[:, :, position], expected.context)
    assert logits.shape == (3, 2, 5, VOCABULARY)


def test_forward_hooks_fire(model):
    called = []
    for module in (model, model.decoder, *model.decoder.attentions()):
        module.register_forward_hook(lambda module, *_: called.append(module))
    logits, _ = model(make_regions(), some_words())
    logits.sum().backward()
    assert {id(module) for module in called} == {
        id(module) for module in (model, model.decoder, *model.decoder.attentions())
    }
