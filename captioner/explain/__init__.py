"""Numbers for attention: is the map on the right object, is it the reason for the word, and does the model need it?

agreement.py        the weight of a map on an area of the photo, and the weight of a uniform map there
areas.py            boxes, unions of boxes and masks
grounding.py        words of captions that name objects of the photo, and their maps on those objects
baseline_maps.py    maps to compare attention with: uniform, centre of the photo, shuffled, another word's
pairs.py            drawn pictures: are the named objects ("red circle") there, and is the map on them?
shape.py            entropy, sharpness and change of maps, which need no ground truth
shape_estimates.py  the same and more, with intervals over photos
forced_decoding.py  maps and log-probabilities of given captions
replaced_maps.py    a decoder whose maps are replaced
deletion.py         insertion and deletion of regions in the order of a map
gradients.py        maps from gradients
posterior.py        attention given the word that was written
layers.py           the attention of every layer of a decoder
receptive_field.py  the pixels that a region of an encoder depends on
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from captioner.explain.pairs import PairAgreement, agree, named_pairs, read_objects

__all__ = ["PairAgreement", "agree", "named_pairs", "read_objects"]


def __getattr__(name: str) -> Any:
    """The names for notebooks, imported on first use: training needs `shape` alone."""
    if name not in __all__:
        from captioner.moved import earlier_name

        return earlier_name(__name__, name)
    from captioner.explain import pairs

    return getattr(pairs, name)
