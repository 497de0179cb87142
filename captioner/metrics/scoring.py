"""What captions are worth: every score of one system, how far each would swing on other photos, and differences of two systems.

Shapes: K resamples.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from numpy import ndarray

from captioner.data.instances import Instances
from captioner.metrics.bootstrap import Tally, interval, resampled
from captioner.metrics.chair import chair_scores
from captioner.metrics.clip import ClipScorer
from captioner.metrics.diversity import diversity_tallies, known_captions, variety_each, words_used
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.java import java_tallies
from captioner.metrics.scores import Captions, PhotoId, References, cut_references, tallies
from captioner.metrics.units import WORDS_USED


@dataclass(frozen=True)
class Worth:
    """The scores of one system, in coco-caption's own scale."""

    scores: dict[str, float]
    resampled: dict[str, ndarray]  # (K,) of each score, less the words used: a resample repeats photos, so it has fewer

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The ends of each score's 95 % interval over photos."""
        return {name: interval(values) for name, values in self.resampled.items()}

    def less(self, other: Worth) -> dict[str, tuple[float, float, float]]:
        """By how much each score that both have is larger than the other system's of the same photos, and its 95 % interval (paired)."""
        return {
            name: (self.scores[name] - other.scores[name], *interval(values - other.resampled[name]))
            for name, values in self.resampled.items()
            if name in other.resampled
        }


@dataclass(frozen=True)
class Judge:
    """Scores captions of the same photos, one system after another."""

    references: References
    tokens: str
    train: References | None = None  # captions to say whether a caption is new
    instances: Instances | None = None  # objects, for CHAIR
    clip: ClipScorer | None = None  # for CLIPScore

    def __call__(
        self, captions: Captions, several: Mapping[PhotoId, Sequence[str]] | None = None, java: bool = False
    ) -> Worth:
        """Score one caption for each photo.

        Args:
            several: two or more captions of each photo, to say how diverse they are.
            java: whether to run METEOR and SPICE, where they can run.

        Raises:
            UserError: photos and captions do not pair up, or a Java program fails.
        """
        found = tallies(captions, self.references, self.tokens)  # says what does not pair up
        captions = {photo: captions[photo] for photo in self.references}
        found += java_tallies(captions, self.references, self.tokens) if java else []
        found += [self.clip(captions)] if self.clip is not None else []
        more = [Tally.means(variety_each(captions, self.tokens, self._known))]
        if self.instances is not None:
            more.append(chair_scores(captions, self.references, self.instances, self.tokens).tally)
        if several is not None:
            ordered = {photo: several[photo] for photo in self.references}
            more += diversity_tallies(ordered, self._frequencies, self.tokens)
        used = {WORDS_USED: float(words_used(captions, self.tokens))}
        return Worth(_of_all(found) | used | _of_all(more), resampled([*found, *more]))

    @cached_property
    def _known(self) -> Collection[tuple[str, ...]] | None:
        return None if self.train is None else known_captions(self.train, self.tokens)

    @cached_property
    def _frequencies(self) -> DocumentFrequencies:
        return DocumentFrequencies.count(cut_references(self.references, self.tokens))


def _of_all(found: Sequence[Tally]) -> dict[str, float]:
    return {name: value for tally in found for name, value in tally.of_all().items()}
