r"""Attention taught by boxes: a word that names an object of the photo should attend to the regions on it.

For a word that names objects with boxes $o$, the taught map is $q_r \propto |r \cap o| \,/\, |r|$, with the sum 1. The loss is the
Kullback-Leibler divergence of the word's map from it. Words that name nothing in a box are taught nothing.

Source: supervised attention, Liu et al. 2017 (arXiv 1605.09553). Differs: the divergence in place of the cross-entropy, which has the
same gradient; and a table of words says which category a word names, in place of the similarity of word vectors.

Shapes: B photos, Q references of one photo, T words, R regions, N words that name an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captioner.features.views import seen_as
from captioner.regions import Grid
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import Vocabulary
from captioner.training.contract import map_divergences

if TYPE_CHECKING:
    from captioner.data.batches import Batch


class ObjectMaps:
    """The maps of words that name objects in boxes.

    Args:
        of_photos: by the photo's index and the category: the map (R,) of the category's objects, with the sum 1.
        object_words: finds the objects that a caption names.
        vocabulary: the words of the captions.
        grid: the regions.
    """

    def __init__(
        self,
        of_photos: Mapping[int, Mapping[str, Tensor]],
        object_words: ObjectWords,
        vocabulary: Vocabulary,
        grid: Grid,
    ):
        self.of_photos, self.object_words, self.vocabulary, self.grid = of_photos, object_words, vocabulary, grid

    def divergences(self, weights: Tensor, batch: Batch) -> Tensor:
        """(B, Q, T): the divergence of each word's map from the map of the objects that it names; 0 for words that name none.

        Args:
            weights: of attention, (B, Q, T, R); scaled to sum 1.
            batch: the photos, with their indices and views, and the words.
        """
        positions: list[tuple[int, int, int]] = []
        maps: list[Tensor] = []
        for photo, (index, view) in enumerate(zip(batch.indices, batch.views, strict=True)):
            if index not in self.of_photos:
                continue
            for caption, words in enumerate(batch.targets[photo].tolist()):
                for place, category in self.named(words):
                    if category in self.of_photos[index]:
                        positions.append((photo, caption, place))
                        maps.append(self._seen(index, category, view))
        if not maps:
            return weights.new_zeros(weights.shape[:3])
        where = torch.tensor(positions, device=weights.device).unbind(1)
        divergences = map_divergences(weights[where], torch.stack(maps).to(weights.device))  # (N,)
        return divergences.new_zeros(weights.shape[:3]).index_put(where, divergences)

    def named(self, words: Sequence[int]) -> list[tuple[int, str]]:
        """The words of a caption that name an object, as (place, category); of a phrase, each word."""
        named = self.object_words([self.vocabulary.words[word] for word in words])
        return [(place, one.category) for one in named for place in range(one.start, one.last + 1)]

    def _seen(self, photo: int, category: str, view: int) -> Tensor:
        """The map (R,) in a view of the photo."""
        square = self.of_photos[photo][category].view(self.grid.rows, self.grid.columns)
        return seen_as(square, view).flatten()
