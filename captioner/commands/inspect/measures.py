"""Maps held against objects, against baselines, and against what makes the words likely."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from captioner import metrics
from captioner.commands.inspect.findings import Card, Hallucination
from captioner.commands.inspect.inputs import Opened, Request, open_all
from captioner.commands.inspect.observations import (
    cider_of,
    mean_region,
    read_references,
    regions_of,
    replacing_costs,
    written,
)
from captioner.errors import UserError
from captioner.explain import Agreement, Look, agreement, by_offset, by_size, find_looks, shape_estimates
from captioner.explain.baseline_maps import ShuffledMaps, centre_of, other_place, other_word, uniform_map
from captioner.explain.deletion import Areas, Curve, Target, areas, curves
from captioner.explain.gradients import gradient_maps, has_captum, integrated_gradients
from captioner.explain.shape import entropy, scaled
from captioner.metrics.bootstrap import Estimate, difference_interval, ratio_interval
from captioner.progress import Report, silent
from captioner.regions import Regions
from captioner.search import Caption

_MOST_WORDS = 300
"""Words whose reasons are looked for, by taking regions away and by gradients; of more, these are drawn."""

Judged = tuple[int, int]
"""A word: its photo, and its place in the photo's caption."""


def inspect(run: Path, request: Request, overrides: Sequence[str] = (), report: Report = silent) -> Card:
    """Measure everything; takes a minute or two for 145 photos.

    Raises:
        UserError: something is not there, does not fit, or the run has no attention.
    """
    opened = open_all(run, request, overrides, report)
    captions = written(opened, report)
    if captions[0].weights is None:
        raise UserError(f"{run} has attention.kind=none: there are no maps to inspect; take a run that looks")
    references = read_references(opened, report)
    own = list(enumerate(captions))
    looks = {"references": _known(opened, find_looks(references, opened.places, opened.named))}
    looks["captions"] = find_looks(own, opened.places, opened.named)
    maps, found = _reasons(opened, captions, report)
    return Card(
        about=_about(opened, request, captions),
        agreement={name: _compare(of, maps if name == "captions" else {}) for name, of in looks.items() if of},
        lag={name: by_offset(of) for name, of in looks.items() if of},
        sizes={name: by_size(of) for name, of in looks.items() if of},
        reasons=found,
        replaced=replacing_costs(opened, captions, report),
        shape=shape_estimates(own),
        hallucination=_hallucination(opened, captions),
        folder=opened.folder,
    )


def _known(opened: Opened, looks: Sequence[Look]) -> list[Look]:
    """Looks at words that the model has: of another nobody can say where it should have looked while it could not write it."""
    return [look for look in looks if look.word in opened.captioner.vocabulary.number_of]


def _compare(looks: Sequence[Look], maps: dict[str, dict[Judged, Tensor]]) -> dict[str, Agreement]:
    """Attention and the baselines on all words; maps from gradients on those words that have one, and attention on the same."""
    of: dict[str, Callable[[Look], Tensor]] = {
        "attention": lambda look: look.map,
        "uniform": uniform_map,
        "centre of the photo": centre_of,
        "shuffled": ShuffledMaps(0),
        "another word's": other_word,
    }
    found = {name: agreement(looks, map_of) for name, map_of in of.items()}
    explained = next(iter(maps.values()), {})  # all kinds of gradients have the same words
    there = [look for look in looks if (look.photo, look.place) in explained]
    if maps:
        found["attention, the same words"] = agreement(there, of["attention"])
    for name, known in maps.items():
        found[name] = agreement(there, lambda look, known=known: known[look.photo, look.place])
    return found


