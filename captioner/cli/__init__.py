"""The commands: `python -m captioner ...`, and what `train.py` and `eval.py` call.

training.py    train, compare, demo
judging.py     evaluate, score, inspect
captioning.py  caption, serve
looking.py     doctor, describe
options.py     what several of them take

A UserError is printed in one line and ends with status 2; a stop on request ends with 130 and goes on where it stopped.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

import typer

from captioner.cli.captioning import caption, serve
from captioner.cli.judging import evaluate, inspect, score
from captioner.cli.looking import describe, doctor
from captioner.cli.training import compare, demo, train
from captioner.errors import UserError
from captioner.progress import errors

COMMANDS = [train, evaluate, doctor, describe, score, caption, serve, compare, inspect, demo]
"""In the order in which help lists them."""

app = typer.Typer(
    help="Image captioning with attention: train, caption, see where it looked.",
    no_args_is_help=True,
    add_completion=False,
)
for command in COMMANDS:
    app.command()(command)


def main(command: Callable[[], object] = app) -> NoReturn:
    """Run a command and turn its end into an exit status."""
    from captioner.training.stopping import Interrupted

    warnings.filterwarnings("ignore", "Image size .* exceeds limit")  # Pillow's; such photos get an error of ours
    try:
        command()
    except UserError as error:
        errors.print(f"[red]error:[/] {_plain(str(error))}", soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        errors.print(f"[red]error:[/] {_plain(str(error))}; nothing half-written is left", soft_wrap=True)
        sys.exit(2)
    except (Interrupted, KeyboardInterrupt):
        errors.print("stopped; the same command goes on from the last checkpoint")
        sys.exit(130)
    sys.exit(0)


def _plain(text: str) -> str:
    """Text whose brackets rich does not take for styles."""
    from rich.markup import escape

    return escape(" ".join(text.split()))
