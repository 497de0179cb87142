"""How good captions are, in the numbers that papers print.

scores.py      BLEU, ROUGE-L and CIDEr-D as coco-caption has them, of all captions and of each
java.py        METEOR and SPICE, where their programs can run
clip.py        CLIPScore, where its model is there
bleu.py        BLEU
rouge.py       ROUGE-L
cider.py       CIDEr-D for many captions at once, also as a reward of training
frequencies.py in how many photos' references a word sequence stands, stored
rewards.py     scores as rewards of training
sequences.py   word sequences, numbered and counted: what BLEU and CIDEr-D begin with
diversity.py   how varied captions are, what repeats, what ends badly
chair.py       objects that a caption names and that are not there
scoring.py     every score of one system, with intervals, and the differences of two
neighbours.py  a baseline that copies from the most similar training photos
protocol.py    the protocol a score belongs to, baselines, tables, and results on disk

Captions are one text a photo, by photo id; references are the texts of that photo, by the same id.
"""

from captioner.metrics.chair import chair_scores, check_instances
from captioner.metrics.cider import CiderD
from captioner.metrics.clip import Clip, ClipScorer, load_clip
from captioner.metrics.diversity import diversity_scores, variety
from captioner.metrics.frequencies import DocumentFrequencies
from captioner.metrics.java import java_scores
from captioner.metrics.neighbours import NEAREST, neighbours_captions
from captioner.metrics.protocol import (
    MOST_FREQUENT,
    Protocol,
    count_references,
    dashes,
    differences_table,
    grouped,
    most_frequent_caption,
    save_results,
    save_scores,
    scorers,
    table,
)
from captioner.metrics.rewards import Rewards
from captioner.metrics.scores import cider_d, cider_d_each, score, score_each, word_rule
from captioner.metrics.scoring import SystemScorer, SystemScores

__all__ = [
    "MOST_FREQUENT",
    "NEAREST",
    "CiderD",
    "Clip",
    "ClipScorer",
    "DocumentFrequencies",
    "Protocol",
    "Rewards",
    "SystemScorer",
    "SystemScores",
    "chair_scores",
    "check_instances",
    "cider_d",
    "cider_d_each",
    "count_references",
    "dashes",
    "differences_table",
    "diversity_scores",
    "grouped",
    "java_scores",
    "load_clip",
    "most_frequent_caption",
    "neighbours_captions",
    "save_results",
    "save_scores",
    "score",
    "score_each",
    "scorers",
    "table",
    "variety",
    "word_rule",
]
