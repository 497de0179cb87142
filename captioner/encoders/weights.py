"""Downloads of torchvision's weights, and the error if they fail."""

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
    """Surrounds code that makes a network and may download its weights; `of` names the network.

    Raises:
        UserError: the download fails; the message says where to put the file.
    """
    try:
        yield
    except (URLError, ConnectionError, TimeoutError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UserError(
            f"the weights of {of} cannot be downloaded ({error}); fetch {weights.url if weights else None} elsewhere and put it into "
            f"{folder}, or choose encoder.weights=none for random ones"
        ) from error
