"""Att2in against its equations; and settings from when it was a form of the LSTM decoder."""

from __future__ import annotations

import pytest
import torch

from captioner import builder
from captioner.errors import UserError
from tests.decoders.test_contract import some_words
from tests.helpers import DRAWN, make_decoder, make_regions
from tests.reference.att2in import read_caption

EARLIER = ["gate=none", "output=state", "candidate=maxout"]


@pytest.mark.parametrize("context_to", ["candidate", "gates"])
def test_att2in_agrees_with_its_equations(context_to):
    decoder = make_decoder("att2in", context_to=context_to)
    words, regions = some_words(), make_regions()
    output, attended = decoder(words, decoder.remember(regions))
    for photo in range(3):
        for caption in range(4):
            expected, weights = read_caption(
                decoder, regions.features[photo], regions.mask[photo], words[photo, caption].tolist(), context_to
            )
            torch.testing.assert_close(output[photo, caption], expected)
            torch.testing.assert_close(attended.weights[photo, caption], weights)


def test_attention_that_needs_a_cell_is_refused():
    with pytest.raises(ValueError, match=r"choose decoder.kind=lstm with attend: after"):
        make_decoder("att2in", attention="adaptive")


def read(options: list[str], note: bool = True):
    own = ["decoder.attend=before", *(f"decoder.{option}" for option in options)]
    return builder.schema.read(DRAWN, own, note).resolved["decoder"]


@pytest.mark.parametrize("enters", ["candidate", "gates"])
@pytest.mark.parametrize("note", [True, False])
def test_settings_of_before_become_att2in(enters, note, capfd):
    decoder = read([*EARLIER, f"enters={enters}", "word_size=20"], note)
    assert (decoder["kind"], decoder["context_to"], decoder["word_size"]) == ("att2in", enters, 20)
    assert not decoder.keys() & {"enters", "candidate", "output", "cell", "gate", "attend"}
    expected = f"note: this decoder is now called decoder.kind=att2in, with decoder.context_to={enters}\n"
    assert capfd.readouterr().err == (expected if note else "")


def test_settings_of_before_that_say_the_defaults_are_dropped():
    decoder = read(["enters=gates", "candidate=tanh"])
    assert decoder["kind"] == "lstm"
    assert not decoder.keys() & {"enters", "candidate"}


@pytest.mark.parametrize("options", [["candidate=maxout"], ["enters=candidate"], [*EARLIER, "cell=gru"]])
def test_other_combinations_of_before_are_refused(options):
    with pytest.raises(UserError, match=r"no longer has decoder\.enters=.* needs version 0\.1\.0"):
        read(options)
