"""What to learn from: every source of captioned photos, by the name a config gives it.

contract.py   Example and Splits, which every source returns   batches.py         batches of examples
coco.py       COCO's captions files                            instances.py       objects, in COCO's instances files
karpathy.py   Karpathy's splits of COCO and Flickr             flickr.py          token files of Flickr8k and Flickr30k
table.py      CSV and JSON lines, such as Kaggle's Flickr8k    folder.py          a folder of photos without captions
drawn.py      pictures of coloured shapes; shapes.py draws     missing_photos.py  photos that have no file
checks.py     problems of a data set, for `captioner doctor`

To add one: write a function that gives `Splits` and whose arguments are its settings, then add its line here.
"""

from __future__ import annotations

from collections.abc import Callable

from captioner.data.coco import coco
from captioner.data.contract import Example, Splits
from captioner.data.drawn import drawn
from captioner.data.flickr import flickr
from captioner.data.folder import folder
from captioner.data.karpathy import karpathy
from captioner.data.table import table

KINDS: dict[str, Callable[..., Splits]] = {
    "drawn": drawn,
    "coco": coco,
    "karpathy": karpathy,
    "flickr": flickr,
    "table": table,
    "folder": folder,
}

__all__ = ["KINDS", "Example", "Splits"]
