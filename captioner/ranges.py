"""Types with a range, for constructor signatures: a part says once what it accepts, and settings are checked against it."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

Size = Annotated[int, Gt(0)]
Count = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Lt(1)]
"""0 up to, but not including, 1: a dropout, a share of training steps."""
Probability = Annotated[float, Ge(0), Le(1)]
Share = Annotated[float, Gt(0), Le(1)]
"""Some of it or all of it, but not nothing."""
