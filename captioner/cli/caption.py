"""`captioner caption`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from captioner.cli import MostPixels
from captioner.errors import UserError

if TYPE_CHECKING:
    from captioner.visualize.overlay import Style

Scale = Enum("Scale", {"caption": "caption", "word": "word"})

Models = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of a model, such as runs/demo. Several decode as an ensemble. Default: natural, the model in the box.",
        show_default=False,
    ),
]
Beside = Annotated[
    list[Path] | None,
    typer.Option(help="Another run folder, drawn beside the first on the sheet. Repeatable."),
]
Smooth = Annotated[bool, typer.Option("--smooth", help="Interpolate maps between cells; the picture says so.")]
Page = Annotated[
    Path | None,
    typer.Option(help="Write out.html: point at a word to see its map; with heads and the other candidate captions."),
]


def caption(
    photos: Annotated[list[str], typer.Argument(help="Photos: files, folders, or patterns such as 'trip/*.jpg'.")],
    model: Models = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Draw each word's attention map over the photo: out.png, out.pdf or a folder."),
    ] = None,
    strip: Annotated[
        Path | None, typer.Option(help="Draw small maps above the words: out.png, out.pdf or a folder.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="Draw the maps of each head for each word: out.png, out.pdf or a folder.")
    ] = None,
    gif: Annotated[Path | None, typer.Option(help="Animate the caption word by word: out.gif or a folder.")] = None,
    beside: Beside = None,
    smooth: Smooth = False,
    scale: Annotated[
        Scale, typer.Option(help="What the colours span up to: the largest weight of the caption, or of each word.")
    ] = Scale.caption,
    page: Page = None,
    csv: Annotated[Path | None, typer.Option(help="Write a table: photo, caption, confidence.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write words, log-probabilities and maps.")] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting of decoding: search.max_length=12. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of search.kind=sample.")] = 0,
    most_pixels: MostPixels = None,
) -> None:
    """Caption photos. Ends with status 1 if some of several photos could not be read."""
    import torch

    from captioner import builder
    from captioner.commands import caption as command

    if beside and sheet is None:
        raise UserError("--beside draws several models on one sheet; add --sheet out.png")
    _check_different(model or [Path(builder.NATURAL)], beside or [])
    pictures = {"sheet": sheet, "strip": strip, "heads": heads, "gif": gif}
    wanted = {option: path for option, path in pictures.items() if path is not None}
    _check_style(smooth, scale, wanted, page)
    others = {str(run): builder.load(run, overrides=override or []) for run in beside or []}
    style = _style(smooth, scale) if wanted or page is not None else None
    torch.manual_seed(seed)
    captioner = builder.load(model or None, overrides=override or [])
    if command.run(
        captioner, photos, wanted, csv, json, page, others, style, name=" + ".join(map(str, model or [builder.NATURAL]))
    ):
        sys.exit(1)


def _check_style(smooth: bool, scale: Scale, wanted: dict[str, Path], page: Path | None) -> None:
    """Refuse options for pictures without a picture."""
    if smooth and not wanted and page is None:
        raise UserError("--smooth applies to pictures and pages, got none to draw; give --sheet out.png too")
    if scale is Scale.word and not wanted:
        raise UserError("--scale applies to pictures, got none to draw; give --sheet out.png too")


def _style(smooth: bool, scale: Scale) -> Style:
    from captioner.visualize.overlay import Style

    return Style(smooth=smooth, scale=scale.value)


def _check_different(model: list[Path], beside: list[Path]) -> None:
    """Refuse a model that would be on a sheet twice."""
    drawn = [model[0].resolve()] if len(model) == 1 else []
    for run in beside:
        if run.resolve() in drawn:
            raise UserError(f"--beside draws other models beside the first, got {run} twice; give another run")
        drawn.append(run.resolve())
