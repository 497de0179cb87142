"""`captioner caption`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from captioner.errors import UserError

Scale = Enum("Scale", {"caption": "caption", "word": "word"})


def caption(
    photos: Annotated[list[str], typer.Argument(help="photos: files, folders, or patterns such as 'trip/*.jpg'")],
    model: Annotated[
        list[Path], typer.Option(help="the folder that training wrote, such as runs/demo; several write as an ensemble")
    ],
    sheet: Annotated[
        Path | None,
        typer.Option(help="draw each word's map over the photo: out.png, out.pdf, or a folder"),
    ] = None,
    strip: Annotated[
        Path | None, typer.Option(help="draw small maps over the words: out.png, out.pdf or a folder")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="draw the maps of each head for each word: out.png, out.pdf or a folder")
    ] = None,
    gif: Annotated[Path | None, typer.Option(help="word after word as an animation: out.gif or a folder")] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="another model's folder, drawn beside the first on the sheet; may be repeated"),
    ] = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="draw maps smoothly, which pictures then say, not cell by cell")
    ] = False,
    scale: Annotated[
        Scale, typer.Option(help="what a picture's colours span: the caption's largest weight, or each word's own")
    ] = Scale.caption,
    page: Annotated[
        Path | None,
        typer.Option(
            help="write out.html: point at a word to see its map; heads, and the other captions that decoding found"
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="write a table: photo, caption, confidence")] = None,
    json: Annotated[Path | None, typer.Option(help="write words, log-probabilities and maps")] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="change decoding: search.max_length=12"),
    ] = None,
    seed: Annotated[int, typer.Option(help="where search.kind=sample starts to draw from")] = 0,
) -> None:
    """Caption photos that the model has never seen. Ends with status 1 where some of several photos could not be read."""
    import torch

    from captioner import builder
    from captioner.commands import caption as command
    from captioner.visualize.overlay import Style

    if beside and sheet is None:
        raise UserError("--beside draws models on one sheet; say where with --sheet out.png")
    _check_different(model, beside or [])
    asked = {"sheet": sheet, "strip": strip, "heads": heads, "gif": gif}
    wanted = {option: path for option, path in asked.items() if path is not None}
    if smooth and not wanted and page is None:
        raise UserError("--smooth draws pictures and pages, got none to draw; give --sheet out.png too")
    if scale is Scale.word and not wanted:
        raise UserError("--scale is of pictures, got none to draw; give --sheet out.png too")
    others = {str(run): builder.load(run, overrides=override or []) for run in beside or []}
    style = Style(smooth=smooth, scale=scale.value)
    torch.manual_seed(seed)
    found = builder.load(model, overrides=override or [])
    if command.run(found, photos, wanted, csv, json, page, others, style, name=" + ".join(map(str, model))):
        sys.exit(1)


def _check_different(model: list[Path], beside: list[Path]) -> None:
    """Complain about a model that would stand on a sheet twice."""
    drawn = [model[0].resolve()] if len(model) == 1 else []
    for run in beside:
        if run.resolve() in drawn:
            raise UserError(f"--beside draws other models beside the first, got {run} twice; give another run")
        drawn.append(run.resolve())
