"""What every data set becomes: examples, by split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Example:
    """One photo and what people wrote about it."""

    id: int | str  # COCO's image id, kept so that results can be scored elsewhere
    image: Path
    references: list[str]


Splits = dict[str, list[Example]]
"""Examples by the name of their split: at least `train` and `val`."""
