"""The numbers of an inspection besides those of compared_maps.py: insertion and deletion, hallucinated words, costs."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from captioner import metrics
from captioner.captioner import Captioner
from captioner.commands.inspect.compared_maps import ATTENTION, Posterior, Word
from captioner.commands.inspect.findings import Hallucination
from captioner.commands.inspect.inputs import PhotoRegions
from captioner.commands.inspect.observations import Cost, cider_by_photo, decode_replaced, map_replacements
from captioner.data.contract import Example
from captioner.data.instances import Instances
from captioner.explain.baseline_maps import other_index
from captioner.explain.deletion import Curve, CurveAreas, Target, curve_areas, deletion_curves
from captioner.explain.gradients import gradient_maps, has_captum, integrated_gradients
from captioner.explain.shape import entropy, scaled
from captioner.metrics.bootstrap import Estimate, difference_interval, ratio_interval
from captioner.model import CaptionModel
from captioner.progress import Report
from captioner.regions import Regions
from captioner.search import Caption
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import Vocabulary

_MAX_WORDS = 300
"""Words whose insertion, deletion and gradients are computed; if there are more, these are drawn at random."""


def object_word_sample(captions: Sequence[Caption], object_words: ObjectWords) -> list[Word]:
    """Words of the captions that name an object, at most `_MAX_WORDS` of them."""
    words = [(photo, named.last) for photo, caption in enumerate(captions) for named in object_words(caption.words)]
    return sorted(random.Random(0).sample(words, min(_MAX_WORDS, len(words))))


def measure_deletion(
    words: Sequence[Word],
    captions: Sequence[Caption],
    regions: PhotoRegions,
    vocabulary: Vocabulary,
    posterior: Posterior | None,
    report: Report,
) -> tuple[dict[str, dict[Word, Tensor]], dict[str, CurveAreas]]:
    """Maps from gradients of each word, and the areas under its insertion and deletion curves in the order of every map."""
    empty, generator = regions.mean(report), torch.Generator().manual_seed(0)
    maps: dict[str, dict[Word, Tensor]] = {}
    curves: dict[str, list[Curve]] = {}
    for photo, index in words:
        photo_regions = regions([photo])
        mask = photo_regions.mask[0].cpu()
        target = Target(photo, vocabulary.numbers(captions[photo].words)[: index + 2])
        from_gradients = _gradient_maps(regions.model, photo_regions, target, empty)
        orders = _orders(captions[photo], index, mask, generator)
        if posterior:
            orders["posterior"] = _with_padding(posterior(photo, captions[photo])[index], mask)
        orders |= from_gradients
        for name, curve in deletion_curves(regions.model, photo_regions, target, orders, empty).items():
            curves.setdefault(name, []).append(curve)
        for name, weights in from_gradients.items():
            maps.setdefault(name, {})[photo, index] = weights.cpu()[mask]
        report.inspection("insertion and deletion", 1, len(words))
    return maps, {name: curve_areas(of_words) for name, of_words in curves.items()}


def _orders(caption: Caption, index: int, mask: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Attention's map of a word (R,), and the baselines'."""
    assert caption.weights is not None
    return {
        ATTENTION: _with_padding(caption.weights[index], mask),
        "random order": torch.rand(len(mask), generator=generator),
        "another word's": _with_padding(caption.weights[other_index(index, len(caption.words))], mask),
    }


def _gradient_maps(model: CaptionModel, regions: Regions, target: Target, empty: Tensor) -> dict[str, Tensor]:
    """Every kind of map from gradients, (R,) each; integrated gradients if captum is installed."""
    words = torch.tensor([list(target.words)], device=empty.device)
    maps = gradient_maps(model, regions, words)
    if has_captum():
        maps["integrated gradients"] = integrated_gradients(model, regions, words, empty)
    return {name: weights[0] for name, weights in maps.items()}


def _with_padding(weights: Tensor, mask: Tensor) -> Tensor:
    """(R,): the map of a photo's real regions, with zeros at the padding."""
    if len(weights) == len(mask):
        return weights
    return torch.zeros(len(mask)).masked_scatter(mask, weights)


def replacement_costs(
    captioner: Captioner,
    regions: PhotoRegions,
    captions: Sequence[Caption],
    references: Sequence[Sequence[Sequence[str]]],
    reference_texts: Sequence[Sequence[str]],
    seed: int,
    report: Report,
) -> dict[str, Cost]:
    """What each way of replacing the maps costs.

    Args:
        captioner: of the run.
        regions: of all photos.
        captions: the model's own, of each photo.
        references: of each photo, as words.
        reference_texts: of each photo, as text.
        seed: of the search, if it samples.
        report: hears of progress.
    """
    with_references = [index for index, words in enumerate(references) if words]
    targets = references if with_references else [[caption.words] for caption in captions]
    costs = {}
    for name, replacement in map_replacements(regions.model).items():
        replaced, log_prob = decode_replaced(
            captioner, regions, captions, targets, replacement, seed, report, f"{name} maps"
        )
        cider = _cider_cost(captions, replaced, with_references, reference_texts, captioner.vocabulary.tokens)
        costs[name] = Cost(log_prob, cider)
    return costs


def _cider_cost(
    before: Sequence[Caption],
    after: Sequence[Caption],
    scored: Sequence[int],
    references: Sequence[Sequence[str]],
    tokens: str,
) -> Estimate | None:
    """How much CIDEr-D the second captions lose; None for fewer than two scored photos, where CIDEr-D is always 0."""
    if len(scored) < 2:
        return None
    ours, theirs = (cider_by_photo(captions, references, scored, tokens) for captions in (before, after))
    return ratio_interval(scored, [own - other for own, other in zip(ours, theirs, strict=True)])


def measure_hallucination(
    captions: Sequence[Caption],
    examples: Sequence[Example],
    instances: Instances,
    object_words: ObjectWords,
    tokens: str,
) -> Hallucination:
    """The entropy of maps at hallucinated words and at other object words; an object is real if CHAIR counts it as such."""
    ids = [example.id for example in examples]
    chair = metrics.chair_scores(
        {photo: caption.text for photo, caption in zip(ids, captions, strict=True)},
        {example.id: example.references for example in examples},
        instances,
        tokens,
        object_words,
    )
    mentions = [
        (photo, mention)
        for photo in range(len(ids))
        for mention in chair.mentions[ids[photo]]
        if _map_at(captions[photo], mention.named.last).any()
    ]
    photos, hallucinated = [photo for photo, _ in mentions], [not mention.present for _, mention in mentions]
    entropies = [float(entropy(scaled(_map_at(captions[photo], mention.named.last)))) for photo, mention in mentions]

    def mean_if(kind: bool) -> Estimate | None:
        chosen = [index for index, is_hallucinated in enumerate(hallucinated) if is_hallucinated is kind]
        return ratio_interval([photos[index] for index in chosen], [entropies[index] for index in chosen])

    return Hallucination(
        chair=chair.row,
        num_there=hallucinated.count(False),
        num_not_there=hallucinated.count(True),
        there=mean_if(False),
        not_there=mean_if(True),
        difference=difference_interval(photos, entropies, hallucinated),
    )


def _map_at(caption: Caption, index: int) -> Tensor:
    """(1, R): the map of one word."""
    assert caption.weights is not None
    return caption.weights[index : index + 1]
