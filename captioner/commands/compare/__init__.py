"""Kinds of attention, and decoders, on equal terms: one recipe, several seeds, one table.

variants.py  what is compared, by its name on the command line
running.py   the comparison, run by run
lines.py     what was measured of a run, and a kind's line of the table
times.py     what a kind costs
table.py     the table, saved, and printed in parts

Every run lies in a folder of its own and is trained, measured and written down there; what is there already is not done again, so that
a comparison goes on where it was interrupted, and grows when kinds or seeds are added.
"""

from captioner.commands.compare.comparison import compare
from captioner.commands.compare.comparison_table import save, tables
from captioner.commands.compare.measurements import Line, pair_agreement
from captioner.commands.compare.variants import Variant, check_names

__all__ = ["Line", "Variant", "check_names", "compare", "pair_agreement", "save", "tables"]
