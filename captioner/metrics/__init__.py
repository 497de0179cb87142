"""Metrics of captions, as papers report them.

coco_scores.py BLEU, ROUGE-L and CIDEr-D as coco-caption computes them, of all captions and of each
java.py        METEOR and SPICE, where their programs can run
clip.py        CLIPScore, where its model is installed
bleu.py        BLEU
nltk_bleu.py   BLEU by the popular tutorial's protocol
rouge.py       ROUGE-L
cider.py       CIDEr-D of many captions at once, also as a reward of training
frequencies.py document frequencies of n-grams, stored
rewards.py     scores as rewards of training
sequences.py   n-grams, numbered and counted, for BLEU and CIDEr-D
diversity.py   diversity, repetitions and bad endings of captions
chair.py       objects that a caption names and the photo does not show
scoring.py     every score of one system, with intervals, and differences of two systems
bootstrap.py   intervals over photos
neighbours.py  a baseline that copies from the most similar training photos
protocol.py    the protocol of a score, baselines, tables, and results on disk
units.py       units of scores

Captions are a mapping from photo id to text; references are a mapping from the same photo ids to lists of texts.

Names are imported from their modules on first use: training needs only some of them, and neither Java nor CLIP.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from captioner.metrics.chair import chair_scores as chair_scores
    from captioner.metrics.chair import check_instances as check_instances
    from captioner.metrics.cider import CiderD as CiderD
    from captioner.metrics.clip import Clip as Clip
    from captioner.metrics.clip import ClipScorer as ClipScorer
    from captioner.metrics.clip import load_clip as load_clip
    from captioner.metrics.coco_scores import cider_d as cider_d
    from captioner.metrics.coco_scores import cider_d_each as cider_d_each
    from captioner.metrics.coco_scores import score as score
    from captioner.metrics.coco_scores import score_each as score_each
    from captioner.metrics.coco_scores import word_rule as word_rule
    from captioner.metrics.diversity import diversity_scores as diversity_scores
    from captioner.metrics.diversity import variety as variety
    from captioner.metrics.frequencies import DocumentFrequencies as DocumentFrequencies
    from captioner.metrics.java import begin_meteor as begin_meteor
    from captioner.metrics.java import java_scores as java_scores
    from captioner.metrics.neighbours import NEAREST as NEAREST
    from captioner.metrics.neighbours import neighbours_captions as neighbours_captions
    from captioner.metrics.protocol import MOST_FREQUENT as MOST_FREQUENT
    from captioner.metrics.protocol import Protocol as Protocol
    from captioner.metrics.protocol import count_references as count_references
    from captioner.metrics.protocol import dashes as dashes
    from captioner.metrics.protocol import differences_table as differences_table
    from captioner.metrics.protocol import grouped as grouped
    from captioner.metrics.protocol import most_frequent_caption as most_frequent_caption
    from captioner.metrics.protocol import save_results as save_results
    from captioner.metrics.protocol import save_scores as save_scores
    from captioner.metrics.protocol import scorers as scorers
    from captioner.metrics.protocol import table as table
    from captioner.metrics.rewards import Rewards as Rewards
    from captioner.metrics.scoring import SystemScorer as SystemScorer
    from captioner.metrics.scoring import SystemScores as SystemScores

_MODULES = {
    "chair": ["chair_scores", "check_instances"],
    "cider": ["CiderD"],
    "clip": ["Clip", "ClipScorer", "load_clip"],
    "diversity": ["diversity_scores", "variety"],
    "frequencies": ["DocumentFrequencies"],
    "java": ["begin_meteor", "java_scores"],
    "neighbours": ["NEAREST", "neighbours_captions"],
    "protocol": [
        "MOST_FREQUENT",
        "Protocol",
        "count_references",
        "dashes",
        "differences_table",
        "grouped",
        "most_frequent_caption",
        "save_results",
        "save_scores",
        "scorers",
        "table",
    ],
    "rewards": ["Rewards"],
    "coco_scores": ["cider_d", "cider_d_each", "score", "score_each", "word_rule"],
    "scoring": ["SystemScorer", "SystemScores"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        from captioner.moved import earlier_name

        return earlier_name(__name__, name)
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
