r"""Attention taught by boxes: a word that names an object of the photo should attend to the regions on it.

The taught map of a word that names objects has $q_r \propto |r \cap o|$, with the sum 1; $o$ is the union of their boxes. The loss of a
word with the map $p$ is the Kullback-Leibler divergence $\sum_r q_r \log (q_r / p_r)$. Other words are not supervised.

Source: supervised attention, Liu et al. 2017 (arXiv 1605.09553). Differs: the divergence in place of the cross-entropy, which has the
same gradient; and a table of words says which category a word names, in place of the similarity of word vectors.

Shapes: B photos, Q references of one photo, T words, R regions, N words that name an object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captioner.features.sources import seen_as
from captioner.regions import Grid
from captioner.text.objects import ObjectWords
from captioner.text.vocabulary import Vocabulary
from captioner.training.contract import map_divergences

if TYPE_CHECKING:
    from captioner.data.batches import Batch


class ObjectMaps:
    """The taught maps of words that name objects in boxes.

    Args:
        categories: of the boxes in each photo that has any, by the photo's index.
        map_of: the map (R,) of a category's objects in a photo, with the sum 1; None if none is in view. Called once for each.
        object_words: finds the objects that a caption names.
        vocabulary: the words of the captions.
        grid: the regions.
    """

    def __init__(
        self,
        categories: Mapping[int, frozenset[str]],
        map_of: Callable[[int, str], Tensor | None],
        object_words: ObjectWords,
        vocabulary: Vocabulary,
        grid: Grid,
    ):
        self.categories, self.map_of = categories, map_of
        self.object_words, self.vocabulary, self.grid = object_words, vocabulary, grid
        self._maps: dict[tuple[int, str], Tensor | None] = {}

    def divergences(self, weights: Tensor, batch: Batch) -> Tensor:
        """(B, Q, T): the divergence of each word's map from the taught one; 0 for words that are not supervised.

        Args:
            weights: of attention, (B, Q, T, R); scaled to sum 1.
            batch: the photos, with their indices and views, and the words.
        """
        positions: list[tuple[int, int, int]] = []
        maps: list[Tensor] = []
        photos = enumerate(zip(batch.indices, batch.views, strict=True))
        boxed = [(photo, index, view) for photo, (index, view) in photos if index in self.categories]
        captions = batch.targets.tolist() if boxed else []  # waits for a GPU
        for photo, index, view in boxed:
            for caption, words in enumerate(captions[photo]):
                for position, category in self.named(words):
                    taught = self._seen(index, category, view) if category in self.categories[index] else None
                    if taught is not None:
                        positions.append((photo, caption, position))
                        maps.append(taught)
        if not maps:
            return weights.new_zeros(weights.shape[:3])
        where = torch.tensor(positions, device=weights.device).unbind(1)
        divergences = map_divergences(weights[where], torch.stack(maps).to(weights.device))  # (N,)
        return divergences.new_zeros(weights.shape[:3]).index_put(where, divergences)

    def named(self, words: Sequence[int]) -> list[tuple[int, str]]:
        """The words of a caption that name an object, as (position, category); of a phrase, each word."""
        found = self.object_words([self.vocabulary.words[word] for word in words])
        return [(position, named.category) for named in found for position in range(named.start, named.last + 1)]

    def _seen(self, photo: int, category: str, view: int) -> Tensor | None:
        """The map (R,) in a view of the photo."""
        if (photo, category) not in self._maps:
            self._maps[photo, category] = self.map_of(photo, category)
        whole = self._maps[photo, category]
        return None if whole is None else seen_as(whole.view(self.grid.rows, self.grid.columns), view).flatten()
