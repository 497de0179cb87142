"""Every name in a table of attention, scores, decoders and searches has a class with a docstring, a line in the guide, and can be built."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from captioner import attention, builder, decoders, search
from captioner.text.vocabulary import Vocabulary
from tests.helpers import CONFIGS, make_attention, make_decoder, takes_score

PACKAGE = Path(__file__).parents[1] / "captioner"
GUIDE = Path(__file__).parents[1] / "docs" / "guide"
TABLES = {
    "attention": (attention.KINDS, "attention.md"),
    "score": (attention.SCORES, "attention.md"),
    "decoder": (decoders.KINDS, "decoders.md"),
    "search": (search.KINDS, "decoding.md"),
}
NAMES = [(table, name) for table, (parts, _) in TABLES.items() for name in parts]
FOLDERS = {"attention": "attention", "score": "attention", "decoder": "decoders", "search": "search"}
CONTRACTS = {"Attention", "Score", "Decoder", "RecurrentDecoder"}
WRAPPERS = {"Replaced", "AttentionOnAttention"}  # around any kind of attention, set by other means than its name


@pytest.mark.parametrize(("table", "name"), NAMES)
def test_a_name_has_a_class_with_a_docstring_that_explains_its_arguments(table, name):
    part = TABLES[table][0][name]
    assert inspect.isclass(part)
    text = inspect.cleandoc(part.__doc__ or "")
    assert text.splitlines()[0].strip()
    arguments = text.partition("Args:")[2]
    missing = [argument for argument in inspect.signature(part).parameters if f"\n    {argument}:" not in arguments]
    assert missing == []


@pytest.mark.parametrize(("table", "name"), NAMES)
def test_a_name_stands_in_its_guide(table, name):
    assert f"`{name}`" in (GUIDE / TABLES[table][1]).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", attention.KINDS)
@pytest.mark.parametrize("score", attention.SCORES)
def test_every_kind_of_attention_is_built_with_every_score(kind, score):
    built = make_attention(kind, score)
    assert isinstance(built, attention.KINDS[kind])
    if takes_score(kind):
        assert isinstance(built.score, attention.SCORES[score])


@pytest.mark.parametrize("kind", decoders.KINDS)
def test_every_decoder_is_built(kind):
    decoder = make_decoder(kind, attention="none" if kind == "show_and_tell" else "soft")
    assert isinstance(decoder, decoders.KINDS[kind])
    assert len(decoder.attentions()) > 0


@pytest.mark.parametrize("kind", search.KINDS)
def test_every_search_is_built_from_settings(kind):
    settings = builder.read(CONFIGS / "drawn.yaml", [f"search.kind={kind}"])
    built = builder.make_search(settings, Vocabulary(["a", "with"]))
    assert isinstance(built, search.KINDS[kind])
    assert built.limits.max_length == settings.search.options["max_length"]


def parts_of(folder: str) -> set[str]:
    """Names of the classes in a folder that derive from a contract."""
    names = set()
    for path in sorted((PACKAGE / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bases = {base.id for base in getattr(node, "bases", []) if isinstance(base, ast.Name)}
            if isinstance(node, ast.ClassDef) and bases & CONTRACTS:
                names.add(node.name)
    return names - CONTRACTS - WRAPPERS


@pytest.mark.parametrize("folder", ["attention", "decoders"])
def test_every_part_of_a_folder_is_in_its_table(folder):
    listed = {
        part.__name__ for table, (parts, _) in TABLES.items() for part in parts.values() if FOLDERS[table] == folder
    }
    assert parts_of(folder) == listed
