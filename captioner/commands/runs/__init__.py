"""A table of training runs.

runs_table.py  what settings, log and checkpoint of each run say
"""

from captioner.commands.runs.runs_table import table

__all__ = ["table"]
