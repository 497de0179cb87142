"""Fixtures that many tests use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # programs that tests start; small tensors gain nothing from more threads

import hypothesis
import pytest
import torch

from captioner.data.drawn import drawn
from captioner.decoders import Decoder
from tests.helpers import DECODERS, LSTM_OPTIONS, TINY, make_decoder, tiny_settings

torch.set_num_threads(1)
hypothesis.settings.register_profile("suite", max_examples=50, deadline=None)  # no test depends on time
hypothesis.settings.load_profile("suite")


_find_program = shutil.which


@pytest.fixture(scope="session", autouse=True)
def _no_java():
    """Tests say the same with and without Java, and so do the fixtures that they share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "shutil.which", lambda name, *rest, **more: None if name == "java" else _find_program(name, *rest, **more)
        )
        yield


@pytest.fixture(autouse=True)
def _java_where_marked(request, monkeypatch):
    if "java" in request.keywords:
        monkeypatch.setattr("shutil.which", _find_program)


@pytest.fixture(params=LSTM_OPTIONS, ids=lambda options: "-".join(options.values()))
def lstm(request) -> Decoder:
    """The LSTM decoder in each of its forms."""
    return make_decoder("lstm", **request.param)


@pytest.fixture(params=DECODERS)
def decoder(request) -> Decoder:
    """Every decoder, in every form."""
    return make_decoder(**DECODERS[request.param])


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """A small drawn data set; tests read it and leave it as it is."""
    root = tmp_path_factory.mktemp("data") / "drawn"
    drawn(str(root), **TINY)
    return root


@pytest.fixture
def settings(pictures, tmp_path) -> list[str]:
    """Overrides of configs/drawn.yaml that train in a second on those pictures, into tmp_path/run."""
    return tiny_settings(pictures, tmp_path / "run")
