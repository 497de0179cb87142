"""Compare kinds of attention and decoders: one recipe, several seeds, one table.

variants.py           what is compared, by its name on the command line
comparison.py         the comparison, run by run
measurements.py       the numbers of a run, and the line of a kind
timing.py             the cost of a kind
comparison_table.py   the tables, printed and saved
comparison_figure.py  the figure

Every run has a folder of its own, in which it is trained and measured. Finished work is not repeated, so an interrupted comparison
continues, and kinds and seeds can be added later.
"""

from captioner.commands.compare.comparison import compare
from captioner.commands.compare.comparison_table import save, tables
from captioner.commands.compare.measurements import Line, pair_agreement
from captioner.commands.compare.variants import Variant, check_names

__all__ = ["Line", "Variant", "check_names", "compare", "pair_agreement", "save", "tables"]
