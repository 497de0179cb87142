"""The results of an inspection as tables for a terminal, 80 columns wide, each with a legend."""

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

_TEXTS = {"references": "the references", "captions": "the model's own captions"}

_SHAPE = {
    "entropy": "entropy / log R: 0 for one region, 1 if uniform",
    "regions": "effective number of regions",
    "sharpness": "largest weight",
    "change": "map change: total variation distance",
    "divergence": "Jensen-Shannon divergence, bits",
    "coverage": "share of the regions that the caption covers",
    "centre": "lift of the middle quarter of the photo",
}

_AGREEMENT_LEGEND = """words: words that name an object of the photo; if there are many, gradients are computed for a sample.
posterior: attention given the word (Bayes' rule over regions).
lift: weight of the map on the object, divided by the weight of a uniform map there.
pointing: share of words for which the centre of the region with the largest weight is on the object.
shuffled: the word's own weights on other regions. another word's: the map of the word half a caption away."""
_GAINS_LEGEND = (
    "The map's number minus that of the photo's centre or of attention, at the same words. The interval is that of the difference: every "
    "resample has the same photos for both. An interval above 0 says that the map is better."
)
_NO_MENTION = "No word of a reference or a caption names an object in view; add words for categories with --words.\n"


def tables(card: Card) -> list[Group]:
    """The most important results; inspect.json holds all."""
    named = [*_agreement(card), *_gains(card), _lag(card), _sizes(card)] if card.agreement else [Group(_NO_MENTION)]
    return [_about(card), *named, _reasons(card), _replaced(card), _shape(card), *_hallucination(card)]


def _about(card: Card) -> Group:
    references = f"with {card.about['references']} references " if card.about["references"] else ""
    return Group(
        f"{card.about['photos']} photos {references}and one caption by the model for each. In brackets: 95 % intervals over photos, left "
        f"out below {MIN_PHOTOS} photos.\n"
    )


def _agreement(card: Card) -> list[Group]:
    """Every kind of map, at words of the references and of the captions."""
    last = list(card.agreement)[-1]
    return [
        _part(
            f"Is the map on the object? Words of {_TEXTS[name]}",
            ["map", "words", "lift", "pointing %"],
            [
                [row, str(agreement.num_words), shown(agreement.lift), shown(agreement.pointing, 100, 1)]
                for row, agreement in by_map.items()
            ],
            _AGREEMENT_LEGEND if name == last else "",
            "there is no such word",
        )
        for name, by_map in card.agreement.items()
    ]


def _gains(card: Card) -> list[Group]:
    """What the maps gain over the photo's centre, and over attention."""
    last = list(card.gains)[-1]
    return [
        _part(
            f"Is it on the object more than others are? Words of {_TEXTS[name]}",
            ["map", "minus", "lift", "pointing %"],
            [
                [row, other.split()[0], shown(gain.lift), shown(gain.pointing, 100, 1)]
                for row, by_other in by_map.items()
                for other, gain in by_other.items()
            ],
            _GAINS_LEGEND if name == last else "",
            "there is no such word",
        )
        for name, by_map in card.gains.items()
    ]


def _lag(card: Card) -> Group:
    read = "after" if card.about["attend"] == "after" else "before"
    return _part(
        "When is the map on the object? Lift at words around the one that names it",
        ["map of the word", *card.lag],
        [[_offset(offset), *map(_lift, row)] for offset, row in _beside(card.lag)],
        " ".join([f"The decoder attends {read} it has read the previous word.", *_best_offsets(card)]),
        "no caption has such a word",
    )


def _best_offsets(card: Card) -> list[str]:
    """The word with the largest lift, for each text, and its gain over the word that names the object."""
    texts = []
    for name, best in card.best_offset.items():
        if best is not None and best.offset == 0:
            texts.append(f"In {_TEXTS[name]} the lift is largest at the word itself.")
        elif best is not None:
            direction = "before" if best.offset < 0 else "after"
            texts.append(
                f"In {_TEXTS[name]} the lift is largest {abs(best.offset)} {direction} it, by {shown(best.gain)} more than at the word "
                f"itself, compared at {best.num_words} words; the interval does not allow for the choice of the largest."
            )
    return texts


