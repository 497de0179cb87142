"""Cross-entropy over a large vocabulary, computed in the memory of the logits.

The logits of a few hundred words exceed the CPU's caches. The usual operations (log-softmax, its gradient, the targets' gradient) write
three more tensors of that size. Here the backward pass overwrites the logits with their gradient, a few rows at a time. Values and
gradients are those of `torch.nn.functional.cross_entropy`; a test ties them.

Shapes: N words, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CACHE = 2**21  # bytes, about the size of a CPU core's cache


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Compute the sum over words, in at least float32. The backward pass overwrites `logits`: it runs only once, and they must not be
    read after it.

    Args:
        logits: (N, V), unnormalised.
        targets: (N,) indices of the correct words.
        label_smoothing: share of the target that is spread evenly over the vocabulary (Szegedy et al. 2016, section 7).
    """
    return _CrossEntropy.apply(logits, targets, label_smoothing)


class _CrossEntropy(torch.autograd.Function):
    """With s the smoothing and z a word's logits: logsumexp(z) - (1 - s) z[target] - s mean(z)."""

    @staticmethod
    def forward(ctx, logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        dtype, targets = torch.promote_types(logits.dtype, torch.float32), targets[:, None]
        normalisers = torch.cat([block.to(dtype).logsumexp(1, keepdim=True) for block in logits.split(_rows(logits))])
        ctx.save_for_backward(logits, targets, normalisers)
        ctx.smoothing = smoothing
        loss = normalisers.sum() - (1 - smoothing) * logits.gather(1, targets).sum(dtype=dtype)
        return loss - smoothing * logits.mean(1, dtype=dtype).sum() if smoothing else loss

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        """softmax(z) minus the target, which is 1 - s at the correct word plus s / V everywhere."""
        logits = ctx.saved_tensors[0]
        for block, target, normaliser in zip(*(saved.split(_rows(logits)) for saved in ctx.saved_tensors), strict=True):
            exact = block.to(normaliser.dtype)  # the block itself, unless it is in half precision
            exact.sub_(normaliser).exp_()
            exact.scatter_add_(1, target, torch.full_like(normaliser, ctx.smoothing - 1))
            if ctx.smoothing:
                exact.sub_(ctx.smoothing / logits.shape[1])
            block.copy_(exact.mul_(gradient))
        return logits, None, None


def _rows(logits: Tensor) -> int:
    """Number of words per block: on a CPU as many as fit its cache, elsewhere all."""
    rows = _CACHE // (4 * logits.shape[1]) if logits.device.type == "cpu" else len(logits)
    return max(1, rows)
