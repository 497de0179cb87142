"""The command line: `captioner COMMAND`, and what `train.py` and `eval.py` call. One file a command, named as the user types it.

Each file holds the command's options and imports the work from `captioner/commands/` when it runs, so that `--help` is quick.
options.py holds the options that several commands share.

A UserError is printed in one line and ends with status 2. A stop on request ends with 130; the same command resumes.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

import typer

from captioner.cli.caption import caption
from captioner.cli.compare import compare
from captioner.cli.demo import demo
from captioner.cli.describe import describe
from captioner.cli.doctor import doctor
from captioner.cli.evaluate import evaluate
from captioner.cli.inspect import inspect
from captioner.cli.score import score
from captioner.cli.serve import serve
from captioner.cli.train import train
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
