r"""The effective receptive field of an encoder: which pixels the feature of one region depends on.

For the central region with feature $f$ (D,), a pixel $x_{ij}$ counts with the squared gradient $\sum_d \sum_c (\partial f_d / \partial
x_{cij})^2$, summed over feature and colours, relative to its sum over all pixels, averaged over photos. Each photo is also taken
mirrored left to right, top to bottom, and both, so that what it shows where does not move the centre.

Source: Luo et al. 2016, section 3, "effective receptive field". Differs: squared gradients of all features instead of one; the sum over d
is estimated with random signs $s$, since $E (\partial (s^\top f) / \partial x)^2$ is this sum.

Shapes: B photos, R regions, D region feature, h and w pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.encoders import Encoder
from captioner.errors import UserError
from captioner.regions import Grid

SHARES = (0.5, 0.9)
PROBES = 8
"""Random signs for each photo."""


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that the central region depends on, in pixels of the network's view."""

    row: int
    column: int  # of the region
    size: tuple[float, float]  # width and height of the region
    offset: tuple[float, float]  # the field's centre of mass from the region's centre, to the right and down
    widths: dict[float, int]  # by share: the edge of the square around the centre of mass that holds it


def receptive_field(encoder: Encoder, pixels: Tensor, seed: int = 0) -> ReceptiveField:
    """Measure the field of an encoder.

    Args:
        encoder: in evaluation mode; its regions lie on a grid.
        pixels: photos (B, 3, h, w) as `preprocess` makes them.
        seed: of the random signs.

    Raises:
        UserError: the regions are boxes.
    """
    layout = encoder.layout
    if not isinstance(layout, Grid):
        raise UserError("a receptive field needs regions on a grid, got boxes; choose an encoder that makes a grid")
    row, column = layout.rows // 2, layout.columns // 2
    generator, region = torch.Generator().manual_seed(seed), row * layout.columns + column
    energies = torch.cat([_energies(encoder, _mirrored(photo), region, generator) for photo in pixels])
    if not len(energies):
        raise UserError("the central region's features should depend on the photos, got a gradient of 0; train longer")
    energy = energies.mean(0)  # (h, w), of sum 1
    height, width = energy.shape
    down, across = (torch.arange(size, dtype=energy.dtype) + 0.5 for size in (height, width))
    centre = (float(energy.sum(0) @ across), float(energy.sum(1) @ down))
    size = (width / layout.columns, height / layout.rows)
    middle = ((column + 0.5) * size[0], (row + 0.5) * size[1])
    distances = torch.maximum((across - centre[0]).abs()[None], (down - centre[1]).abs()[:, None]).flatten()
    order = distances.argsort()
    held = energy.flatten()[order].cumsum(0)
    widths = {}
    for share in SHARES:
        index = min(int(torch.searchsorted(held, share - 1e-9)), len(held) - 1)
        widths[share] = round(2 * float(distances[order[index]]) + 1)  # from the centre of one pixel to that of another
    return ReceptiveField(row, column, size, (centre[0] - middle[0], centre[1] - middle[1]), widths)


def _mirrored(photo: Tensor) -> Tensor:
    """(4, 3, h, w): a photo (3, h, w), mirrored left to right, top to bottom, and both."""
    return torch.stack([photo, photo.flip(-1), photo.flip(-2), photo.flip(-1, -2)])


def _energies(encoder: Encoder, pixels: Tensor, region: int, generator: torch.Generator) -> Tensor:
    """(n, h, w) float64: each pixel's share of the squared gradient, of the photos (B, 3, h, w) that have one."""
    inputs = encoder.preprocess.normalise(encoder.checked(pixels)).requires_grad_()
    with torch.enable_grad():
        features = encoder.unpack(encoder.features(inputs)).features[:, region]  # (B, D)
    energies = torch.zeros(len(pixels), *pixels.shape[-2:], dtype=torch.float64)
    for probe in range(PROBES):
        signs = torch.randint(2, features.shape, generator=generator).to(features) * 2 - 1
        (gradient,) = torch.autograd.grad((features * signs).sum(), inputs, retain_graph=probe + 1 < PROBES)
        energies += gradient.cpu().double().square().sum(1)
    sums = energies.sum((1, 2), keepdim=True)
    seen = sums.flatten() > 0  # a region of which all features are 0 has no gradient
    return energies[seen] / sums[seen]
