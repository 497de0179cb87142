"""The protocol of a run's scores: what they depend on besides the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from captioner import metrics
from captioner.builder.sections import PartSettings, Settings
from captioner.metrics.coco_scores import References
from captioner.metrics.protocol import Protocol
from captioner.search import Limits

SPACED = "ptb"
"""The tokeniser of coco-caption."""


def scoring_tokens(trained: str) -> str:
    """The default tokeniser for scoring: coco-caption's, as in papers, but the model's own for tokenised captions and for languages
    without spaces."""
    return trained if trained in ("characters", "whitespace") else SPACED


def protocol_of(settings: Settings, split: str, references: References, tokens: str, runs: Sequence[Path]) -> Protocol:
    """The protocol of a run, or of an ensemble with the settings of its first run."""
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


_NAMED_ELSEWHERE = {"length_rule", "unknown"}
_DEFAULTS = vars(Limits()) | {"temperature": 1.0, "top_k": 0, "top_p": 1.0}


def _decoding(search: PartSettings) -> str:
    """The search with its options, and the limits that differ from their defaults."""
    options = {
        key: value
        for key, value in search.options.items()
        if key not in _NAMED_ELSEWHERE and value != _DEFAULTS.get(key)
    }
    if search.kind == "beam":
        return " ".join(["beam", str(options.pop("beams")), *(f"{key} {value}" for key, value in options.items())])
    return " ".join([search.kind, *(f"{key} {value}" for key, value in options.items())])


def _reward(objective: PartSettings) -> str:
    """The reward of self-critical training, or nothing; the end token always counts as a word."""
    parts = [f"{objective.options[name]:g} {name}" for name in ("cider", "bleu") if objective.options.get(name)]
    return f"{' + '.join(parts)}, end token included" if parts else ""