def _sizes(card: Card) -> Group:
    return _part(
        "Is the map on small objects too? Lift by the size of the object",
        ["size", *chain.from_iterable(("words", name) for name in card.sizes)],
        [
            [size, *chain.from_iterable((str(agreement.num_words), _lift(agreement)) for agreement in row)]
            for size, row in _beside(card.sizes)
        ],
        "small, medium: below 32 x 32 and 96 x 96 pixels, in a photo of 640 x 480.",
        "there is no such word",
    )


def _reasons(card: Card) -> Group:
    """Insertion and deletion; their intervals would not fit."""
    return _part(
        "Is the map the reason? Insertion and deletion of regions in its order",
        ["order", "words", "insertion", "deletion", "insertion - deletion"],
        [
            [row, str(areas.num_words), _value(areas.insertion), _value(areas.deletion), shown(areas.gap)]
            for row, areas in card.reasons.items()
        ],
        "words: words of the model's captions that name an object. insertion: log-probability of the word while regions are inserted in "
        "this order, averaged over the steps; 0 is the photo without regions, 1 the whole photo. deletion: the same while regions are "
        "deleted. The difference is large if the map ranks first what the word depends on; over all orders its mean is 0.",
        "there is no such word, or the photos do not make these words likelier",
    )


def _replaced(card: Card) -> Group:
    return _part(
        "Does the map matter? What the model loses if every map is replaced",
        ["maps", "CIDEr-D x100", "nats per word"],
        [[name, shown(cost.cider, 100, 1), shown(cost.log_prob, 1, 3)] for name, cost in card.replaced.items()],
        "CIDEr-D: loss of the captions written with these maps. nats: loss of log-probability of the references' words; without "
        "references, of the words of the model's own captions.",
        "CIDEr-D needs at least two photos with references",
    )


def _shape(card: Card) -> Group:
    return _part(
        "What are the maps of the captions like?",
        ["maps", "mean"],
        [[_SHAPE[name], shown(estimate)] for name, estimate in card.shape.items()],
        "Map change and divergence compare the maps of consecutive words.",
        "no caption has two words",
    )


def _hallucination(card: Card) -> list[Group]:
    hallucination = card.hallucination
    if hallucination is None:
        return []
    part = _part(
        "Are maps wider at hallucinated words?",
        ["words of captions that name", "words", "entropy / log R"],
        [
            ["an object of the photo", str(hallucination.num_there), shown(hallucination.there)],
            ["a hallucinated object", str(hallucination.num_not_there), shown(hallucination.not_there)],
            ["difference", "", shown(hallucination.difference)],
        ],
        "A hallucinated object is neither among the instances nor named by a reference (CHAIR).",
        "there is no such word",
    )
    return [part]


def _beside(by_text: Mapping[str, Mapping]) -> list[tuple]:
    """The columns of all texts as rows: each row's name and its cells."""
    columns = list(by_text.values())
    return [(row, [column[row] for column in columns]) for row in (columns[0] if columns else ())]


def _value(estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else f"{estimate.value:.2f}"


def _lift(agreement: Agreement) -> str:
    return shown(agreement.lift)


def _offset(offset: int) -> str:
    return f"{abs(offset)} {'before' if offset < 0 else 'after'}" if offset else "that names it"


def _part(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], legend: str, missing: str) -> Group:
    """A table with its legend, which explains dashes if there are any."""
    if not rows:
        return Group(Text(title, style="bold"), f"Nothing to show: {missing}.\n")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    dash = f"-: {missing}." if any(NOTHING in row for row in rows) else ""
    notes = " ".join(note for note in (legend, dash) if note)
    return Group(Text(title, style="bold"), table, *([notes] if notes else []), "")
