"""Every score of one system, its 95 % intervals over photos, and the paired differences of two systems.

Shapes: K resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from numpy import ndarray

from captioner.data.instances import Instances
from captioner.metrics.bootstrap import Tally, interval, resampled
from captioner.metrics.chair import chair_scores
from captioner.metrics.clip import ClipScorer
from captioner.metrics.coco_scores import Captions, PhotoId, References, tallies, tokenised_references
from captioner.metrics.diversity import diversity_tallies, train_captions, variety_each, words_used
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.java import BegunMeteor, java_tallies
from captioner.metrics.nltk_bleu import NLTK_BLEU, nltk_bleu
from captioner.metrics.units import WORDS_USED


@dataclass(frozen=True)
class SystemScores:
    """The scores of one system, in coco-caption's own scale."""

    scores: dict[str, float]
    # (K,) for every score but nltk's and the words used, of which a resample has fewer, since it repeats photos
    resampled: dict[str, ndarray]

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The ends of each score's 95 % interval over photos."""
        return {name: interval(values) for name, values in self.resampled.items()}

    def minus(self, other: SystemScores) -> dict[str, tuple[float, float, float]]:
        """This system's score minus the other's on the same photos, with its paired 95 % interval, for each score that both have."""
        return {
            name: (self.scores[name] - other.scores[name], *interval(values - other.resampled[name]))
            for name, values in self.resampled.items()
            if name in other.resampled
        }


@dataclass(frozen=True)
class SystemScorer:
    """Scores the captions of one system after another on the same photos."""

    references: References
    tokens: str  # the tokenisation rule
    train: References | None = None  # training captions, to tell which captions are new
    instances: Instances | None = None  # objects, for CHAIR
    clip: ClipScorer | None = None  # for CLIPScore
    words: Callable[[str], list[str]] = str.split  # how the model reads a text, for nltk's BLEU

    def __call__(
        self,
        captions: Captions,
        candidates: Mapping[PhotoId, Sequence[str]] | None = None,
        java: bool = False,
        begun: BegunMeteor | None = None,
    ) -> SystemScores:
        """Score one caption for each photo.

        Args:
            candidates: two or more captions of each photo, to measure how diverse they are.
            java: whether to run METEOR and SPICE, where they can run.
            begun: METEOR of some of the captions, which is not computed again.

        Raises:
            UserError: photos and captions do not pair up, or a Java program fails.
        """
        accuracy = tallies(captions, self.references, self.tokens)  # checks that captions and references pair up
        captions = {photo: captions[photo] for photo in self.references}
        accuracy += java_tallies(captions, self.references, self.tokens, begun) if java else []
        accuracy += [self.clip(captions)] if self.clip is not None else []
        other = [Tally.means(variety_each(captions, self.tokens, self._train_captions))]
        if self.instances is not None:
            other.append(chair_scores(captions, self.references, self.instances, self.tokens).tally)
        if candidates is not None:
            ordered = {photo: candidates[photo] for photo in self.references}
            other += diversity_tallies(ordered, self._frequencies, self.tokens)
        num_words = {WORDS_USED: float(words_used(captions, self.tokens))}
        nltk = {NLTK_BLEU: nltk_bleu(captions, self.references, self.words)}
        return SystemScores(_totals(accuracy) | nltk | num_words | _totals(other), resampled([*accuracy, *other]))

    @cached_property
    def _train_captions(self) -> Collection[tuple[str, ...]] | None:
        return None if self.train is None else train_captions(self.train, self.tokens)

    @cached_property
    def _frequencies(self) -> DocumentFrequencies:
        return DocumentFrequencies.count(tokenised_references(self.references, self.tokens))


def _totals(parts: Sequence[Tally]) -> dict[str, float]:
    """The scores of all photos together."""
    return {name: value for tally in parts for name, value in tally.of_all().items()}
