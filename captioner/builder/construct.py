"""Call the constructor that a section names, and check the part that it made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import optim

from captioner.attention import Attention
from captioner.builder.config import arguments
from captioner.builder.schema import part
from captioner.builder.sections import PartSettings
from captioner.decoders import Decoder
from captioner.encoders import Vision
from captioner.errors import UserError, too_large
from captioner.search import Search
from captioner.training.contract import Objective
from captioner.training.optimisation import Constant

_SIZED = ("encoder", "refiner", "attention", "decoder")  # sections with weights, of sizes that settings give
_CONTRACTS: dict[str, tuple[type, tuple[str, ...]]] = {
    "encoder": (Vision, ("region_size", "layout", "preprocess", "frozen")),
    "attention": (Attention, ()),
    "decoder": (Decoder, ("attend",)),
    "objective": (Objective, ("model", "terms")),
    "optimiser": (optim.Optimizer, ()),
    "schedule": (Constant, ()),
    "search": (Search, ("limits",)),
}
"""The class that a part derives from, and the attributes that it must set."""


def make(section: str, chosen: PartSettings, **supplied: Any) -> Any:
    """The part that a section names.

    Raises:
        UserError: see `construct`; or the part, which may be a user's own, does not meet its contract.
    """
    constructor = part(section, chosen.kind)
    made = construct(section, constructor, arguments(constructor, chosen.options) | supplied)
    if section in _CONTRACTS:
        _check(f"{section}.kind={chosen.kind}", made, *_CONTRACTS[section])
    return made


def _check(name: str, made: Any, contract: type, attributes: tuple[str, ...]) -> None:
    if contract not in type(made).__mro__:  # isinstance cannot be asked of a protocol
        raise UserError(
            f"{name} should make a part that derives from {contract.__name__}, got {type(made).__name__}; change it in its table"
        )
    missing = [attribute for attribute in attributes if getattr(made, attribute, None) is None]
    if missing:
        raise UserError(
            f"{name}: {type(made).__name__} should set {', '.join(attributes)}, got none for {missing[0]}; set it in __init__"
        )


def construct(section: str, constructor: Callable, values: Mapping[str, Any]) -> Any:
    """What a constructor makes.

    Raises:
        UserError: the constructor refuses the values, or the part is too large for this computer.
    """
    try:
        if section in _SIZED and "download" not in inspect.signature(constructor).parameters:
            from captioner.layers.allocation import check_memory

            check_memory(lambda: constructor(**values))
        return constructor(**values)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{section}: {error}") from error
    except (MemoryError, OverflowError, RuntimeError, TypeError) as error:
        if not too_large(error):
            raise
        why = next(iter(str(error).splitlines()), "out of memory")[:150]
        raise UserError(
            f"{section} should fit into memory, got sizes that do not ({why}); make them smaller"
        ) from error
