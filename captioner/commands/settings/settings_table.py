"""Settings as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from captioner.commands.settings.listing import Group, Setting, find


def tables(name: str | None = None) -> Iterator[RenderableType]:
    """A heading and a table for each group of settings; `name` selects as in `find`."""
    for group in find(name):
        yield _heading(group)
        if group.settings:
            yield _table(group.settings)


def _heading(group: Group) -> Text:
    nothing = "" if group.settings else " No settings of its own.\n"
    return Text.assemble((group.name, "bold"), f"  {group.summary}{nothing}")


def _table(settings: list[Setting]) -> Table:
    printed = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    printed.add_column("key", no_wrap=True)
    printed.add_column("default", overflow="fold")
    printed.add_column("values, meaning", overflow="fold")
    for setting in settings:
        printed.add_row(setting.key, setting.default, Text.assemble((setting.values, "dim"), "\n", setting.meaning))
    return printed
