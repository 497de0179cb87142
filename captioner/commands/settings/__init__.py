"""List the settings: every key with its values, its default and its meaning, read from signatures and docstrings.

listing.py          the settings of every section, kind and score
setting_values.py   the values that a type allows, in words
settings_table.py   tables on the terminal
settings_page.py    the page docs/settings.md
"""

from captioner.commands.settings.listing import find, groups
from captioner.commands.settings.settings_page import page
from captioner.commands.settings.settings_table import tables

__all__ = ["find", "groups", "page", "tables"]
