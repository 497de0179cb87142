"""Data sets, by the name a config gives them.

contract.py     what every data set returns
coco.py         COCO's captions files
karpathy.py     Karpathy's splits of COCO and Flickr
flickr.py       token files of Flickr8k and Flickr30k
table.py        tables of captions, such as Kaggle's Flickr8k
table_files.py  their rows: CSV, JSON lines, JSON lists, texts beside photos
packed.py       photos with captions in Parquet files and tars
hub_datasets.py data sets of the Hugging Face hub, and folders of the library datasets
hub_rows.py     their rows: photo, captions and split
shrinking.py    smaller copies of photos
folder.py       a folder of photos without captions
joined.py       several data sets as one
drawn.py        drawn pictures of coloured shapes
drawn_split.py  writes a split of drawn pictures
shapes.py       composes, describes and draws the shapes
instances.py    objects of photos, in COCO's format
entities.py     objects and captions of Flickr30k Entities
batches.py      from examples to batches
checks.py       checks of a data set before training
leaving_out.py  training photos that are left out
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
from captioner.ranges import Count, Fraction, Size


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


def hf(
    name: str = "",
    image: str = "",
    captions: str = "",
    subset: str = "",
    revision: str = "",
    splits: dict[str, str] | None = None,
    root: str = "data/hf",
    shorter_edge: Size | None = None,
    val_share: Fraction = 0.1,
    test_share: Fraction = 0.1,
    split_seed: Count = 0,
) -> Splits:
    """A data set of the Hugging Face hub, or a folder that the library datasets reads: photos in one column, captions in others.

    The splits are those of the data set: train, val or validation or dev, and test; or those of its column `split`, if all rows are in
    one. Without a split val, a share of the training photos is taken for it, by their names and the seed; if there is train alone, so
    is a share for test. Photos are unpacked once, into a folder below `root`.

    Args:
        name: `owner/name` on the hub; or a folder that `save_to_disk` wrote, of photos with a metadata.csv or metadata.jsonl, or of
            Parquet or Arrow files; or one such file.
        image: column of the photos; the usual names if not given.
        captions: column of the captions: a text, a list of texts, or a list of objects with `raw`, `caption` or `text`. A pattern such as
            `caption_*` takes several columns. The usual names if not given.
        subset: name of the configuration, if the data set has several.
        revision: branch, tag or commit on the hub; `refs/convert/parquet` is the hub's copy in Parquet.
        splits: the data set's own names of the splits, such as `{train: train2017, val: val2017}`.
        root: folder below which the photos are unpacked.
        shorter_edge: pixels to which the shorter edge of larger photos is reduced while they are unpacked, for data sets that are
            larger than the disk.
        val_share: share of validation photos, if the data set has none.
        test_share: share of test photos, if the data set has training photos alone.
        split_seed: seed of the random shares.

    Raises:
        UserError: there is no such data set, column or split, or the hub cannot be reached.
    """
    from captioner.data.hub_datasets import Choices, read

    chosen = Choices(name, image, captions, subset, revision, splits or {}, shorter_edge)
    return read(chosen, root, val_share, test_share, split_seed)


KINDS: dict[str, Callable[..., Splits]] = {
    "drawn": drawn,
    "coco": coco,
    "karpathy": karpathy,
    "flickr": flickr,
    "table": table,
    "hf": hf,
    "folder": folder,
    "joined": joined,
}

__all__ = ["KINDS", "Example", "Part", "Splits", "hf", "joined"]
