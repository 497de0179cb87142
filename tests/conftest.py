"""What many tests are given."""

from __future__ import annotations

import pytest
import torch

from captioner.decoders import Decoder
from tests.helpers import LSTM_OPTIONS, make_decoder


torch.set_num_threads(1)  # small tensors: more threads only wait for each other


@pytest.fixture(params=LSTM_OPTIONS, ids=lambda options: "-".join(options.values()))
def lstm(request) -> Decoder:
    """The LSTM decoder in each of its forms."""
    return make_decoder("lstm", **request.param)