def _reasons(
    opened: Opened, captions: Sequence[Caption], report: Report
) -> tuple[dict[str, dict[Judged, Tensor]], dict[str, Areas]]:
    """Maps from gradients of the words that name objects, and what taking away regions in the order of every map does to them."""
    words = [(photo, named.last) for photo, caption in enumerate(captions) for named in opened.named(caption.words)]
    words = sorted(random.Random(0).sample(words, min(_MOST_WORDS, len(words))))
    empty, generator = mean_region(opened, report), torch.Generator().manual_seed(0)
    maps: dict[str, dict[Judged, Tensor]] = {}
    found: dict[str, list[Curve]] = {}
    for photo, place in words:
        regions = regions_of(opened, [photo])
        target = Target(photo, opened.captioner.vocabulary.encode(captions[photo].text)[: place + 2])
        explained = _gradients(opened, regions, target, empty)
        orders = {**_orders(captions[photo], place, regions.mask[0].cpu(), generator), **explained}
        for name, curve in curves(opened.model, regions, target, orders, empty).items():
            found.setdefault(name, []).append(curve)
        for name, values in explained.items():
            maps.setdefault(name, {})[photo, place] = values.cpu()[regions.mask[0].cpu()]
        report.inspection("words and their reasons", 1, len(words))
    return maps, {name: areas(of) for name, of in found.items()}


def _orders(caption: Caption, place: int, mask: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Maps (R,) of a word: attention's, and the baselines'."""
    assert caption.weights is not None
    return {
        "attention": _on_all(caption.weights[place], mask),
        "random order": torch.rand(len(mask), generator=generator),
        "another word's": _on_all(caption.weights[other_place(place, len(caption.words))], mask),
    }


def _gradients(opened: Opened, regions: Regions, target: Target, empty: Tensor) -> dict[str, Tensor]:
    """(R,) each."""
    words = torch.tensor([list(target.words)], device=empty.device)
    found = gradient_maps(opened.model, regions, words)
    if has_captum():
        found["integrated gradients"] = integrated_gradients(opened.model, regions, words, empty)
    return {name: values[0] for name, values in found.items()}


def _on_all(values: Tensor, mask: Tensor) -> Tensor:
    """A map of a photo's real regions among all regions of its batch (R,)."""
    if len(values) == len(mask):
        return values
    return torch.zeros(len(mask)).masked_scatter(mask, values)


def _hallucination(opened: Opened, captions: Sequence[Caption]) -> Hallucination:
    """Are maps wider at words for what is not there? There is what the instances hold, or a reference names (CHAIR)."""
    ids = [example.id for example in opened.examples]
    chair = metrics.chair_scores(
        {photo: caption.text for photo, caption in zip(ids, captions, strict=True)},
        {example.id: example.references for example in opened.examples},
        opened.instances,
        opened.captioner.vocabulary.tokens,
        opened.named,
    )
    mentions = [
        (photo, mention)
        for photo in range(len(ids))
        for mention in chair.mentions[ids[photo]]
        if _map_at(captions[photo], mention.named.last).any()
    ]
    photos, wrong = [photo for photo, _ in mentions], [not mention.present for _, mention in mentions]
    spread = [float(entropy(scaled(_map_at(captions[photo], mention.named.last)))) for photo, mention in mentions]

    def mean_of(kind: bool) -> Estimate | None:
        chosen = [place for place, is_wrong in enumerate(wrong) if is_wrong is kind]
        return ratio_interval([photos[place] for place in chosen], [spread[place] for place in chosen])

    between = difference_interval(photos, spread, wrong)
    return Hallucination(chair.row, wrong.count(False), wrong.count(True), mean_of(False), mean_of(True), between)


def _map_at(caption: Caption, place: int) -> Tensor:
    """(1, R)"""
    assert caption.weights is not None
    return caption.weights[place : place + 1]


def _about(opened: Opened, request: Request, captions: Sequence[Caption]) -> dict:
    """What was measured, and how."""
    settings, first = opened.settings, captions[0]
    scored = {index: captions[index].text for index in opened.with_references}
    cider = cider_of(opened, scored) if len(scored) > 1 else []
    return {
        "run": str(opened.folder.parent),
        "photos": len(opened.examples),
        "references": sum(map(len, opened.references)),
        "instances": request.instances.name,
        "areas": "outlines" if request.masks else "boxes",
        "attention": settings.resolved["attention"],
        "decoder": settings.decoder.kind,
        "attend": first.attend,
        "regions": first.layout.num_regions,
        "decoding": settings.resolved["search"],
        "CIDEr-D": sum(cider) / len(cider) if cider else None,
        "captum": has_captum(),
    }
