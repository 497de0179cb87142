"""Pretrained weights: downloads, the error if they fail, and files of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import torch
from torch import Tensor

from captioner.errors import UserError

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

_CLIENTS = {"huggingface_hub", "httpx", "httpx2", "requests", "urllib3"}
"""Packages whose errors mean that a download failed."""


@contextmanager
def downloading(of: str, url: str, then: str) -> Iterator[None]:
    """Surrounds code that makes a network and may download its weights.

    Args:
        of: name of the network.
        url: where the file is.
        then: what to do with a file that was fetched by other means.

    Raises:
        UserError: the download fails.
    """
    try:
        yield
    except Exception as error:
        lost = isinstance(error, URLError | ConnectionError | TimeoutError)
        if not lost and type(error).__module__.partition(".")[0] not in _CLIENTS:
            raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"the weights of {of} cannot be downloaded ({reason[0]}); fetch {url} elsewhere and {then}, "
            "or choose encoder.weights=none for random ones"
        ) from error


def from_hub(repository: str, filename: str | None) -> str | None:
    """The path of a file of weights that an earlier download left on the disk; None if the hub has to be asked.

    Args:
        repository: its name on the hub of Hugging Face.
        filename: the name of the file; by default, one of those that timm uses.

    Raises:
        URLError: the file is not on the disk, and the hub cannot be reached. Its own client would try again for a minute.
    """
    from huggingface_hub import try_to_load_from_cache

    from captioner.readers.hub_access import check_reachable

    for name in [filename] if filename else ["model.safetensors", "pytorch_model.bin"]:
        path = try_to_load_from_cache(repository, name)
        if isinstance(path, str):
            return path
    check_reachable()
    return None


def where_to_put(weights: WeightsEnum | None) -> tuple[str, str]:
    """The address of torchvision's weights, and where to put the file."""
    return weights.url if weights else "", f"put it into {Path(torch.hub.get_dir()) / 'checkpoints'}"


def tensors_of_file(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict that torch.save wrote; no code in it is run.

    Raises:
        UserError: the file holds something else, or is damaged.
    """
    from timm.models import load_state_dict

    try:
        tensors = load_state_dict(str(path), weights_only=True)
        if all(isinstance(tensor, Tensor) for tensor in tensors.values()):
            return tensors
        reason = "it holds other things than tensors"
    except Exception as error:  # a damaged file can fail in any way
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    raise UserError(
        f"encoder.weights: {path} is not a file of weights ({reason}); "
        "give a safetensors file, or a state dict of torch.save, which is read without running code"
    )


def fitted(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], head: tuple[str, ...]) -> dict[str, Tensor]:
    """Tensors of a file under the names of a network's state dict.

    The file may lack what regions do not depend on: the classifier and counters of batches. If it has none of the network's names, but
    the same shapes in the same order, it is the same architecture written by another library, and its tensors are taken in order.

    Args:
        tensors: those of the file.
        wanted: the network's state dict.
        head: names of the classifier's modules.
    """
    spare = {name: tensor for name, tensor in wanted.items() if name.rpartition(".")[2] == "num_batches_tracked"}
    classifier = {name: tensor for name, tensor in wanted.items() if name.rpartition(".")[0] in head}
    if not tensors.keys() & (wanted.keys() - classifier.keys()):
        needed = [name for name in wanted if name not in spare]
        given = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
        if [wanted[name].shape for name in needed] == [tensor.shape for tensor in given.values()]:
            tensors = dict(zip(needed, given.values(), strict=True))
    return {**spare, **tensors, **classifier}
