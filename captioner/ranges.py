"""Types with a range, for constructor signatures: a part states once what it accepts, and settings are checked against it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

Size = Annotated[int, Gt(0)]
Count = Annotated[int, Ge(0)]
Captions = Annotated[int, Gt(0), Le(1000)]
"""Captions of one photo that are written side by side, as beams or samples. Their cost grows with their number."""
Words = Annotated[int, Gt(0), Le(1000)]
"""Words of a caption. A model may never end a caption by itself."""
Layers = Annotated[int, Gt(0), Le(100)]
Edge = Annotated[int, Gt(0), Le(4096)]
"""Pixels along an edge of a network's view."""
NumBoxes = Annotated[int, Gt(0), Le(1000)]
"""Boxes of a photo."""
Seed = Annotated[int, Ge(0), Lt(2**32)]
"""NumPy's range of seeds; what training derives from one fits into 64 bits."""
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Divisor = Annotated[float, Ge(0.001), Le(1000)]
"""Neither so small nor so large that quotients leave the range of float32."""
Fraction = Annotated[float, Ge(0), Lt(1)]
"""0 up to, but not including, 1: a dropout, a share of training steps."""
Probability = Annotated[float, Ge(0), Le(1)]
Share = Annotated[float, Gt(0), Le(1)]
"""More than nothing, at most everything."""


@dataclass(frozen=True)
class OneOf:
    """One of the names of a table: `tokens: Annotated[str, OneOf(TOKENS)]`. The table alone lists the names."""

    names: Collection[str]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.literal_schema(list(self.names))
