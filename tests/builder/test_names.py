"""Every name is listed once, in its table: settings accept the names of the table, and every name makes a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import Parameter, signature
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest

from captioner import attention, builder, encoders
from captioner.builder import schema
from captioner.builder.config import check_values
from captioner.commands.evaluate import evaluate
from captioner.commands.train import train
from captioner.decoders.cells import CELLS
from captioner.encoders import Refiner
from captioner.errors import UserError
from captioner.features.sources import VIEWS
from captioner.metrics.units import NAMES
from captioner.model import CaptionModel
from captioner.ranges import OneOf
from captioner.search.length_rules import LENGTH_RULES
from captioner.text.tokens import TOKENS
from captioner.text.vocabulary import Vocabulary
from captioner.training.objectives import COVERAGE_REDUCTIONS, DECAYS
from tests.helpers import DRAWN

KINDS = [(section, kind) for section, table in schema.TABLES.items() for kind in table]
CHOICES: dict[str, tuple[list[str], Any]] = {  # a setting, the kinds that it needs, and its table
    "data.tokens": ([], TOKENS),
    "data.augment": ([], VIEWS),
    "attention.score": ([], attention.SCORES),
    "decoder.cell": (["decoder.kind=lstm"], CELLS),
    "objective.coverage_reduction": (["objective.kind=teacher_forcing"], COVERAGE_REDUCTIONS),
    "objective.sampling": (["objective.kind=teacher_forcing"], ["none", *DECAYS]),
    "search.length_rule": (["search.kind=beam"], LENGTH_RULES),
    "run.monitor": ([], NAMES),
}


def required(section: str, kind: str) -> list[str]:
    """Values for the settings of a kind that have no default."""
    arguments = signature(builder.part(section, kind)).parameters.values()
    hidden = schema.SUPPLIED.get(section, set())
    missing = [one for one in arguments if one.default is one.empty and one.name not in hidden]
    return [f"{section}.{one.name}={_value(one)}" for one in missing]


def _value(argument: Parameter) -> str:
    if argument.name == "parts":
        return "[{kind: drawn}]"
    if "list[str]" in str(argument.annotation):
        return "[x]"
    return "8" if "int" in str(argument.annotation) or "Size" in str(argument.annotation) else "x"


@pytest.mark.parametrize(("section", "kind"), KINDS)
def test_every_kind_of_every_section_is_accepted_and_is_a_part(section, kind):
    settings = builder.read(DRAWN, [f"{section}.kind={kind}", *required(section, kind)])
    assert getattr(settings, section).kind == kind
    assert builder.part(section, kind) is schema.TABLES[section][kind]


def test_every_torchvision_network_is_an_encoder():
    names = encoders.network_names()
    assert len(names) > 50
    assert all(callable(builder.part("encoder", name)) for name in names)


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, (_, table) in CHOICES.items() for name in table])
def test_every_name_of_every_table_is_accepted(key, name):
    section, _, option = key.partition(".")
    settings = builder.read(DRAWN, [*CHOICES[key][0], f"{key}={name}"])
    assert settings.resolved[section][option] == name


@pytest.mark.parametrize("key", CHOICES)
def test_another_name_is_refused_with_those_of_the_table(key):
    with pytest.raises(UserError) as refused:
        builder.read(DRAWN, [*CHOICES[key][0], f"{key}=nonsense"])
    assert all(name in str(refused.value) for name in CHOICES[key][1])


REFUSED = [("show_and_tell", kind) for kind in attention.KINDS if kind != "none"] + [
    ("lstm", "adaptive"),
    ("att2in", "adaptive"),
    ("transformer", "adaptive"),
]


def made_or_refused(settings: builder.Settings) -> tuple[CaptionModel | None, str]:
    try:
        return builder.make_model(settings, Vocabulary(["dog"])), ""
    except UserError as error:
        return None, str(error)


@pytest.mark.parametrize("decoder", schema.TABLES["decoder"])
@pytest.mark.parametrize("kind", schema.TABLES["attention"])
def test_every_decoder_with_every_attention_is_made_or_refused_in_one_line(decoder, kind):
    sizes = ["decoder.hidden_size=16", *(["decoder.heads=4"] if decoder == "transformer" else [])]
    heads = ["attention.heads=4"] if kind == "multi_head" else []
    settings = builder.read(DRAWN, [f"decoder.kind={decoder}", *sizes, f"attention.kind={kind}", *heads])
    model, complaint = made_or_refused(settings)
    assert "\n" not in complaint
    assert model is None or type(model.decoder) is schema.TABLES["decoder"][decoder]
    assert model is not None or (decoder, kind) in REFUSED


@pytest.mark.parametrize("kind", schema.TABLES["search"])
def test_every_search_is_made(kind):
    search = builder.make_search(builder.read(DRAWN, [f"search.kind={kind}"]), Vocabulary(["dog"]))
    assert type(search) is schema.TABLES["search"][kind]


@pytest.mark.parametrize("kind", schema.TABLES["schedule"])
def test_every_schedule_is_made(kind):
    schedule = builder.make_schedule(builder.read(DRAWN, [f"schedule.kind={kind}"]))
    assert type(schedule) is schema.TABLES["schedule"][kind]


def constructors() -> Iterator[Callable]:
    for table in [*schema.TABLES.values(), attention.SCORES]:
        yield from table.values()
    yield Refiner
    for records in schema.BESIDE.values():
        yield from records


def names_in(annotation: Any) -> Iterator[tuple[str, ...]]:
    """The names that a type lists itself."""
    if get_origin(annotation) is Literal:
        yield get_args(annotation)
    elif get_origin(annotation) is Annotated or isinstance(annotation, UnionType):
        for inner in get_args(annotation):
            yield from names_in(inner)


def test_no_signature_repeats_the_names_of_a_table():
    tables = [set(table) for _, table in CHOICES.values()] + [set(table) for table in schema.TABLES.values()]
    repeated = []
    for constructor in constructors():
        hints = get_type_hints(
            constructor.__init__
            if isinstance(constructor, type) and not hasattr(constructor, "__dataclass_fields__")
            else constructor,
            include_extras=True,
        )
        for option, annotation in hints.items():
            repeated += [f"{constructor}: {option}" for names in names_in(annotation) if set(names) in tables]
    assert not repeated
    assert OneOf(TOKENS).names is TOKENS


def test_a_model_with_ptb_tokens_trains_captions_and_is_scored_by_them(settings, tmp_path):
    train(DRAWN, [*settings, "run.epochs=1", "data.tokens=ptb"])
    captioner = builder.load(tmp_path / "run")
    assert captioner.vocabulary.tokens == "ptb"
    assert captioner.vocabulary.join(["a", "man", "'s", "hat"]) == "a man 's hat"
    evaluated = evaluate(tmp_path / "run", "val", [], java=False)
    assert evaluated.protocol.tokens == "ptb"


def test_an_argument_without_a_type_is_named():
    class Untyped:
        def __init__(self, top_k=4):
            self.top_k = top_k

    with pytest.raises(UserError, match=r"Untyped.__init__: top_k=4 needs a name and a type, such as size: int"):
        check_values("attention", {"top_k": 8}, [Untyped], [])
