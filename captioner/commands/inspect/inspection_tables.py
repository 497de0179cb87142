"""A card as a terminal shows it, 80 columns wide: tables, and beneath each what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from captioner.commands.inspect.findings import MIN_PHOTOS, NOTHING, Card, shown
from captioner.explain.grounding import Agreement
from captioner.metrics.bootstrap import Estimate

_WHOSE = {"references": "references, which people wrote", "captions": "captions, which the model wrote"}

_SHAPE = {
    "entropy": "spread: entropy, 0 on one region, 1 if uniform",
    "regions": "number of regions that share the weight",
    "sharpness": "largest weight",
    "change": "share of the weight that moves from word to word",
    "divergence": "divergence from word to word, bits",
    "coverage": "share of the regions that a caption covers",
    "centre": "lift of the photo's middle quarter",
}

_RIGHT = """words: those that name an object of the photo; gradients are computed for a part of them, where there are many.
lift: the map's weight on the object over a uniform map's; 1 knows nothing.
pointing: how often the middle of the heaviest region lies on the object.
shuffled: the word's own map on other regions. another word's: that of the word half a caption away."""
_NONE_NAMED = "No word of a reference or a caption names an object that is in view: --words says which words name which category.\n"


def tables(card: Card) -> list[Group]:
    """Everything that people look at first; all numbers are in inspect.json."""
    on_objects = [*_right(card), _when(card), _sizes(card)] if card.agreement else [Group(_NONE_NAMED)]
    return [_about(card), *on_objects, _reasons(card), _replaced(card), _shape(card), _hallucination(card)]


def _about(card: Card) -> Group:
    read = (
        f"{card.about['references']} references, which people wrote and the model reads, and "
        if card.about["references"]
        else ""
    )
    return Group(
        f"{card.about['photos']} photos: {read}a caption of its own for each photo. In brackets: where a number would lie, 95 times of "
        f"100, were it measured on other photos of the same kind (left out below {MIN_PHOTOS} photos).\n"
    )


def _right(card: Card) -> list[Group]:
    """Every kind of map, at the words of references and at those of captions."""
    last = list(card.agreement)[-1]
    return [
        _part(
            f"Is the map on the object? At words of {_WHOSE[name]}",
            ["map", "words", "lift", "pointing %"],
            [[row, str(one.num_words), shown(one.lift), shown(one.pointing, 100, 1)] for row, one in found.items()],
            _RIGHT if name == last else "",
            "there is no such word",
        )
        for name, found in card.agreement.items()
    ]


def _when(card: Card) -> Group:
    read = "has read" if card.about["attend"] == "after" else "has not yet read"
    return _part(
        "When is it on the object? Lift of maps before and after the word that names it",
        ["map of the word", *card.lag],
        [[_offset(offset), *map(_lift, row)] for offset, row in _beside(card.lag)],
        f"The state that looks {read} the word before the one that it will write.",
        "no caption has a word there",
    )


def _sizes(card: Card) -> Group:
    return _part(
        "Is it on small objects too? Lift by the object's share of the photo",
        ["size", *chain.from_iterable(("words", name) for name in card.sizes)],
        [
            [size, *chain.from_iterable((str(one.num_words), _lift(one)) for one in row)]
            for size, row in _beside(card.sizes)
        ],
        "small, medium: below 32 x 32 and 96 x 96 pixels of a photo of 640 x 480.",
        "there is no such word",
    )


def _reasons(card: Card) -> Group:
    """Insertion and deletion without their intervals, which would not fit."""
    return _part(
        "Is the map the reason? Regions are given, or taken away, in its order",
        ["order", "words", "insertion", "deletion", "insertion - deletion"],
        [
            [row, str(one.num_words), _value(one.insertion), _value(one.deletion), shown(one.gap)]
            for row, one in card.reasons.items()
        ],
        "words: those of captions that name an object. insertion: the word's log-probability, on average, on the way from no region, "
        "which is 0, to all of them, which is 1; deletion: on the way back; below 0 the word is less likely than without the photo. The "
        "difference is large where the map puts first what the word came from. Over all orders it is 0: how far a random one lies from "
        "it is chance.",
        "there is no such word, or the photo makes these words no likelier",
    )


def _replaced(card: Card) -> Group:
    return _part(
        "Does the map matter? What the model loses where every map is replaced",
        ["maps", "CIDEr-D x100", "nats a word"],
        [[name, shown(cost.cider, 100, 1), shown(cost.log_prob, 1, 3)] for name, cost in card.replaced.items()],
        "CIDEr-D: of the captions that it then writes. nats: the natural logarithm of the probability of each "
        "word that it then reads.",
        "CIDEr-D cannot be had: it needs two photos with references",
    )


def _shape(card: Card) -> Group:
    return _part(
        "What are the maps of its captions like?",
        ["maps", "mean"],
        [[_SHAPE[name], shown(found)] for name, found in card.shape.items()],
        "",
        "no caption has two words",
    )


def _hallucination(card: Card) -> Group:
    of = card.hallucination
    return _part(
        "Are maps wider at words for what is not there?",
        ["words of captions that name", "words", "spread of their maps"],
        [
            ["an object of the photo", str(of.num_there), shown(of.there)],
            ["an object that is not there", str(of.num_not_there), shown(of.not_there)],
            ["difference", "", shown(of.difference)],
        ],
        "There is what the instances hold, and what a reference names.",
        "there is no such word",
    )


def _beside(found: Mapping[str, Mapping]) -> list[tuple]:
    """The rows that all columns share, each with its cells."""
    columns = list(found.values())
    return [(row, [column[row] for column in columns]) for row in (columns[0] if columns else ())]


def _value(found: Estimate | None) -> str:
    return NOTHING if found is None else f"{found.value:.2f}"


def _lift(found: Agreement) -> str:
    return shown(found.lift)


def _offset(offset: int) -> str:
    return f"{abs(offset)} {'before' if offset < 0 else 'after'}" if offset else "that names it"


def _part(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], legend: str, missing: str) -> Group:
    """A table with its legend, and with what a dash means where one stands."""
    if not rows:
        return Group(Text(title, style="bold"), f"Nothing to show: {missing}.\n")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*row)
    dash = f"A dash stands where {missing}." if any(NOTHING in row for row in rows) else ""
    notes = " ".join(note for note in (legend, dash) if note)
    return Group(Text(title, style="bold"), table, *([notes] if notes else []), "")
