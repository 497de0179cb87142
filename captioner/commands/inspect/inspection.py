"""An inspection, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from captioner import builder
from captioner.commands.inspect.compared_maps import Posterior, compare_maps
from captioner.commands.inspect.findings import Card
from captioner.commands.inspect.inputs import Inputs, Request, read_inputs
from captioner.commands.inspect.measures import (
    measure_deletion,
    measure_hallucination,
    object_word_sample,
    replacement_costs,
)
from captioner.commands.inspect.observations import cider_by_photo, force_references, write_captions
from captioner.errors import UserError
from captioner.explain.gradients import has_captum
from captioner.explain.grounding import ObjectOverlaps, by_offset, by_size, find_mentions, lag
from captioner.explain.shape_estimates import shape_estimates
from captioner.metrics.chair import can_name
from captioner.progress import Report, silent
from captioner.search import Caption


def inspect(run: Path, request: Request, overrides: Sequence[str] = (), report: Report = silent) -> Card:
    """Measure the attention of a run; takes a minute or two for 145 photos.

    Raises:
        UserError: a file is missing or does not fit, or the run has no attention.
    """
    run = builder.model_folder(run)
    inputs = read_inputs(run, request, overrides, report)
    captioner, regions, references = inputs.captioner, inputs.regions, inputs.references
    vocabulary, seed = captioner.vocabulary, inputs.settings.run.seed

    captions = write_captions(captioner, regions, inputs.placements, seed, report)
    if captions[0].weights is None:
        raise UserError(f"{run} has attention.kind=none: there are no maps to inspect; give a run with attention")
    own = list(enumerate(captions))
    forced = force_references(regions, references, inputs.placements, vocabulary, report)

    overlaps = ObjectOverlaps(inputs.instances, [example.id for example in inputs.examples], request.masks)
    in_references = find_mentions(forced, overlaps, inputs.object_words)
    in_captions = find_mentions(own, overlaps, inputs.object_words)
    # the model cannot write a word outside its vocabulary, so the map at such a word of a reference means nothing
    in_references = [mention for mention in in_references if mention.word in vocabulary.number_of]
    mentions = {name: of for name, of in {"references": in_references, "captions": in_captions}.items() if of}

    lifts = {name: by_offset(of) for name, of in mentions.items()}
    sample = object_word_sample(captions, inputs.object_words)
    posterior = Posterior.of(regions, vocabulary)
    from_gradients, curve_areas = measure_deletion(sample, captions, regions, vocabulary, posterior, report)
    compared = {
        name: compare_maps(of, from_gradients if name == "captions" else {}, posterior) for name, of in mentions.items()
    }
    texts = [example.references for example in inputs.examples]
    return Card(
        about=_about(run, request, inputs, captions),
        agreement={name: agreements for name, (agreements, _) in compared.items()},
        gains={name: gains for name, (_, gains) in compared.items()},
        lag=lifts,
        best_offset={name: lag(of, lifts[name]) for name, of in mentions.items()},
        sizes={name: by_size(of) for name, of in mentions.items()},
        reasons=curve_areas,
        replaced=replacement_costs(captioner, regions, captions, references, texts, seed, report),
        shape=shape_estimates(own),
        hallucination=None
        if inputs.instances.of_phrases  # not all objects of their categories are known
        or not can_name(inputs.object_words, vocabulary.tokens)
        else measure_hallucination(captions, inputs.examples, inputs.instances, inputs.object_words, vocabulary.tokens),
        folder=inputs.folder,
    )


def _about(run: Path, request: Request, inputs: Inputs, captions: Sequence[Caption]) -> dict:
    """The run, the photos, and how they were measured."""
    scored = [index for index, references in enumerate(inputs.references) if references]
    texts = [example.references for example in inputs.examples]
    cider = cider_by_photo(captions, texts, scored, inputs.captioner.vocabulary.tokens) if len(scored) > 1 else []
    return {
        "run": str(run),
        "photos": len(inputs.examples),
        "references": sum(map(len, inputs.references)),
        "instances": request.instances.name,
        "areas": "outlines" if request.masks else "boxes",
        "attention": inputs.settings.resolved["attention"],
        "decoder": inputs.settings.decoder.kind,
        "attend": captions[0].attend,
        "regions": captions[0].layout.num_regions,
        "decoding": inputs.settings.resolved["search"],
        "CIDEr-D": sum(cider) / len(cider) if cider else None,
        "captum": has_captum(),
    }
