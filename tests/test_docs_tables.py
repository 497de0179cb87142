"""Tables in README and docs equal the tables of the code: kinds, contracts, folders, layers and the files of a run."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from captioner import attention, data, decoders, search
from captioner.attention import Attention, Score
from captioner.builder.schema import SECTIONS, TABLES
from captioner.data.contract import Example
from captioner.decoders import Decoder
from captioner.encoders import Encoder
from captioner.search import Greedy, Limits
from captioner.search.length_rules import LENGTH_RULES
from captioner.text.tokens import TOKENS
from captioner.training.contract import Objective
from tests.pages import DOCS, PAGES, ROOT, Piece, code_spans, section, table
from tests.test_layers import LAYERS

ARCHITECTURE, EXTENDING, README = DOCS / "architecture.md", DOCS / "extending.md", ROOT / "README.md"
GUIDE = DOCS / "guide"
PACKAGE = ROOT / "captioner"


def codes(text: str) -> list[str]:
    """The inline code in a cell or a text."""
    return re.findall(r"`([^`]+)`", text)


def first_column(page: Path, title: str) -> list[str]:
    return [name for row in table(page, title) for name in codes(row[0])]


# Kinds


KINDS = {
    "attention": (README, "attention", attention.KINDS),
    "score": (README, "score", attention.SCORES),
    "decoder": (README, "decoder", decoders.KINDS),
    "encoder": (README, "encoder", TABLES["encoder"]),
    "search": (README, "search", search.KINDS),
    "training": (README, "training", TABLES["objective"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_readme_lists_every_kind(name):
    page, part, kinds = KINDS[name]
    (row,) = [row for row in table(page, "part") if row[0] == part]
    assert codes(row[1])
    assert set(codes(row[1])) == set(kinds)


TABLES_OF_KINDS = {
    "attention kinds": (GUIDE / "attention.md", "kind", attention.KINDS),
    "scores": (GUIDE / "attention.md", "score", attention.SCORES),
    "ways to weigh": (GUIDE / "attention.md", "`attention.weigh`", attention.WEIGH),
    "data sets": (GUIDE / "data.md", "`data.kind`", data.KINDS),
    "tokenisers": (GUIDE / "data.md", "`data.tokens`", TOKENS),
    "searches": (GUIDE / "decoding.md", "`search.kind`", search.KINDS),
    "length rules": (GUIDE / "decoding.md", "`search.length_rule`", LENGTH_RULES),
    "sections": (GUIDE / "training.md", "section", SECTIONS),
    "configs": (
        GUIDE / "training.md",
        "config",
        [f"configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")],
    ),
    "notebooks": (DOCS / "quickstart.md", "notebook", [path.name for path in (ROOT / "notebooks").glob("*.ipynb")]),
    "exit statuses": (DOCS / "quickstart.md", "exit status", ["0", "1", "2", "130"]),
}


@pytest.mark.parametrize("name", TABLES_OF_KINDS)
def test_a_guides_table_is_complete(name):
    page, title, kinds = TABLES_OF_KINDS[name]
    rows = table(page, title)
    assert rows
    listed = {name for row in rows for name in (codes(row[0]) or [row[0]])}
    globbed = {path.relative_to(ROOT).as_posix() for name in listed if "*" in name for path in ROOT.glob(name)}
    assert {name for name in listed if "*" not in name} | globbed == set(kinds) - {"configs/base.yaml"}


@pytest.mark.parametrize(("page", "kinds"), [("attention.md", attention.KINDS), ("decoders.md", decoders.KINDS)])
def test_a_guide_has_a_section_for_every_kind(page, kinds):
    text = (GUIDE / page).read_text(encoding="utf-8")
    headings = re.findall(r"^###? (\w+)$", text, re.MULTILINE)
    assert [kind for kind in kinds if kind not in headings] == []


DEFAULTS = [row for page in PAGES for row in table(page, "setting") if len(row) == 3]


def test_the_defaults_listed_are_those_of_the_code():
    assert len(DEFAULTS) > 8
    for setting, _, default in DEFAULTS:
        section, key = codes(setting)[0].split(".")
        signatures = [inspect.signature(made).parameters for made in (*TABLES[section].values(), Limits)]
        values = {names[key].default for names in signatures if key in names}
        assert values == {yaml.safe_load(default.strip("`"))}, setting


# Contracts


CONTRACTS = {
    "Encoder": Encoder,
    "Score": Score,
    "Attention": Attention,
    "Decoder": Decoder,
    "Search": Greedy,
    "Objective": Objective,
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_lists_members_that_exist_with_their_arguments(name):
    contract = CONTRACTS[name]
    rows = re.findall(r"^\| (`.*?) \|", section(ARCHITECTURE, f"### {name}"), re.MULTILINE)
    members = [member for row in rows for member in codes(row)]
    assert len(members) > 1
    known = {key for kind in contract.__mro__ for key in (*vars(kind), *vars(kind).get("__annotations__", {}))}
    for member in members:
        bare, _, arguments = member.partition("(")
        assert bare in known
        if arguments and "..." not in arguments:
            signature = inspect.signature(getattr(contract, bare))
            given = [argument.partition("=")[0] for argument in re.findall(r"[^,() ]+", arguments)]
            assert given == [argument for argument in signature.parameters if argument != "self"]


def test_a_contract_leaves_out_no_method():
    for name, contract in CONTRACTS.items():
        text = section(ARCHITECTURE, f"### {name}")
        own = {key for key, value in vars(contract).items() if inspect.isfunction(value) and not key.startswith("_")}
        assert [method for method in sorted(own - {"train", "checked"}) if method not in text] == [], name


def test_an_example_has_the_fields_listed():
    (listed,) = [code for code in codes(section(ARCHITECTURE, "### Data set")) if code.startswith("Example(")]
    assert listed == f"Example({', '.join(get_type_hints(Example))})"


def test_every_part_one_can_add_has_its_table_where_the_page_says():
    """A table is in the file beside its name, or, where a row says "the same file", in the file of the contract."""
    checked = 0
    for _, contract, where in table(EXTENDING, "part"):
        names = [name for name in codes(where) if name.isupper()]
        for file in [name for name in codes(where) or codes(contract) if name.endswith(".py")] or codes(contract):
            if names:
                name = file.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
                assert [table for table in names if not hasattr(importlib.import_module(name), table)] == [], file
                checked += 1
    assert checked > 8


# Names in sentences


FILE_SUFFIXES = {".txt", ".json", ".png", ".csv", ".zip", ".yaml", ".npz", ".bin", ".safetensors"}
CODE = [span for page in (ARCHITECTURE, EXTENDING, GUIDE / "captioning.md") for span in code_spans(page)]
NAMES = [
    span
    for span in CODE
    if re.fullmatch(r"(?:[A-Z]\w+|[a-z]+_\w+)(?:\.\w+)*(?:\(.*\))?", span.text)
    and Path(span.text).suffix not in FILE_SUFFIXES
]
NOT_OURS = {"DistributedDataParallel", "CAPTIONER_FONT", "WANDB_DIR", "TopAttention", "top_k"}


def test_there_are_names():
    assert len(NAMES) > 30


@pytest.mark.parametrize("span", NAMES, ids=str)
def test_a_name_in_a_sentence_occurs_in_the_code(span: Piece):
    parts = re.findall(r"\w+", span.text.partition("(")[0])
    for part in parts:
        assert part in NOT_OURS or part in SOURCE


SOURCE = {word for path in PACKAGE.rglob("*.py") for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
"""Every word of the package's source."""


# Folders and layers


def test_every_folder_and_module_is_listed():
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert sorted(first_column(ARCHITECTURE, "folder")) == sorted(f"{name}/" for name in folders)
    modules = [path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    assert sorted(first_column(ARCHITECTURE, "module")) == sorted(modules)


def test_the_layers_are_those_that_are_tested():
    rows = [set(codes(row[0])) for row in table(ARCHITECTURE, "layer")]
    assert rows == [set(row) for row in LAYERS if row != ["__init__", "__main__"]]


def test_the_readmes_folders_exist():
    listed = first_column(README, "folder")
    assert listed
    assert all((ROOT / name).is_dir() for name in listed)


# The glossary


def test_the_glossary_holds_our_own_terms_and_no_more():
    terms = [row[0] for row in table(ARCHITECTURE, "term")]
    assert sorted(terms) == sorted(["Memory", "remember", "Regions", "Placement", "Attended", "Q"])


def test_the_site_lists_every_page():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = re.findall(r": (\S+\.md)$", nav, re.MULTILINE)
    assert sorted(listed) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES if DOCS in page.parents)
