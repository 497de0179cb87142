"""Is the map right? Numbers for attention.

agreement.py  how much of a word's attention falls on a box of the photo, and how much would by chance
shape.py      how sharp maps are and how they move, which needs no ground truth
pairs.py      drawn pictures: does a caption name what is there ("red circle"), and look at it while doing so
"""

from captioner.explain.agreement import box_masses, fair_share, lift, points_inside
from captioner.explain.pairs import PairAgreement, agree, named_pairs, read_objects
from captioner.explain.shape import MapShape, map_shape

__all__ = [
    "MapShape",
    "PairAgreement",
    "agree",
    "box_masses",
    "fair_share",
    "lift",
    "map_shape",
    "named_pairs",
    "points_inside",
    "read_objects",
]
