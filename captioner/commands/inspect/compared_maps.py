"""Maps compared with objects, with baselines and with one another; and the posterior maps of captions.

Shapes: T words, R regions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from captioner.commands.inspect.inputs import PhotoRegions
from captioner.explain.baseline_maps import ShuffledMaps, centre_of, other_word, uniform_map
from captioner.explain.forced_decoding import encode_captions
from captioner.explain.grounding import Agreement, Gain, Mention, OnObjects
from captioner.explain.posterior import has_posterior, posterior_maps
from captioner.search import Caption
from captioner.text.vocabulary import Vocabulary

ATTENTION, CENTRE = "attention", "centre of the photo"

Word = tuple[int, int]
"""A word: the index of its photo, and its index in the photo's caption."""
WordMaps = Mapping[str, Mapping[Word, Tensor]]
"""Maps (R,) of words, by the name of their kind."""


def compare_maps(
    mentions: Sequence[Mention], from_gradients: WordMaps, posterior: Posterior | None
) -> tuple[dict[str, Agreement], dict[str, dict[str, Gain]]]:
    """Agreement of attention, of its posterior and of the baselines with objects; of maps from gradients and of attention at the same
    words. Then how much more attention, posterior and gradients are on the objects than the centre of the photo and than attention.
    """
    kinds: dict[str, Callable[[Mention], Tensor]] = {
        ATTENTION: lambda mention: mention.map,
        **({"posterior": posterior.of_mention} if posterior else {}),
        "uniform": uniform_map,
        CENTRE: centre_of,
        "shuffled": ShuffledMaps(0),
        "another word's": other_word,
    }
    rows = {name: OnObjects.of(mentions, map_of) for name, map_of in kinds.items()}
    gains = {name: _gains(name, rows[name], rows) for name in (ATTENTION, "posterior") if name in rows}
    if from_gradients:
        words = next(iter(from_gradients.values()))  # all kinds of gradients have the same words
        chosen = [mention for mention in mentions if (mention.photo, mention.index) in words]
        same = {name: OnObjects.of(chosen, kinds[name]) for name in (ATTENTION, CENTRE)}
        rows["attention, the same words"] = same[ATTENTION]
        for name, maps in from_gradients.items():
            rows[name] = OnObjects.of(chosen, lambda mention, maps=maps: maps[mention.photo, mention.index])
            gains[name] = _gains(name, rows[name], same)
    return {name: row.agreement() for name, row in rows.items()}, gains


def _gains(name: str, row: OnObjects, others: Mapping[str, OnObjects]) -> dict[str, Gain]:
    return {other: row.gain(others[other]) for other in (CENTRE, ATTENTION) if other != name}


@dataclass(frozen=True)
class Posterior:
    """The posterior maps of captions; those of a caption's words are computed once, together."""

    regions: PhotoRegions
    vocabulary: Vocabulary
    computed: dict[tuple[int, tuple[str, ...]], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, regions: PhotoRegions, vocabulary: Vocabulary) -> Posterior | None:
        """None if the model has no posterior."""
        return cls(regions, vocabulary) if has_posterior(regions.model) else None

    def __call__(self, photo: int, caption: Caption) -> Tensor:
        """(T, R): the map of each word of a photo's caption."""
        key = (photo, tuple(caption.words))
        if key not in self.computed:
            regions = self.regions([photo])
            words = encode_captions([[caption.words]], self.vocabulary)[0, :, :-1]  # no end token
            maps = posterior_maps(self.regions.model, regions, words.to(regions.mask.device))[0]
            self.computed[key] = maps[:, regions.mask[0]].cpu()
        return self.computed[key]

    def of_mention(self, mention: Mention) -> Tensor:
        """(R,)."""
        return self(mention.photo, mention.caption)[mention.index]
