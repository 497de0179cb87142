"""Whether the photos of a data set are there."""

from __future__ import annotations

from captioner.data.contract import Example, Splits
from captioner.errors import UserError


def present(splits: Splits, skip_missing: bool = False) -> tuple[Splits, list[Example]]:
    """The examples whose photos are there, and those whose are not.

    Raises:
        UserError: a photo has no file and `skip_missing` was not asked for; or no photo of a split has one.
    """
    there = {split: [one for one in examples if one.image.is_file()] for split, examples in splits.items()}
    gone = [one for examples in splits.values() for one in examples if not one.image.is_file()]
    if not gone:
        return splits, []
    total = sum(map(len, splits.values()))
    if not skip_missing:
        raise UserError(
            f"the captions name {total:,} photos, got {len(gone):,} of them without a file, first {gone[0].image.absolute()}; put them "
            "there, set data.root and data.images to their folder, or leave them out with data.missing=skip"
        )
    bare = [split for split, examples in splits.items() if examples and not there[split]]
    if bare:
        raise UserError(
            f"no photo of {bare[0]} has a file, first {splits[bare[0]][0].image.absolute()}; check data.images"
        )
    return there, gone
