"""Data sets, by the name a config gives them.

contract.py     what every data set returns
coco.py         COCO's captions files
karpathy.py     Karpathy's splits of COCO and Flickr
flickr.py       token files of Flickr8k and Flickr30k
table.py        tables of captions, such as Kaggle's Flickr8k
table_files.py  their rows: CSV, JSON lines, JSON lists, texts beside photos
packed.py       photos with captions in Parquet files and tars
folder.py       a folder of photos without captions
joined.py       several data sets as one
drawn.py        drawn pictures of coloured shapes
drawn_split.py  writes a split of drawn pictures
shapes.py       composes, describes and draws the shapes
instances.py    objects of photos, in COCO's format
batches.py      from examples to batches
checks.py       checks of a data set before training
changes.py      what has changed since a run was started
copies.py       copies among photos, in another size or compression too

To add one: write a function that returns `Splits` and whose arguments are its settings, then add its line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from captioner.data.coco import coco
from captioner.data.contract import Example, Part, Splits
from captioner.data.drawn import drawn
from captioner.data.flickr import flickr
from captioner.data.folder import folder
from captioner.data.karpathy import karpathy
from captioner.data.table import table


def joined(parts: list[dict[str, Any]], root: str = ".", only: str = "") -> Splits:
    """Several data sets as one: train joins their training photos, val their validation photos, and so on.

    The id of a photo is the name of its part, a slash, and its own id there.

    Args:
        parts: the data sets; each has a `kind`, the settings of that kind, and those of `data.parts`.
        root: folder that `root` of each part is below; a part may also give an absolute path.
        only: name of the single part that is read, with the photos' own ids; empty for all.

    Raises:
        UserError: a part cannot be read, or lacks a split that it should have.
    """
    from captioner.data.joined import join

    return join(parts, root, only)


KINDS: dict[str, Callable[..., Splits]] = {
    "drawn": drawn,
    "coco": coco,
    "karpathy": karpathy,
    "flickr": flickr,
    "table": table,
    "folder": folder,
    "joined": joined,
}

__all__ = ["KINDS", "Example", "Part", "Splits", "joined"]
