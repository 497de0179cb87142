"""How good captions are, in the numbers that papers print.

scores.py      BLEU, ROUGE-L and CIDEr-D by coco-caption's own scorers; METEOR where there is Java
bootstrap.py   how far a difference of scores would swing on other photos
neighbours.py  a baseline that copies from the most similar training photos
report.py      the protocol a score belongs to, baselines, tables, and results on disk

Captions are one text a photo, by photo id; references are the texts of that photo, by the same id.
"""

from captioner.metrics.neighbours import NEAREST, neighbours_captions
from captioner.metrics.report import (
    IN_TRAINING,
    MOST_FREQUENT,
    Protocol,
    baselines,
    count_references,
    most_frequent_caption,
    save_results,
    save_scores,
    seen_share,
    table,
)
from captioner.metrics.scores import cider_d, cider_d_each, java_scores, score

__all__ = [
    "IN_TRAINING",
    "MOST_FREQUENT",
    "NEAREST",
    "Protocol",
    "baselines",
    "cider_d",
    "cider_d_each",
    "count_references",
    "java_scores",
    "most_frequent_caption",
    "neighbours_captions",
    "save_results",
    "save_scores",
    "score",
    "seen_share",
    "table",
]
