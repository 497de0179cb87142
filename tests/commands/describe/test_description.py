"""A config described: parts, files, parameters and shapes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from captioner import builder
from captioner.commands.describe.description import Part, describe, table
from tests.helpers import DRAWN

CHANGES = {
    "lstm": [],
    "around": ["attention.on_attention=true", "refiner.layers=1", "refiner.size=16", "refiner.heads=2"],
    "transformer": ["attention.kind=hard", "decoder.kind=transformer", "decoder.layers=2", "decoder.heads=4"],
    "files": ["encoder.kind=region_files", "encoder.folder=nowhere", "encoder.region_size=32", "attention.kind=none"],
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_parameter_is_counted_once_and_every_file_is_there(name, settings, pictures):
    changed = {change.partition(".")[0] for change in CHANGES[name]}
    overrides = [one for one in settings if one.partition(".")[0] not in changed] + CHANGES[name]
    parts, notes = describe(DRAWN, overrides)
    assert not notes
    read = builder.read(DRAWN, overrides)
    model = builder.make_model(read, builder.make_vocabulary(read, builder.make_all_splits(read)))
    assert sum(part.trained + part.frozen for part in parts) == sum(one.numel() for one in model.parameters())
    assert all((DRAWN.parents[1] / part.file).is_file() for part in parts)
    names = [part.name for part in parts]
    assert names[0] == "encoder"
    assert {"attention", "decoder", "objective", "search"} <= set(names)
    assert ("refiner" in names) == (name == "around")


def test_the_table_is_whole_in_80_columns():
    flow = "keys 2x49x512, values 2x49x512 -> weights 2x5x49, 8 heads, context 2x5x512; in each of 3 layers"
    file = "captioner/encoders/torchvision_network.py"  # the longest of ours
    parts = [Part(name, "MultiHeadAttention", file, 18_684_204, 42_500_160, flow) for name in ("attention", "search")]
    console = Console(file=io.StringIO(), width=80)
    console.print(table(parts))
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    for part in parts:
        assert part.file in lines
        assert f"{part.name} {part.what} {part.trained:,} {part.frozen:,}" in lines
        assert part.flow in " ".join(lines)
    assert "total 37,368,408 85,000,320" in lines
    assert max(map(len, console.file.getvalue().splitlines())) <= 80


def test_a_config_is_described_even_if_its_data_are_missing(settings, tmp_path):
    overrides = [one for one in settings if not one.startswith("data.")]
    _, (note,) = describe(DRAWN, [*overrides, "data.kind=coco", f"data.root={tmp_path / 'none'}"])
    assert "a vocabulary of 9,000 words is assumed" in note


def test_the_runtime_of_a_frozen_encoder_is_noted(settings):
    frozen = [*settings, "encoder.frozen=true", "encoder.runtime=torch"]
    assert "the encoder runs in torch (as encoder.runtime says)" in describe(DRAWN, frozen)[1]


def test_the_projection_of_the_dot_score_is_noted(settings):
    others = [one for one in settings if not one.startswith(("attention.", "decoder.hidden_size"))]
    assert not describe(DRAWN, [*others, "attention.score=dot", "decoder.hidden_size=8"])[1]
    assert (
        "dot projects regions from 8 to 16"
        in describe(DRAWN, [*others, "attention.score=dot", "decoder.hidden_size=16"])[1][0]
    )


def test_a_kind_from_elsewhere_has_its_whole_path(settings, monkeypatch, tmp_path):
    from captioner import attention
    from captioner.attention import NoAttention

    source = tmp_path / "mine.py"
    source.write_text(
        "from captioner.attention import NoAttention\n\n\nclass Mine(NoAttention):\n    pass\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(attention.KINDS, "mine", __import__("mine").Mine)
    others = [one for one in settings if not one.startswith("attention.")]
    parts, _ = describe(DRAWN, [*others, "attention.kind=mine"])
    (mine,) = (part for part in parts if part.name == "attention")
    assert Path(mine.file) == source
    assert issubclass(attention.KINDS["mine"], NoAttention)
