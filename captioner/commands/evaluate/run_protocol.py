"""What a run's scores depend on besides the model, as a protocol says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from captioner import metrics
from captioner.builder.sections import Part, Settings
from captioner.metrics.protocol import Protocol
from captioner.metrics.scores import References

SPACED = "ptb"
"""What cuts captions into words for scoring, as coco-caption does."""


def scoring_tokens(trained: str) -> str:
    """What cuts captions into words for scoring, where nobody says: coco-caption's rule, which numbers of papers stand on; the model's own
    where captions come tokenised, or in a language without spaces."""
    return trained if trained in ("characters", "whitespace") else SPACED


def protocol_of(settings: Settings, split: str, references: References, tokens: str, runs: Sequence[Path]) -> Protocol:
    """Of a run's settings, and of the others that write with it."""
    search = settings.search
    return Protocol(
        split=split,
        num_photos=len(references),
        num_references=metrics.count_references(references),
        tokens=tokens,
        decoding=_decoding(search),
        length_rule=search.options.get("length_rule", "none"),
        unknown=search.options["unknown"],
        reward=_reward(settings.objective),
        seed=settings.run.seed,
        models=f"mean probabilities of {', '.join(map(str, runs))}" if len(runs) > 1 else "",
    )


_SAID_ELSEWHERE = {"length_rule", "unknown", "max_length"}
_USUAL = {"min_length": 1, "no_repeat": 0, "bad_endings": "allow", "temperature": 1.0, "top_k": 0, "top_p": 1.0}


def _decoding(search: Part) -> str:
    """The way of decoding with its own numbers, and the limits that are not the usual ones."""
    told = {
        key: value for key, value in search.options.items() if key not in _SAID_ELSEWHERE and value != _USUAL.get(key)
    }
    if search.kind == "beam":
        return " ".join(["beam", str(told.pop("beams")), *(f"{key} {value}" for key, value in told.items())])
    return " ".join([search.kind, *(f"{key} {value}" for key, value in told.items())])


def _reward(objective: Part) -> str:
    """What the model was trained to be rewarded for, if it was; the end mark is always a word of it."""
    parts = [f"{objective.options[name]:g} {name}" for name in ("cider", "bleu") if objective.options.get(name)]
    return f"{' + '.join(parts)}, end mark included" if parts else ""
