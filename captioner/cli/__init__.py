"""The command line: `captioner COMMAND`, also called by `train.py` and `eval.py`. One file per command, named as the user types it.

Each file holds the options of its command and imports the work from `captioner/commands/` when it runs, so that `--help` is fast.
options.py holds the options that several commands share.

Start: demo.py, train.py, caption.py, serve.py. Measure: evaluate.py, score.py, inspect.py, compare.py. Before training: settings.py,
doctor.py, describe.py.

A UserError is printed in one line and ends with status 2. An interruption ends with status 130; the same command resumes.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Annotated, NoReturn

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
from captioner.cli.settings import settings
from captioner.cli.train import train
from captioner.errors import UserError
from captioner.files import VERSION
from captioner.progress import errors

COMMANDS: dict[str, list[Callable]] = {
    "Start": [demo, train, caption, serve],
    "Measure": [evaluate, score, inspect, compare],
    "Before training": [settings, doctor, describe],
}
"""Every command, in the groups and in the order in which `--help` lists them."""

app = typer.Typer(
    help="Image captioning with attention: train a model, caption photos, and see where it attends.",
    no_args_is_help=True,
    add_completion=True,
)
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.command("eval", hidden=True)(evaluate)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"captioner {VERSION}")
        raise typer.Exit


@app.callback()
def _app_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Image captioning with attention: train a model, caption photos, and see where it attends."""


def run_app() -> None:
    app(prog_name="captioner")


def main(command: Callable[[], object] = run_app) -> NoReturn:
    """Run a command and turn its outcome into an exit status."""
    from captioner.training.stopping import Interrupted

    warnings.filterwarnings("ignore", "Image size .* exceeds limit")  # Pillow's; such photos get an error of ours
    try:
        command()
    except UserError as error:
        errors.print(f"[red]error:[/] {_plain(str(error))}", soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        errors.print(f"[red]error:[/] {_plain(str(error))}; no half-written file is left", soft_wrap=True)
        sys.exit(2)
    except (Interrupted, KeyboardInterrupt):
        errors.print("stopped; run the same command again to resume from the last checkpoint")
        sys.exit(130)
    sys.exit(0)


def _plain(text: str) -> str:
    """One line of text, with brackets escaped so that rich does not read them as styles."""
    from rich.markup import escape

    return escape(" ".join(text.split()))
