"""Weights that torchvision downloads: what to do where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import torch
from torchvision.models import WeightsEnum

from captioner.errors import UserError


@contextmanager
def downloading(weights: WeightsEnum | None, of: str) -> Iterator[None]:
    """Around the making of a network, named as `of`, that may fetch its weights.

    Raises:
        UserError: they cannot be fetched; the message says where to put the file.
    """
    try:
        yield
    except (URLError, ConnectionError, TimeoutError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UserError(
            f"the weights of {of} cannot be downloaded ({error}); fetch {weights.url if weights else None} elsewhere and put it into "
            f"{folder}, or choose encoder.weights=none for random ones"
        ) from error
