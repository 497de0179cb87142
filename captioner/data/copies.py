"""Copies among photos: equal bytes, or the same picture in another size or compression.

Shapes: n photos, F numbers of a fingerprint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy
import torch
from PIL import Image
from torch import Tensor

_EDGE = 16  # pixels of the thumbnail that is compared
_FLAT = 2.0  # grey levels of contrast; pictures with less all look alike
_SAME = 0.995
"""Cosine of two fingerprints above which photos are the same picture. Among all pairs of training and validation photos of Flickr8k and
Pascal the largest is below 0.98, of 5,000 and 300 drawn pictures 0.987; of a photo and its copy at half the size, or at JPEG quality
30, the smallest is above 0.998."""
_CHUNK = 1024


def fingerprint(photo: Image.Image) -> Tensor | None:
    """(F): a thumbnail in colour, squashed to a square, without its mean, of length 1. None if the photo has no contrast."""
    small = photo.convert("RGB").resize((_EDGE, _EDGE), Image.Resampling.BOX)
    pixels = torch.from_numpy(numpy.array(small, dtype=numpy.float32)).flatten(0, 1)
    centred = (pixels - pixels.mean(0)).flatten()
    return None if centred.square().mean().sqrt() < _FLAT else torch.nn.functional.normalize(centred, dim=0).half()


def find(photos: Sequence[tuple[str, str, Tensor | None]]) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """Groups of photos, by index: equal ones in several splits, equal ones within one, and pairs in two splits that look the same.

    A photo is its split, a digest of its bytes, and its fingerprint.
    """
    of_digest: dict[str, list[int]] = defaultdict(list)
    of_split: dict[str, dict[int, Tensor]] = defaultdict(dict)
    for index, (split, digest, own) in enumerate(photos):
        of_digest[digest].append(index)
        if own is not None:
            of_split[split][index] = own
    equal = [group for group in of_digest.values() if len(group) > 1]
    across = [group for group in equal if len({photos[index][0] for index in group}) > 1]
    pairs = [
        (ours[first], theirs[second])
        for one, other in combinations(of_split.values(), 2)
        for ours, theirs in [(list(one), list(other))]
        for first, second in _alike(torch.stack([*one.values()]), torch.stack([*other.values()]))
    ]
    alike = [[first, second] for first, second in pairs if photos[first][1] != photos[second][1]]
    within = [group for group in equal if len({photos[index][0] for index in group}) == 1]
    return across, within, alike


def _alike(one: Tensor, other: Tensor) -> list[tuple[int, int]]:
    """Rows of (n, F) and (n', F) that point in the same direction."""
    pairs, across = [], other.float().T
    for start in range(0, len(one), _CHUNK):
        cosines = one[start : start + _CHUNK].float() @ across  # (_CHUNK, n')
        pairs += [(start + first, second) for first, second in (cosines > _SAME).nonzero().tolist()]
    return pairs
