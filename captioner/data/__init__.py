"""What to learn from: every source of captioned photos, by the name a config gives it.

contract.py  what every source becomes           coco.py     COCO's captions files
drawn.py     coloured shapes, drawn here         batches.py  from examples to batches

To add one: write a function that gives `Splits` and whose arguments are its settings, then add its line here.
"""

from __future__ import annotations

from collections.abc import Callable

from captioner.data.coco import coco
from captioner.data.contract import Example, Splits
from captioner.data.drawn import drawn

KINDS: dict[str, Callable[..., Splits]] = {
    "drawn": drawn,
    "coco": coco,
}

__all__ = ["KINDS", "Example", "Splits"]
