"""`captioner inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from captioner.cli import MostPixels
from captioner.cli.options import Overrides, Run, long_work, model_and_overrides
from captioner.progress import console


def inspect(
    instances: Annotated[
        Path,
        typer.Option(
            help="Objects in the photos: a file in COCO's instances format, or the folder of Flickr30k Entities."
        ),
    ],
    run: Run = None,
    overrides: Overrides = None,
    captions: Annotated[
        Path | None, typer.Option(help="References. Default for instances_x.json: captions_x.json beside it.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photos. Default: images/ beside the instances.")
    ] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Measure on segmentation masks instead of boxes.")] = False,
    words: Annotated[Path | None, typer.Option(help='JSON of more words for categories: {"dog": ["hound"]}.')] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results. Default: a folder in that of the run.")
    ] = None,
    first: Annotated[int | None, typer.Option(min=1, help="Inspect only the first photos, by id.")] = None,
    most_pixels: MostPixels = None,
) -> None:
    """Measure attention: is it on the named object, does it matter, how sharp is it? Writes numbers and a figure."""
    from captioner.commands import inspect as command

    model, changes = model_and_overrides(run, overrides)
    with long_work() as report:
        request = command.Request(instances, captions, images, masks, words, first, out)
        card = command.inspect(model, request, changes, report)
    command.save(card)
    for table in command.tables(card):
        console.print(table)
    console.print(card.verdict, soft_wrap=True)
    console.print(f"written: {card.folder}/inspect.json, .png, .pdf and .svg", soft_wrap=True)
