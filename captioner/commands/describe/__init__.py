"""Print the model that a config describes, part by part.

description.py does all of it.
"""

from captioner.commands.describe.description import describe, table

__all__ = ["describe", "table"]
