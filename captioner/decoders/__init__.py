"""Decoders, which write captions: every kind, by the name a config gives it.

contract.py       what a decoder takes and returns
recurrent.py      what recurrent decoders share
cells.py          LSTM, GRU and plain RNN
lstm.py           Show, Attend and Tell, and the spatial attention of Lu et al. 2017
att2in.py         Att2in and Att2all: the context enters the LSTM's candidate
top_down.py       two LSTMs: one attends, the other writes
transformer.py    self-attention among words, then attention to the regions, layer upon layer
show_and_tell.py  one vector for the photo, no attention

To add one: write a class that meets contract.py, then add its line here; the contract tests check it from then on.
"""

from __future__ import annotations

from captioner.decoders.att2in import Att2inDecoder
from captioner.decoders.contract import Decoder, State
from captioner.decoders.lstm import LSTMDecoder
from captioner.decoders.show_and_tell import ShowAndTellDecoder
from captioner.decoders.top_down import TopDownDecoder
from captioner.decoders.transformer import TransformerDecoder

KINDS: dict[str, type[Decoder]] = {
    "lstm": LSTMDecoder,
    "att2in": Att2inDecoder,
    "top_down": TopDownDecoder,
    "transformer": TransformerDecoder,
    "show_and_tell": ShowAndTellDecoder,
}

__all__ = ["KINDS", "Decoder", "State"]
