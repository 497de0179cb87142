"""Attention as numbers: is it right, does it matter, and what is it like? Of one run, on photos whose objects are known.

opening.py    the run, the photos, their objects and their captions
watching.py   what the model writes and reads there, with its maps, and what it writes and reads when they are replaced
judging.py    the maps held against objects, against baselines, and against what makes the words likely
card.py       all that was found: as json, as a figure, and in a sentence
printing.py   as tables, for a terminal
"""

from captioner.inspection.card import Card, save
from captioner.inspection.judging import inspect
from captioner.inspection.opening import Request
from captioner.inspection.printing import tables

__all__ = ["Card", "Request", "inspect", "save", "tables"]
