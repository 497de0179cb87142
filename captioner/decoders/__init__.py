"""How a caption is written: every decoder, by the name a config gives it.

contract.py  what a decoder gives and takes       recurrent.py      what those share that read word after word
lstm.py      Show, Attend and Tell; Att2in; GRU   top_down.py       two LSTMs: one looks, one writes
cells.py     LSTM, GRU and plain RNN              show_and_tell.py  one vector for the photo, no attention
transformer.py  self-attention among words, then a look, layer upon layer

To add one: write a class that meets contract.py, then add its line here; the contract tests check it from then on.
"""

from __future__ import annotations

from captioner.decoders.contract import Decoder, State
from captioner.decoders.lstm import LSTMDecoder
from captioner.decoders.show_and_tell import ShowAndTellDecoder
from captioner.decoders.top_down import TopDownDecoder
from captioner.decoders.transformer import TransformerDecoder

KINDS: dict[str, type[Decoder]] = {
    "lstm": LSTMDecoder,
    "top_down": TopDownDecoder,
    "transformer": TransformerDecoder,
    "show_and_tell": ShowAndTellDecoder,
}

__all__ = ["KINDS", "Decoder", "State"]
