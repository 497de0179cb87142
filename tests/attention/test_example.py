"""The example in docs/extending.md: a new kind is one file and one line."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch

from captioner import attention, builder
from captioner.attention import SCORES
from captioner.commands.train import training_run as runs
from tests.attention import test_contract as contract
from tests.helpers import DRAWN

GUIDE = Path(__file__).parents[2] / "docs" / "extending.md"


@pytest.fixture
def top(tmp_path, monkeypatch):
    """The file and the line of the guide."""
    text = GUIDE.read_text(encoding="utf-8")
    path = tmp_path / "top.py"
    path.write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("top", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "top", module)
    spec.loader.exec_module(module)
    name, made = re.search(r'^    "(\w+)": (\w+),$', text, re.MULTILINE).groups()
    monkeypatch.setitem(attention.KINDS, name, getattr(module, made))
    return name


@pytest.mark.parametrize("score", SCORES)
def test_the_new_kind_meets_the_contract(top, score):
    contract.test_weights_are_a_distribution_over_real_regions(top, score)
    contract.test_what_padding_holds_does_not_matter(top, score)
    contract.test_permuting_regions_permutes_weights(top, score)
    contract.test_selecting_photos_of_a_memory_is_remembering_those_photos(top, score)
    contract.test_gradients_reach_the_query_and_every_parameter(top, score)
    contract.test_the_context_does_not_depend_on_need_weights(top, score)


def test_the_new_kind_is_chosen_by_its_word_and_does_what_it_says(top, settings, pictures, tmp_path):
    others = [setting for setting in settings if not setting.startswith("attention.")]
    runs.train(DRAWN, [*others, "attention.kind=top", "attention.score=general", "attention.top_k=3", "run.epochs=1"])
    caption = builder.load(tmp_path / "run").caption(next(pictures.glob("images/val_*.png")))
    assert ((caption.weights > 0).sum(-1) == 3).all()
    torch.testing.assert_close(caption.weights.sum(-1), torch.ones(len(caption.words)))
