"""What networks with pretrained weights share: the view of their weights, and training from a stage.

Shapes: h and w pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from torch import nn

from captioner.encoders.preprocess import Preprocess


@dataclass(frozen=True)
class OwnView:
    """The preprocessing with which a network was trained.

    Args:
        size: (width, height) of the view in pixels.
        with_margin: from the edge of a square view to the photo's shorter side, of which the view is the centre.
        fit: `crop`, `stretch` or `letterbox`.
        mean: of each channel, of values from 0 to 1.
        std: of each channel.
        interpolation: bilinear, bicubic, ...
    """

    size: tuple[int, int]
    with_margin: Callable[[int], int]
    fit: Literal["crop", "stretch", "letterbox"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str

    def at(self, input_size: int | list[int] | None, fit: str) -> Preprocess:
        """This preprocessing at another size, and with another fit unless it is `own`."""
        edges = self.size if input_size is None else (input_size,) * 2 if isinstance(input_size, int) else input_size
        if len(edges) != 2:
            raise ValueError(f"input_size should be one edge or [width, height], got {edges}")
        view = (edges[0], edges[1])
        margin = self.with_margin(view[0]) if view[0] == view[1] else "cover"
        fits = {"crop": margin, "stretch": view, "letterbox": "inside"}
        resize = fits[self.fit if fit == "own" else fit]
        if fit == "own" and self.fit == "stretch":
            resize = (self.with_margin(view[0]), self.with_margin(view[1]))
        return Preprocess(resize, view, self.mean, self.std, self.interpolation)


@contextmanager
def at_size(network: str, size: tuple[int, int]) -> Iterator[None]:
    """Surrounds code that fails if a network does not accept a view of this width and height.

    Raises:
        ValueError: it does not.
    """
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{network} does not accept {size[0]} x {size[1]} pixels ({reason[0]}); give another input_size"
        ) from error


def index_of_stride(network: str, strides: list[int], wanted: int | None) -> int:
    """The last map of this stride."""
    if wanted is None:
        return len(strides) - 1
    if wanted not in strides:
        known = ", ".join(map(str, sorted(set(strides))))
        raise ValueError(f"{network} has no map of stride {wanted}; it has {known}; leave stride out for the last")
    return len(strides) - 1 - strides[::-1].index(wanted)


def train_from(network: nn.Module, stage: str, used: Sequence[str]) -> None:
    """Train the parameters of a stage, and of everything that the network computes after it.

    Args:
        network: the network, frozen.
        stage: name of a module.
        used: names of modules and parameters in the order of computation.

    Raises:
        ValueError: there is no such stage.
    """
    first = next((index for index, name in enumerate(used) if f"{name}.".startswith(f"{stage}.")), None)
    if first is None:
        stages = dict.fromkeys(".".join(name.split(".")[:2]) for name in used)
        raise ValueError(f"train_from should name a stage of the network, got {stage!r}; it has {', '.join(stages)}")
    for name in used[first:]:
        for key, parameter in network.named_parameters():
            if key == name or key.startswith(f"{name}."):
                parameter.requires_grad_(True)


@contextmanager
def calls_of(network: nn.Module) -> Iterator[list[str]]:
    """A list that receives the names of the network's modules in the order in which they are called."""
    called: list[str] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, inputs, name=name: called.append(name))
        for name, module in network.named_modules()
        if name
    ]
    try:
        yield called
    finally:
        for hook in hooks:
            hook.remove()
