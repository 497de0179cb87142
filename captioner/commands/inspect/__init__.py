"""Attention as numbers: is it on the right object, is it the reason for the word, and does the model need it?

inspection.py         the inspection, step by step
inputs.py             the run, the photos, their objects and their references
observations.py       captions and forced decoding, with the model's own maps and with replaced maps
compared_maps.py      maps compared with objects, with baselines and with one another
measures.py           insertion and deletion, hallucinated words, costs
findings.py           the results, as json, and the verdict
inspection_tables.py  the results as tables, for a terminal
inspection_figure.py  the results as a figure
"""

from captioner.commands.inspect.findings import Card, save
from captioner.commands.inspect.inputs import Request
from captioner.commands.inspect.inspection import inspect
from captioner.commands.inspect.inspection_tables import tables

__all__ = ["Card", "Request", "inspect", "save", "tables"]
