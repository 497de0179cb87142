r"""Maps from gradients, to compare attention with: which regions made a word likely?

With $f$ the log-probability of the word given those before, $x_r$ a region's feature and $\bar x$ the mean region of all photos:

- gradient x input: $\sum_d x_{rd} \, \partial f / \partial x_{rd}$;
- Grad-CAM (Selvaraju et al. 2017), on regions: $\sum_d x_{rd} \cdot \frac1R \sum_s \partial f / \partial x_{sd}$;
- integrated gradients (Sundararajan et al. 2017):
  $\sum_d (x_{rd} - \bar x_d) \int_0^1 \partial f / \partial x_{rd} (\bar x + a (x - \bar x)) \, da$.

Negative values, which speak against the word, are set to 0. Gradients are taken at the encoder's regions, before any refiner.

Shapes: n words, R regions, D region feature, T words.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from captioner.errors import UserError, install
from captioner.explain.deletion import last_log_probs
from captioner.model import CaptionModel
from captioner.regions import Regions

STEPS = 16
"""Steps of the integral, by Gauss-Legendre quadrature."""


def has_captum() -> bool:
    """Whether integrated gradients can be computed."""
    try:
        from captum.attr import IntegratedGradients  # noqa: F401  # pyright: ignore[reportMissingImports]  # of the extra explain
    except Exception:  # it is not installed, or is broken, which raises many kinds
        return False
    return True


@torch.enable_grad()
def gradient_maps(model: CaptionModel, regions: Regions, words: Tensor) -> dict[str, Tensor]:
    """Gradient x input and Grad-CAM, (n, R) each, for the last word of each prefix (n, T), one for each photo."""
    features = regions.features.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(last_log_probs(model, replace(regions, features=features), words).sum(), features)
    real = regions.mask[..., None].to(gradient.dtype)
    channels = (gradient * real).sum(1, keepdim=True) / real.sum(1, keepdim=True)  # (n, 1, D)
    factors = {"gradient x input": gradient, "Grad-CAM": channels}
    return {name: (regions.features * factor).sum(-1).clamp(min=0) * regions.mask for name, factor in factors.items()}


def integrated_gradients(model: CaptionModel, regions: Regions, words: Tensor, empty: Tensor) -> Tensor:
    """Integrated gradients (n, R), computed by captum.

    The baseline of the integral is a photo in which every region is `empty` (D,). A photo's feature of its own stays as it is.

    Raises:
        UserError: captum is not installed.
    """
    return signed_integrated_gradients(model, regions, words, empty).clamp(min=0) * regions.mask


@torch.enable_grad()
def signed_integrated_gradients(model: CaptionModel, regions: Regions, words: Tensor, empty: Tensor) -> Tensor:
    """(n, R) with negative values. The sum over regions is the word's log-probability minus that of the empty photo; not with hard
    attention, where the probability jumps when another region is chosen on the way.
    """
    if not has_captum():
        raise UserError(
            f"integrated gradients need captum, which is not installed or cannot be imported; {install('explain')}"
        )
    from captum.attr import IntegratedGradients  # pyright: ignore[reportMissingImports]  # of the extra explain

    def log_probs(features: Tensor, words: Tensor, photos: Tensor) -> Tensor:
        return last_log_probs(model, replace(regions.select(photos), features=features), words)

    photos = torch.arange(len(words), device=words.device)
    baseline = empty.to(regions.features).expand_as(regions.features)
    attributions = IntegratedGradients(log_probs).attribute(
        regions.features, baseline, additional_forward_args=(words, photos), n_steps=STEPS
    )
    return attributions.sum(-1)
