"""Flickr8k and Flickr30k as published: a token file with one caption per line, and a list of photos for each split.

Source: Hodosh, Young and Hockenmaier 2013 (Flickr8k); Young et al. 2014 (Flickr30k).
"""

from __future__ import annotations

from pathlib import Path

from captioner.data.contract import Example, Splits, clean, data_folder, file_name, read_text
from captioner.errors import UserError


def flickr(
    root: str,
    captions: str = "Flickr8k.token.txt",
    images: str = "images",
    train: str = "Flickr_8k.trainImages.txt",
    val: str = "Flickr_8k.devImages.txt",
    test: str = "Flickr_8k.testImages.txt",
) -> Splits:
    """Flickr8k or Flickr30k: a token file of captions, and a list of photos for each of the splits train, val and test.

    The id of a photo is its name in the list, with folders and without suffix.

    Args:
        root: folder of the data.
        captions: token file, below `root`; each line is `name.jpg#0`, a tab, and the caption.
        images: folder of the photos, below `root`.
        train: list of training photos, below `root`, one name per line.
        val: list of validation photos, below `root`.
        test: list of test photos, below `root`.

    Raises:
        UserError: a file is missing, a line is not in Flickr's format, or a listed photo has no caption.
    """
    folder = data_folder(root)
    references = _references(folder / captions, folder / images)
    lists = {"train": train, "val": val, "test": test}
    return {split: _split(folder / name, f"data.{split}", folder / images, references) for split, name in lists.items()}


def _references(path: Path, photos: Path) -> dict[str, list[str]]:
    references: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(path, "data.root and data.captions").split("\n"), start=1):
        if not line.strip():
            continue
        name, tab, caption = line.partition("\t")
        photo, mark, _ = name.rpartition("#")
        if not (tab and mark):
            raise UserError(
                f"{path}, line {number}: should be a photo's name, #, a number, a tab and the caption, got {line[:100]!r}"
            )
        references.setdefault(file_name(photo, photos), []).append(clean(caption))
    return references


def _split(path: Path, setting: str, photos: Path, references: dict[str, list[str]]) -> list[Example]:
    lines = read_text(path, f"data.root and {setting}").split("\n")
    names = [file_name(line, photos) for line in lines if line.strip()]
    endings = (name if Path(name).suffix else f"{name}.jpg" for name in names)  # Flickr30k's lists lack the ending
    listed = list(dict.fromkeys(endings))  # each photo once
    bare = [name for name in listed if name not in references]
    if bare:
        raise UserError(
            f"{path}: every listed photo needs a caption, got {len(bare)} of {len(listed)} without, first {bare[0]}; "
            "check data.captions"
        )
    ids = [Path(name).with_suffix("").as_posix() for name in listed]
    return [Example(photo, photos / name, references[name]) for photo, name in zip(ids, listed, strict=True)]
