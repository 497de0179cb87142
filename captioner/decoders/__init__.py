"""How a caption is written: every decoder, by the name a config gives it.

contract.py  what a decoder gives and takes       lstm.py  Show, Attend and Tell

To add one: write a class that meets contract.py, then add its line here; the contract tests check it from then on.
"""

from __future__ import annotations

from collections.abc import Callable

from captioner.decoders.contract import Decoder, State
from captioner.decoders.lstm import LSTMDecoder

KINDS: dict[str, Callable[..., Decoder]] = {
    "lstm": LSTMDecoder,
}

__all__ = ["KINDS", "Decoder", "State"]
