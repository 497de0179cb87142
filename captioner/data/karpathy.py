"""Karpathy's splits: a file `dataset_*.json` with captions and splits of COCO, Flickr8k or Flickr30k.

Source: Karpathy and Fei-Fei 2015. Most published results on COCO use these splits (113,287 / 5,000 / 5,000 photos).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from captioner.data.contract import Example, Splits, clean, data_folder, read_json
from captioner.errors import UserError

_SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}


def karpathy(root: str, captions: str = "dataset_coco.json", images: str = "") -> Splits:
    """Karpathy's JSON file of COCO, Flickr8k or Flickr30k, with the splits train (which includes its restval), val and test.

    The path of a photo is `root`/`images`/filepath/filename, without filepath in the files of Flickr. Its id is `cocoid`, or `imgid` if
    there is none.

    Args:
        root: folder of the data.
        captions: JSON file, below `root`.
        images: folder of the photos, below `root`.

    Raises:
        UserError: the file is missing, or not in the format of Karpathy's files.
    """
    folder = data_folder(root)
    path = folder / captions
    splits: Splits = {name: [] for name in dict.fromkeys(_SPLITS.values())}
    for entry in _entries(path):
        example = _example(entry, folder / images, path)
        splits[_SPLITS[entry["split"]]].append(example)
    return splits


def _entries(path: Path) -> list[dict[str, Any]]:
    content = read_json(path, "data.root and data.captions")
    entries = content.get("images") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path} should hold a list `images` as Karpathy's dataset_coco.json does; check data.captions")
    for entry in entries:
        if not isinstance(entry, dict) or not {"filename", "split", "sentences"} <= entry.keys():
            raise UserError(
                f"{path}: each of `images` should have filename, split and sentences, got {str(entry)[:200]}; "
                "give a dataset_*.json as Karpathy published them"
            )
        if str(entry["split"]) not in _SPLITS:
            raise UserError(f"{path}: a split should be one of {', '.join(_SPLITS)}, got {entry['split']!r}")
    return entries


def _example(entry: dict[str, Any], photos: Path, path: Path) -> Example:
    number, sentences = entry.get("cocoid", entry.get("imgid")), entry["sentences"]
    entries = sentences if isinstance(sentences, list) else [sentences]
    texts = [each["raw"] for each in entries if isinstance(each, dict) and isinstance(each.get("raw"), str)]
    if entries is not sentences or len(texts) < len(entries):
        raise UserError(f"{path}: each sentence should have its `raw` text, got {str(sentences)[:200]}")
    if not isinstance(number, (int, str)):
        raise UserError(f"{path}: each image should have a cocoid or an imgid, got neither for {entry['filename']}")
    name = (entry.get("filepath", ""), entry["filename"])
    if not all(isinstance(part, str) for part in name):
        raise UserError(f"{path}: filepath and filename should be text, got {str(name)[:200]}; correct them")
    return Example(number, photos.joinpath(*name), [clean(text) for text in texts])
