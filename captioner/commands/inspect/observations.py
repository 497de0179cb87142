"""The model's captions of the photos and its log-probabilities of their references, with its own maps and with replaced maps.

Shapes: B photos, Q captions of one photo, T words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner import metrics
from captioner.attention import Shuffled, given, uniform
from captioner.captioner import Captioner
from captioner.commands.inspect.inputs import PhotoRegions
from captioner.explain.forced_decoding import encode_captions, forced_captions, forced_decoding
from captioner.explain.replaced_maps import maps_of_other_words, record_maps, replace_maps
from captioner.metrics.bootstrap import Estimate, ratio_interval
from captioner.model import CaptionModel
from captioner.progress import Report
from captioner.regions import Placement, Regions
from captioner.search import Caption
from captioner.text.vocabulary import PAD, Vocabulary

Replacement = Callable[[Regions, Tensor], AbstractContextManager]
"""Replaces a decoder's maps inside a `with` block, for the regions of photos and their captions (B, Q, T + 1)."""


@dataclass(frozen=True)
class Cost:
    """What replacing the maps costs: the number with the model's own maps minus the number with the others."""

    log_prob: Estimate | None  # nats per word of the references, or of the model's captions if there are no references
    cider: Estimate | None  # CIDEr-D, 0 to 10, of the captions written with these maps


def write_captions(
    captioner: Captioner, regions: PhotoRegions, placements: Sequence[Placement], seed: int, report: Report
) -> list[Caption]:
    """The model's own caption of each photo."""
    captions = []
    torch.manual_seed(seed)
    for batch, batch_regions in regions.batches(range(len(regions)), report, "captions"):
        captions += captioner.captions_of(batch_regions, [placements[index] for index in batch])
    return captions


@torch.no_grad()
def force_references(
    regions: PhotoRegions,
    references: Sequence[Sequence[Sequence[str]]],
    placements: Sequence[Placement],
    vocabulary: Vocabulary,
    report: Report,
) -> list[tuple[int, Caption]]:
    """Every reference with the maps and log-probabilities that the model assigns to it, and the index of its photo."""
    model, captions = regions.model, []
    with_references = [index for index, texts in enumerate(references) if texts]
    for batch, batch_regions in regions.batches(with_references, report, "references"):
        texts, batch_placements = [references[index] for index in batch], [placements[index] for index in batch]
        memory = model.remember(batch_regions)
        forced = forced_captions(model.decoder, memory, texts, vocabulary, batch_placements)
        captions += [(index, caption) for index, in_photo in zip(batch, forced, strict=True) for caption in in_photo]
    return captions


def cider_by_photo(
    captions: Sequence[Caption], references: Sequence[Sequence[str]], scored: Sequence[int], tokens: str
) -> list[float]:
    """CIDEr-D, 0 to 10, of each scored photo, given by index."""
    texts = {index: captions[index].text for index in scored}
    return metrics.cider_d_each({**texts}, {index: list(references[index]) for index in scored}, tokens)


def map_replacements(model: CaptionModel) -> dict[str, Replacement]:
    """The ways of replacing maps, by name."""
    decoder, shuffled = model.decoder, Shuffled(0)

    def other_words(regions: Regions, words: Tensor) -> AbstractContextManager:
        maps = [maps_of_other_words(maps, words) for maps in record_maps(model, regions, words)]
        return replace_maps(decoder, given, maps)

    return {
        "uniform": lambda regions, words: replace_maps(decoder, uniform),
        "shuffled": lambda regions, words: replace_maps(decoder, shuffled),
        "another word's": other_words,
    }


def decode_replaced(
    captioner: Captioner,
    regions: PhotoRegions,
    captions: Sequence[Caption],
    targets: Sequence[Sequence[Sequence[str]]],
    replacement: Replacement,
    seed: int,
    report: Report,
    what: str,
) -> tuple[list[Caption], Estimate | None]:
    """The captions that the model writes with replaced maps, and the log-probability in nats that a word of the targets loses.

    Args:
        captioner: writes the captions.
        regions: of all photos.
        captions: the model's own, of each photo.
        targets: captions of each photo, as words, whose log-probabilities are compared; a photo may have none.
        replacement: replaces the maps.
        seed: of the search, if it samples.
        report: hears of progress.
        what: the name of the progress bar.
    """
    replaced, photos, losses = [], [], []
    torch.manual_seed(seed)
    for batch, batch_regions in regions.batches(range(len(regions)), report, what):
        own = encode_captions([[captions[index].words] for index in batch], captioner.vocabulary)
        with replacement(batch_regions, own.to(batch_regions.mask.device)):
            replaced += captioner.captions_of(batch_regions)
        batch_targets = [targets[index] for index in batch]
        for place, loss in _losses(regions.model, captioner.vocabulary, batch_regions, batch_targets, replacement):
            photos.append(batch[place])
            losses.append(loss)
    return replaced, ratio_interval(photos, losses)


@torch.no_grad()
def _losses(
    model: CaptionModel,
    vocabulary: Vocabulary,
    regions: Regions,
    targets: Sequence[Sequence[Sequence[str]]],
    replacement: Replacement,
) -> Iterator[tuple[int, float]]:
    """For every word and end token of the targets: the index of its photo in the batch, and the nats that it loses."""
    chosen = [place for place, captions in enumerate(targets) if captions]
    if not chosen:
        return
    regions = regions.select(torch.tensor(chosen, device=regions.mask.device))
    words = encode_captions([targets[place] for place in chosen], vocabulary).to(regions.mask.device)
    before = forced_decoding(model.decoder, model.remember(regions), words)
    with replacement(regions, words):
        after = forced_decoding(model.decoder, model.remember(regions), words)
    lost = before.log_probs - after.log_probs  # (B, Q, T)
    for row, place in enumerate(chosen):
        real = before.words[row] != PAD
        yield from ((place, float(value)) for value in lost[row][real])
