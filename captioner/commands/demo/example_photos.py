"""The demo: caption the example photos with the bundled model, and draw where it attends for each word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from captioner import builder
from captioner.builder.loading import PRETRAINED
from captioner.commands import caption
from captioner.data.folder import photos_in
from captioner.errors import UserError, install
from captioner.progress import console

PLACES = [PRETRAINED / "examples", PRETRAINED.parents[1] / "examples"]
"""The second is that of a clone, for systems without symbolic links."""
_NEXT = f"""next:
  captioner caption photo.jpg --sheet sheet.png   a photo of your own
  captioner serve                                 a web page; {install("serve")} first
  captioner demo --train                          train a model on drawn pictures, in minutes"""


def example_photos() -> dict[str, Path]:
    """The example photos that come with the package, by name, such as "cat".

    Paths are relative if they are below the current folder. Licences and credits are in the README.md beside the photos. Empty if this
    installation has none.
    """
    place = next((place for place in PLACES if place.is_dir()), None)
    if place is None:
        return {}
    place = place.resolve()
    photos, _ = photos_in(place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place)
    return {photo.stem: photo for photo in photos}


def run(folder: Path, overrides: Sequence[str] = ()) -> None:
    """Write a sheet and a page of the example photos into `folder`/examples.

    Raises:
        UserError: this installation has no bundled model, or no example photos.
    """
    photos = example_photos()
    if not photos:
        raise UserError("this installation has no example photos; give a photo of yours: captioner caption photo.jpg")
    captioner = builder.load(overrides=overrides)
    written = folder / "examples"
    names = [str(photo) for photo in photos.values()]
    caption.run(
        captioner,
        names,
        {"sheet": written / "sheet.png"},
        page=written / "page.html",
        name=builder.NATURAL,
        overwrite=True,
    )
    console.print("open the page in a browser, and point at a word to see where the model attended", soft_wrap=True)
    for line in _NEXT.splitlines():
        console.print(line, soft_wrap=True)
