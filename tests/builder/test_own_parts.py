"""A part of a user's own that does not meet its contract is an error in one line, not a traceback."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captioner import builder
from captioner.builder import schema
from captioner.decoders import Decoder
from captioner.encoders import Encoder
from captioner.errors import UserError
from captioner.search import BeamSearch, Limits
from captioner.search.length_rules import LENGTH_RULES
from captioner.search.steps import Search
from captioner.text.tokens import TOKENS
from captioner.text.vocabulary import Vocabulary
from captioner.training.contract import Objective
from tests.helpers import DRAWN, make_decoder, make_regions

WORDS = Vocabulary(["a", "red", "circle"])


class BareEncoder(Encoder):
    region_size = 8

    def __init__(self):
        super().__init__()


class BareDecoder(Decoder):
    def __init__(self, attention: nn.Module, region_size: int, vocabulary_size: int, hidden_size: int = 8):
        super().__init__()


class WithoutSize(BareDecoder):
    def __init__(self, attention: nn.Module, region_size: int, vocabulary_size: int):
        super().__init__(attention, region_size, vocabulary_size)


class BareObjective(Objective):
    def __init__(self, model: nn.Module):
        super().__init__()


class BareSearch(Search):
    def __init__(self, limits: object):
        pass


def no_optimiser(parameters: object) -> None:
    return None


@pytest.mark.parametrize(
    ("section", "part", "message"),
    [
        (
            "encoder",
            lambda: nn.Identity(),
            "encoder.kind=own should make a part that derives from Vision, got Identity",
        ),
        ("encoder", BareEncoder, "BareEncoder should set region_size, layout, preprocess, frozen, got none for layout"),
        ("attention", lambda: nn.Identity(), "attention.kind=own should make a part that derives from Attention"),
        ("decoder", BareDecoder, "decoder.kind=own: BareDecoder should set attend, got none for attend"),
        ("decoder", WithoutSize, "decoder.kind=own should take hidden_size"),
        ("objective", BareObjective, "BareObjective should set model, terms, got none for model"),
        ("optimiser", no_optimiser, "optimiser.kind=own should make a part that derives from Optimizer, got NoneType"),
        ("schedule", lambda: 1.0, "schedule.kind=own should make a part that derives from Constant, got float"),
        ("search", BareSearch, "search.kind=own: BareSearch should set limits"),
        ("search", lambda limits: None, "search.kind=own should make a part that derives from Search, got NoneType"),
    ],
)
def test_a_part_of_ones_own_that_breaks_its_contract_is_an_error(monkeypatch, section, part, message):
    monkeypatch.setitem(schema.TABLES[section], "own", part)
    settings = builder.read(DRAWN, [f"{section}.kind=own"])
    with pytest.raises(UserError, match=message):
        builder.check_training_parts(settings, builder.make_model(settings, WORDS), WORDS, {"train": []})


@pytest.mark.parametrize(
    ("returned", "message"),
    [(None, "got NoneType"), (torch.zeros(2), r"should return ranks \(\d+, \d+, \d+\), got \(2,\)")],
)
def test_a_length_rule_of_ones_own_that_returns_something_else_is_an_error(monkeypatch, returned, message):
    monkeypatch.setitem(LENGTH_RULES, "own", lambda log_probs, length: returned)
    decoder = make_decoder()
    search = BeamSearch(limits=Limits(), beams=2, length_rule="own")
    with pytest.raises(UserError, match=message):
        search(decoder, decoder.remember(make_regions()))


def test_a_tokeniser_of_ones_own_that_returns_a_text_is_an_error(monkeypatch):
    monkeypatch.setitem(TOKENS, "own", str.lower)
    with pytest.raises(UserError, match="tokens=own should cut a caption into a list of words, got str"):
        Vocabulary.from_captions(["A red circle"], 1, "own")
