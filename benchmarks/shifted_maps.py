"""Do a model's regions look at their own cells? Lift and pointing of its maps, moved by half a region in each direction.

    python benchmarks/shifted_maps.py RUN instances.json

The references' words that name an object of the photo are measured, as `captioner inspect` does. A model whose regions look at their own
cells loses as much in one direction as in the opposite one. If it gains in one direction, its encoder looks beside the cells; see
`encoder.align`. A map that is moved by half a region is also smoothed, so compare directions with each other, not with (0, 0).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from captioner import builder
from captioner.commands.inspect.inputs import Request, read_inputs
from captioner.commands.inspect.observations import force_references
from captioner.explain.grounding import ObjectOverlaps, agreement, find_mentions
from captioner.progress import silent
from captioner.regions import Grid

DIRECTIONS = [(0.0, 0.0), (0.5, 0.5), (-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5)]


def moved(weights: Tensor, grid: Grid, down: float, right: float) -> Tensor:
    """A map (R,), moved by parts of a region; weight at the border stays there."""
    cells = weights.double().view(grid.rows, grid.columns)
    for dim, by in enumerate((down, right)):
        size = cells.shape[dim]
        neighbour = (torch.arange(size) - (1 if by > 0 else -1)).clamp(0, size - 1)
        cells = (1 - abs(by)) * cells + abs(by) * cells.index_select(dim, neighbour)
    return cells.flatten()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("instances", type=Path)
    parser.add_argument("overrides", nargs="*")
    chosen = parser.parse_args()
    inputs = read_inputs(builder.model_folder(chosen.run), Request(chosen.instances), chosen.overrides, silent)
    vocabulary = inputs.captioner.vocabulary
    forced = force_references(inputs.regions, inputs.references, inputs.placements, vocabulary, silent)
    overlaps = ObjectOverlaps(inputs.instances, [example.id for example in inputs.examples])
    mentions = find_mentions(forced, overlaps, inputs.object_words)
    mentions = [mention for mention in mentions if mention.word in vocabulary.number_of]
    print(f"{'down':>5} {'right':>5}  lift                pointing %   ({len(mentions)} words)")
    for down, right in DIRECTIONS:
        measured = agreement(
            mentions,
            lambda mention, down=down, right=right: moved(mention.map, mention.caption.layout, down, right),
        )
        lift, pointing = measured.lift, measured.pointing
        assert lift is not None
        assert pointing is not None
        print(
            f"{down:5} {right:5}  {lift.value:.2f} [{lift.low:.2f}, {lift.high:.2f}]   "
            f"{100 * pointing.value:.1f} [{100 * pointing.low:.1f}, {100 * pointing.high:.1f}]"
        )


if __name__ == "__main__":
    main()
