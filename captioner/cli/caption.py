"""`captioner caption`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from captioner.cli import MostPixels, Overwrite
from captioner.errors import UserError

if TYPE_CHECKING:
    from captioner.visualize.overlay import Style

Scale = Enum("Scale", {"caption": "caption", "word": "word"})
Kind = Enum("Kind", {"reveal": "reveal", "cells": "cells", "ratio": "ratio"})
Explain = Enum(
    "Explain",
    {
        "attention": "attention",
        "posterior": "posterior",
        "gradients": "gradients",
        "both": "both",
        "all": "all",
        "layers": "layers",
    },
)
Words = Enum("Words", {"content": "content", "all": "all"})

Models = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of a model, such as runs/demo. Several decode as an ensemble. Default: natural, the bundled model.",
        show_default=False,
    ),
]
Picture = "out.png, .pdf, .svg or a folder"
Sheet = Annotated[Path | None, typer.Option(help=f"Draw words' attention maps over the photo: {Picture}.")]
Strip = Annotated[Path | None, typer.Option(help=f"Draw the caption as a figure for a paper: {Picture}.")]
Heads = Annotated[Path | None, typer.Option(help=f"Draw the maps of each head for each word: {Picture}.")]
KindOfStyle = Annotated[
    Kind,
    typer.Option(
        help="How maps are drawn: reveal darkens the photo where a map has less weight than a uniform one, cells covers it "
        "by colours from 0 to the largest weight, ratio by two colours for more and less than uniform."
    ),
]
ScaleOfCells = Annotated[
    Scale, typer.Option(help="With --style cells: colours up to the largest weight of the caption, or of each word.")
]
ShownWords = Annotated[Words, typer.Option(help="Which words get a map in pictures: content words, or all.")]
Explained = Annotated[
    Explain,
    typer.Option(
        help="What sheets and pages show of each word: where the decoder attended, the same and then given the word (posterior), gradients "
        "of its log-probability, both attention and gradients, all of them with integrated gradients too, or the attention of each layer "
        "(--heads shows the layers' heads then)."
    ),
]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting of decoding: search.max_length=12. Repeatable."),
]
Beside = Annotated[
    list[Path] | None,
    typer.Option(help="Another run folder, shown beside the first on the sheet or page. Repeatable."),
]
Smooth = Annotated[bool, typer.Option("--smooth", help="Interpolate maps between cells; the picture says so.")]
Page = Annotated[
    Path | None,
    typer.Option(help="Write out.html: point at a word to see its map; with heads and the other candidate captions."),
]


def caption(
    photos: Annotated[list[str], typer.Argument(help="Photos: files, folders, or patterns such as 'trip/*.jpg'.")],
    model: Models = None,
    sheet: Sheet = None,
    strip: Strip = None,
    heads: Heads = None,
    gif: Annotated[
        Path | None, typer.Option(help="Animate the caption word by word: out.gif, .webp or a folder.")
    ] = None,
    beside: Beside = None,
    smooth: Smooth = False,
    style: KindOfStyle = Kind.reveal,
    scale: ScaleOfCells = Scale.caption,
    words: ShownWords = Words.content,
    explain: Explained = Explain.attention,
    dark: Annotated[bool, typer.Option("--dark", help="Draw pictures on dark paper.")] = False,
    page: Page = None,
    csv: Annotated[Path | None, typer.Option(help="Write a table: photo, caption, confidence.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write words, log-probabilities and maps.")] = None,
    overwrite: Overwrite = False,
    override: Override = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed of search.kind=sample.")] = 0,
    most_pixels: MostPixels = None,
) -> None:
    """Caption photos. Ends with status 1 if some of several photos could not be read."""
    import torch

    from captioner import builder
    from captioner.commands import caption as command
    from captioner.layers.allocation import keep_memory

    _check_settings(override or [])
    _check_shown(sheet, page, heads, beside or [], explain.value)
    _check_different(model or [Path(builder.NATURAL)], beside or [])
    pictures = {"sheet": sheet, "strip": strip, "heads": heads, "gif": gif}
    wanted = {option: path for option, path in pictures.items() if path is not None}
    drawn = {"kind": style.value, "scale": scale.value, "words": words.value, "dark": dark}
    _check_style(smooth, drawn, wanted, page)
    others = {str(run): builder.load(run, overrides=override or []) for run in beside or []}
    how = _style(smooth, drawn) if wanted or page is not None else None
    keep_memory()
    _stop_as_at_ctrl_c()
    torch.manual_seed(seed)
    captioner = builder.load(model or None, overrides=override or [])
    name = " + ".join(map(str, model or [builder.NATURAL]))
    if command.run(captioner, photos, wanted, csv, json, page, others, how, name, explain.value, overwrite):
        sys.exit(1)


def _check_settings(overrides: list[str]) -> None:
    """Refuse settings of data, which this command does not read."""
    for override in overrides:
        if override.startswith(("data.", "run.features=")):
            raise UserError(
                f"--set changes settings of search, run.device and encoder.runtime here, got {override}; leave it out"
            )


def _check_shown(sheet: Path | None, page: Path | None, heads: Path | None, beside: list[Path], explain: str) -> None:
    """Refuse several models, or accounts of words, without a picture or page that shows them."""
    if beside and sheet is None and page is None:
        raise UserError("--beside shows several models on one sheet or page; add --sheet out.png or --page out.html")
    if explain == "attention":
        return
    if sheet is None and page is None and (heads is None or explain != "layers"):
        raise UserError(f"--explain {explain} needs a picture to draw; add --sheet out.png or --page out.html")
    if beside and sheet is not None:
        raise UserError(
            "a sheet shows several models or several accounts of one, got --explain and --beside; leave out one of them, "
            "or write a page, which shows both, with --page out.html and without --sheet"
        )


def _check_style(smooth: bool, drawn: dict[str, Any], wanted: dict[str, Path], page: Path | None) -> None:
    """Refuse options for pictures without a picture, and a scale that the style does not have."""
    if smooth and not wanted and page is None:
        raise UserError("--smooth applies to pictures and pages, got none to draw; give --sheet out.png too")
    usual = {"kind": "reveal", "scale": "caption", "words": "content", "dark": False}
    changed = [name for name, value in drawn.items() if value != usual[name]]
    if changed and not wanted and (page is None or set(changed) & {"scale", "dark"}):
        option = changed[0].replace("kind", "style")
        raise UserError(f"--{option} applies to pictures, got none to draw; give --sheet out.png too")
    if drawn["scale"] == "word" and drawn["kind"] != "cells":
        raise UserError(
            f"--scale word needs --style cells, got {drawn['kind']}, whose scale is the same for all pictures; "
            "add --style cells"
        )


def _style(smooth: bool, drawn: dict[str, Any]) -> Style:
    from captioner.visualize.overlay import Style

    return Style(smooth=smooth, **drawn)


def _check_different(model: list[Path], beside: list[Path]) -> None:
    """Refuse a model that would be on a sheet twice."""
    drawn = [model[0].resolve()] if len(model) == 1 else []
    for run in beside:
        if run.resolve() in drawn:
            raise UserError(f"--beside shows other models beside the first, got {run} twice; give another run")
        drawn.append(run.resolve())


def _stop_as_at_ctrl_c() -> None:
    """Let a request to end, and a closed terminal, stop the program as Ctrl-C does, so that the table has the photos so far."""
    import signal

    for name in ("SIGTERM", "SIGHUP"):  # Windows lacks the second
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
