"""Lists of texts that are written into a single value."""

from __future__ import annotations

import ast
import json
from contextlib import suppress


def parse_texts(text: str) -> str | list[str]:
    """The texts of a list that was written into one value, as JSON or as Python writes it; another text as it is."""
    for parse in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found = parse(text)
            if isinstance(found, list) and found and all(isinstance(one, str) for one in found):
                return found
    return text
