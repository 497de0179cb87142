"""Batch norm folded into the convolutions before it, in a copy of a network that is used for inference alone.

A batch norm in evaluation mode multiplies each channel and adds to it, which the convolution before it can do by itself:
$\\gamma (W x - \\mu) / \\sigma + \\beta = W' x + b'$. The network's own weights stay as they are, for checkpoints and for training.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from captioner.encoders.contract import version

Pairs = list[tuple[str, str]]
"""Names of a convolution and of the batch norm that alone reads its output."""

_CONVOLUTIONS = {"Conv2d", "Conv2dSame"}
"""Classes that apply their weights as they are; timm's second pads its input first. Others standardise their weights, for example."""


class _Reads(TorchFunctionMode):
    """Counts the operations that compute something from each tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[int] = Counter()
        self.kept: list[Any] = []  # as long as a tensor lives, no other has its id

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if any(isinstance(part, Tensor) for part in tree_leaves(result)):
            read = [part for part in tree_leaves((args, kwargs)) if isinstance(part, Tensor)]
            self.counts.update(map(id, read))
            self.kept += [*read, result]
        return result


@contextmanager
def pairs_of(network: nn.Module) -> Iterator[Pairs]:
    """A list that receives the pairs that can be folded, by one forward pass inside the context."""
    pairs: Pairs = []
    written: dict[str, list[Tensor]] = {}
    read: dict[str, list[Tensor]] = {}
    hooks = []
    for name, module in network.named_modules():
        if type(module).__name__ in _CONVOLUTIONS:
            outputs = written[name] = []
            hooks.append(module.register_forward_hook(partial(_keep_output, outputs)))
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            inputs = read[name] = []
            hooks.append(module.register_forward_pre_hook(partial(_keep_input, inputs)))
    try:
        with _Reads() as reads:
            yield pairs
    finally:
        for hook in hooks:
            hook.remove()
    writers = {id(outputs[0]): name for name, outputs in written.items() if len(outputs) == 1}
    for norm, inputs in read.items():
        if len(inputs) == 1 and reads.counts[id(inputs[0])] == 1 and id(inputs[0]) in writers:
            pairs.append((writers[id(inputs[0])], norm))


def _keep_output(kept: list[Tensor], module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    kept.append(output)


def _keep_input(kept: list[Tensor], module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    kept.append(inputs[0])


class Folded:
    """The copy of a network with batch norm folded, made at the first use and again when the weights have changed."""

    def __init__(self, pairs: Pairs):
        self.pairs = pairs
        self._copy: tuple[list[Any], nn.Module] | None = None

    def of(self, network: nn.Module) -> nn.Module:
        """The copy; the network itself if it has nothing to fold."""
        if not self.pairs:
            return network
        weights = [version(tensor) for tensor in (*network.parameters(), *network.buffers())]
        if self._copy is None or self._copy[0] != weights:
            self._copy = weights, folded(network, self.pairs)
        return self._copy[1]


def folded(network: nn.Module, pairs: Pairs) -> nn.Module:
    """A copy of a network in evaluation mode, with these batch norms folded."""
    with torch.inference_mode(False), torch.no_grad():
        made = copy.deepcopy(network).eval()  # the copy of an fx graph is in training mode
        for convolution, norm in pairs:
            layer: Any = made.get_submodule(convolution)
            batch_norm: Any = made.get_submodule(norm)
            _replace(made, convolution, fuse_conv_bn_eval(layer, batch_norm))
            activation = getattr(batch_norm, "act", None)  # of timm's BatchNormAct2d
            _replace(made, norm, nn.Identity() if activation is None else activation)
    return made


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)
