"""Settings as the page docs/settings.md."""

from __future__ import annotations

from captioner.commands.settings.listing import Group, groups

_HEAD = """# Settings

Every section, kind and key of a config, with values, default and meaning. This page is generated from the constructors
of the parts:

```bash
captioner settings --markdown > docs/settings.md
```

`captioner settings run`, `captioner settings attention.kind=soft` and `captioner settings run.monitor` print a part of
it. See [Train](guide/training.md#settings) for how settings are written in a config and on the command line.
"""


def page() -> str:
    """The text of the page."""
    return "\n".join([_HEAD, *map(_section, groups())])


def _section(group: Group) -> str:
    level = "##" if group.name == group.section else "###"
    title = group.name if level == "##" else f"`{group.name}`"
    lines = [f"{level} {title}", "", group.summary, ""]
    if group.settings:
        lines += ["| key | values | default | meaning |", "|---|---|---|---|"]
    for setting in group.settings:
        cells = [f"`{setting.key}`", setting.values, f"`{setting.default}`", setting.meaning]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, ""] if group.settings else lines)
