"""How good captions are, in the numbers that papers print.

scores.py  BLEU, ROUGE-L and CIDEr-D by coco-caption's own scorers
report.py  the protocol a score belongs to, baselines, tables, and results on disk

Captions are one text a photo, by photo id; references are the texts of that photo, by the same id.
"""

from captioner.metrics.report import (
    Protocol,
    baselines,
    count_references,
    most_frequent_caption,
    save_results,
    save_scores,
    seen_share,
    table,
)
from captioner.metrics.scores import cider_d, score

__all__ = [
    "Protocol",
    "baselines",
    "cider_d",
    "count_references",
    "most_frequent_caption",
    "save_results",
    "save_scores",
    "score",
    "seen_share",
    "table",
]
