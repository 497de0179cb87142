"""What the model writes of photos, and how it reads their references: as it is, and with its maps replaced.

Shapes: B photos, Q captions of one photo, T words, R regions, D region feature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner import metrics
from captioner.attention import Shuffled, given, uniform
from captioner.commands.inspect.inputs import Opened
from captioner.explain import maps_of, of_other_words, read_captions, replaced
from captioner.explain.known_captions import encode, read
from captioner.metrics.bootstrap import Estimate, ratio_interval
from captioner.progress import Report
from captioner.regions import Regions
from captioner.search import Caption

_BATCH = 16

Replacing = Callable[[Regions, Tensor], AbstractContextManager]
"""A decoder with other maps while it reads captions (B, Q, T + 1) of regions, or writes captions of its own."""


@dataclass(frozen=True)
class Cost:
    """What is lost where maps are replaced: the score or log-probability with the model's own, less that with others."""

    log_prob: Estimate | None  # nats a word, of the references; of the model's own captions where there are none
    cider: Estimate | None  # CIDEr-D, 0 to 10, of the captions that are written then


def regions_of(opened: Opened, indices: Sequence[int]) -> Regions:
    """What the encoder sees in some photos, in float32: gradients of likely words vanish in a store's float16."""
    found = opened.source(indices).to(opened.model.device)
    found = found if isinstance(found, Regions) else opened.model.encoder(found)
    return found.to(dtype=torch.float32)


def batches(opened: Opened, wanted: Sequence[int], report: Report, what: str) -> Iterator[list[int]]:
    for start in range(0, len(wanted), _BATCH):
        batch = list(wanted[start : start + _BATCH])
        yield batch
        report.inspection(what, len(batch), len(wanted))


@torch.no_grad()
def mean_region(opened: Opened, report: Report) -> Tensor:
    """(D,): the mean of all photos' mean regions, which says nothing of any of them."""
    everything = range(len(opened.examples))
    return torch.cat(
        [regions_of(opened, batch).mean() for batch in batches(opened, everything, report, "photos")]
    ).mean(0)


def written(opened: Opened, report: Report) -> list[Caption]:
    """The model's own captions of all photos."""
    captions = []
    torch.manual_seed(opened.settings.run.seed)
    for batch in batches(opened, range(len(opened.examples)), report, "captions"):
        captions += opened.captioner.captions_of(
            regions_of(opened, batch), [opened.placements[index] for index in batch]
        )
    return captions


@torch.no_grad()
def read_references(opened: Opened, report: Report) -> list[tuple[int, Caption]]:
    """Every reference as the model reads it, with its photo."""
    found = []
    for batch in batches(opened, opened.with_references, report, "references"):
        memory = opened.model.remember(regions_of(opened, batch))
        texts, placements = [opened.references[index] for index in batch], [opened.placements[index] for index in batch]
        captions = read_captions(opened.model.decoder, memory, texts, opened.captioner.vocabulary, placements)
        found += [(index, caption) for index, of_photo in zip(batch, captions, strict=True) for caption in of_photo]
    return found


def replacing_costs(opened: Opened, captions: Sequence[Caption], report: Report) -> dict[str, Cost]:
    """What every way of replacing maps costs; see `Cost`."""
    decoder, model, shuffled = opened.model.decoder, opened.model, Shuffled(0)

    def other_words(regions: Regions, words: Tensor) -> AbstractContextManager:
        return replaced(decoder, given, [of_other_words(maps, words) for maps in maps_of(model, regions, words)])

    ways: dict[str, Replacing] = {
        "uniform": lambda regions, words: replaced(decoder, uniform),
        "shuffled": lambda regions, words: replaced(decoder, shuffled),
        "another word's": other_words,
    }
    return {name: _cost(opened, captions, way, report, f"{name} maps") for name, way in ways.items()}


def _cost(opened: Opened, captions: Sequence[Caption], way: Replacing, report: Report, what: str) -> Cost:
    photos, losses, texts = [], [], {}
    torch.manual_seed(opened.settings.run.seed)
    for batch in batches(opened, range(len(opened.examples)), report, what):
        regions = regions_of(opened, batch)
        own = encode([[captions[index].words] for index in batch], opened.captioner.vocabulary).to(regions.mask.device)
        with way(regions, own):
            texts |= dict(zip(batch, opened.captioner.captions_of(regions), strict=True))
        for index, loss in _losses(opened, captions, batch, regions, way):
            photos.append(index)
            losses.append(loss)
    return Cost(ratio_interval(photos, losses), _cider_cost(opened, captions, texts))


@torch.no_grad()
def _losses(
    opened: Opened, captions: Sequence[Caption], batch: Sequence[int], regions: Regions, way: Replacing
) -> Iterator[tuple[int, float]]:
    """Each word's photo, and how much likelier the word is with the model's own maps, in nats; end marks are words."""
    of_photo = {index: opened.references[index] for index in batch}
    if not opened.with_references:
        of_photo = {index: [captions[index].words] for index in batch}
    chosen = [place for place, index in enumerate(batch) if of_photo[index]]
    if not chosen:
        return
    some = regions.select(torch.tensor(chosen, device=regions.mask.device))
    words = encode([of_photo[batch[place]] for place in chosen], opened.captioner.vocabulary).to(some.mask.device)
    model = opened.model
    before = read(model.decoder, model.remember(some), words)
    with way(some, words):
        after = read(model.decoder, model.remember(some), words)
    lost = before.log_probs - after.log_probs  # (B, Q, T)
    for place, index in enumerate(chosen):
        real = before.words[place] > 0
        yield from ((batch[index], float(value)) for value in lost[place][real])


def _cider_cost(opened: Opened, captions: Sequence[Caption], texts: dict[int, Caption]) -> Estimate | None:
    scored = opened.with_references
    if len(scored) < 2:  # of one photo CIDEr-D is 0, whatever is written
        return None
    before = cider_of(opened, {index: captions[index].text for index in scored})
    after = cider_of(opened, {index: texts[index].text for index in scored})
    return ratio_interval(scored, [ours - theirs for ours, theirs in zip(before, after, strict=True)])


def cider_of(opened: Opened, texts: Mapping[int, str]) -> list[float]:
    """Every photo's CIDEr-D, 0 to 10, by its place."""
    ids = {index: opened.examples[index].id for index in texts}
    references = {ids[index]: opened.examples[index].references for index in texts}
    return metrics.cider_d_each(
        {ids[index]: text for index, text in texts.items()}, references, opened.captioner.vocabulary.tokens
    )
