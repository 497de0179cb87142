"""Is the map right, and does it matter? Numbers for attention.

agreement.py  how much of a word's attention falls on an area of the photo, and how much would by chance
areas.py      boxes, unions of boxes and masks
looks.py      the words of captions that name objects of the photo, and what their maps have there
baselines.py  maps that know less: uniform ones, the photo's centre, shuffled maps, another word's
shape.py      how sharp maps are and how they move, which needs no ground truth, with intervals over photos
reading.py    known captions, with the maps and log-probabilities of their words
replacing.py  a decoder whose maps are replaced
deletion.py   regions taken away, or given, in the order of a map
gradients.py  maps from gradients, to hold attention against
pairs.py      drawn pictures: does a caption name what is there ("red circle"), and look at it while doing so
"""

from captioner.explain.agreement import Overlap
from captioner.explain.areas import Area
from captioner.explain.grounding import Agreement, Look, ObjectPlaces, agreement, by_offset, by_size, find_looks
from captioner.explain.known_captions import read, read_captions
from captioner.explain.pairs import PairAgreement, agree, named_pairs, read_objects
from captioner.explain.replaced_maps import maps_of, of_other_words, replaced
from captioner.explain.shape import shape_estimates

__all__ = [
    "Agreement",
    "Area",
    "Look",
    "ObjectPlaces",
    "Overlap",
    "PairAgreement",
    "agree",
    "agreement",
    "by_offset",
    "by_size",
    "find_looks",
    "maps_of",
    "named_pairs",
    "of_other_words",
    "read",
    "read_captions",
    "read_objects",
    "replaced",
    "shape_estimates",
]
