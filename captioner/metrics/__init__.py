"""How good captions are, in the numbers that papers print.

scores.py      BLEU, ROUGE-L and CIDEr-D as coco-caption has them, of all captions and of each; METEOR where there is Java
bleu.py        BLEU
rouge.py       ROUGE-L
cider.py       CIDEr-D for many captions at once, also as a reward of training
frequencies.py in how many photos' references a word sequence stands, stored
rewards.py     scores as rewards of training
sequences.py   word sequences, numbered and counted: what BLEU and CIDEr-D begin with
diversity.py   how varied captions are, what repeats, what ends badly
chair.py       objects that a caption names and that are not there
neighbours.py  a baseline that copies from the most similar training photos
report.py      the protocol a score belongs to, baselines, tables, and results on disk

Captions are one text a photo, by photo id; references are the texts of that photo, by the same id.
"""

from captioner.metrics.chair import chair_scores
from captioner.metrics.cider import CiderD
from captioner.metrics.diversity import diversity_scores, variety
from captioner.metrics.frequencies import DocumentFrequencies
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
from captioner.metrics.rewards import Rewards
from captioner.metrics.scores import cider_d, cider_d_each, java_scores, score, score_each

__all__ = [
    "IN_TRAINING",
    "MOST_FREQUENT",
    "NEAREST",
    "CiderD",
    "DocumentFrequencies",
    "Protocol",
    "Rewards",
    "baselines",
    "chair_scores",
    "cider_d",
    "cider_d_each",
    "count_references",
    "diversity_scores",
    "java_scores",
    "most_frequent_caption",
    "neighbours_captions",
    "save_results",
    "save_scores",
    "score",
    "score_each",
    "seen_share",
    "table",
    "variety",
]
