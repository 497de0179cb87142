"""Attention as numbers: is it right, does it matter, and what is it like? Of one run, on photos whose objects are known.

opening.py    the run, the photos, their objects and their captions
watching.py   what the model writes and reads there, with its maps, and what it writes and reads when they are replaced
judging.py    the maps held against objects, against baselines, and against what makes the words likely
card.py       all that was found: as json, as a figure, and in a sentence
printing.py   as tables, for a terminal
"""

from captioner.commands.inspect.findings import Card, save
from captioner.commands.inspect.inputs import Request
from captioner.commands.inspect.inspection_tables import tables
from captioner.commands.inspect.measures import inspect

__all__ = ["Card", "Request", "inspect", "save", "tables"]
