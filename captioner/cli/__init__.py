"""The command line: `captioner COMMAND`, also called by `train.py` and `eval.py`. One file per command, named as the user types it.

Each file holds the options of its command and imports the work from `captioner/commands/` when it runs, so that `--help` is fast.
options.py holds the options that several commands share.

Start: demo.py, train.py, caption.py, serve.py. Measure: evaluate.py, score.py, inspect.py, compare.py, curves.py, runs.py.
Share: pack.py, card.py, push.py, models.py, export.py.
Before training: settings.py, doctor.py, describe.py.

A UserError is printed in one line and ends with status 2. An interruption ends with status 130; training resumes
with the same command.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text

from captioner.errors import Interrupted, UserError, system_error, too_large
from captioner.files import VERSION
from captioner.layers.allocation import within_free_memory
from captioner.progress import errors, print_note

COMMANDS = {
    "Start": ["demo", "train", "caption", "serve"],
    "Measure": ["evaluate", "score", "inspect", "compare", "curves", "runs"],
    "Share": ["pack", "card", "push", "models", "export"],
    "Before training": ["settings", "doctor", "describe"],
}
"""The files of the commands, in the groups and in the order in which `--help` lists them."""
ALIASES = {"eval": "evaluate"}
_HELP = "Image captioning with attention: train a model, caption photos, and see where it attends."


def _allow_pixels(pixels: int | None) -> None:
    if pixels is not None:
        from captioner.encoders.preprocess import MOST_PIXELS

        os.environ[MOST_PIXELS] = str(pixels)  # processes that read photos for this one see it too


MostPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        callback=_allow_pixels,
        help="Read photos of at most this many pixels. Default: 250 million. Large photos need 3 to 12 bytes a pixel.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that exist and that captioner has not written.")
]


def make_app(wanted: str | None = None) -> typer.Typer:
    """The program; with `wanted`, of that command alone, so that the other commands are not imported."""
    made = typer.Typer(help=_HELP, no_args_is_help=True, add_completion=True, callback=_app_options)
    for panel, names in COMMANDS.items():
        for name in names:
            if wanted in (None, name):
                made.command(rich_help_panel=panel)(_command(name))
    for alias, name in ALIASES.items():
        if wanted in (None, alias):
            made.command(alias, hidden=True)(_command(name))
    return made


def __getattr__(name: str) -> Any:
    """A command, or `app` with all of them, imported on first use."""
    if name == "app":
        return make_app()
    if any(name in names for names in COMMANDS.values()):
        return _command(name)
    raise AttributeError(f"module 'captioner.cli' has no attribute {name!r}")


def _command(name: str) -> Callable[..., None]:
    command = getattr(import_module(f"captioner.cli.{name}"), name)
    globals()[name] = command  # in place of the module of the same name
    return command


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"captioner {VERSION}")
        raise typer.Exit


def _app_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself."""


def run_app() -> None:
    """Run the command that was asked for."""
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    known = first in ALIASES or any(first in names for names in COMMANDS.values())
    make_app(first if known else None)(prog_name="captioner")


def main(command: Callable[[], object] = run_app) -> NoReturn:
    """Run a command and turn its outcome into an exit status."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # letters that the output's encoding lacks; errors are escaped already
    warnings.showwarning = lambda message, *_: print_note(" ".join(str(message).split()))
    warnings.filterwarnings("ignore", module=r"PIL\b")  # a photo that Pillow doubts is read, or gets an error of ours
    try:
        with within_free_memory():
            command()
    except UserError as error:
        _print_error(str(error))
        sys.exit(2)
    except OSError as error:
        _print_error(f"{system_error(error)}; no half-written file is left")
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        if not too_large(error):
            raise
        why = next(iter(str(error).splitlines()), "out of memory")[:200]
        _print_error(
            f"this needs more memory than there is ({why}); make run.batch_size or the sizes of the parts smaller"
        )
        sys.exit(2)
    except Interrupted:
        _print_once("stopped; run the same command again to resume from the last checkpoint")
        sys.exit(130)
    except (KeyboardInterrupt, SystemExit) as end:  # typer turns Ctrl-C into status 130, and says nothing
        if isinstance(end, SystemExit) and end.code != 130:
            raise
        _print_once("stopped")
        sys.exit(130)
    sys.exit(0)


def _print_error(text: str) -> None:
    _print_once(Text("error:", style="red"), " ".join(text.split()))


def _print_once(*parts: Text | str) -> None:
    """Print on stderr; of the processes of torchrun, only the first to come here does."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from captioner.training.distributed import is_first_to_say

        if not is_first_to_say(" ".join(map(str, parts))):
            return
    with suppress(OSError):  # the terminal was closed; schedulers still see the exit status
        errors.print(*parts, soft_wrap=True)
