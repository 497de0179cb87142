"""Commands in forked processes, which need not import anything, and ways to kill them.

The parent must not have computed with several threads before it forks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch

from captioner.cli import main

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
"""Audit events of file operations that change a folder; writes of a file are counted where it is opened."""
HANG = 120
for _module in (
    "captioner.commands.train.training_run",
    "captioner.commands.caption",
    "captioner.commands.compare",
    "captioner.commands.evaluate",
    "captioner.features.stored_regions",
    "captioner.metrics.coco_scores",
    "captioner.visualize.sheet",
    "torch._dynamo",
):
    import_module(_module)


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    status: int  # negative: the signal that killed it
    output: str
    operations: int  # file operations that it had begun
    seconds: float


@dataclass(frozen=True)
class Running:
    """A command that was started."""

    process: int
    log: Path
    counter: Path
    started: float

    def wait(self) -> Ended:
        """Its end; a command that hangs is killed and fails the test."""
        status = _wait(self.process)
        operations = len(self.counter.read_bytes()) if self.counter.exists() else 0
        output = self.log.read_text(encoding="utf-8", errors="replace")
        return Ended(status, output, operations, time.monotonic() - self.started)


def start(
    arguments: list[str], folder: Path, kill_at: int | None = None, kill_after: float | None = None, name: str = ""
) -> Running:
    """Start `captioner ARGUMENTS` in the folder.

    Args:
        kill_at: SIGKILL before this file operation, counted from 1.
        kill_after: end the process after this many seconds, at once, as SIGKILL does.
        name: of its log, for several commands in one folder.
    """
    log, counter = (folder.parent / f"{name or folder.name}.{kind}" for kind in ("log", "count"))
    counter.unlink(missing_ok=True)
    started, process = time.monotonic(), os.fork()
    if process == 0:
        _child(arguments, folder, log, counter, kill_at, kill_after)
    return Running(process, log, counter, started)


def command(
    arguments: list[str], folder: Path, kill_at: int | None = None, kill_after: float | None = None, send: int = 0
) -> Ended:
    """Run `captioner ARGUMENTS` in the folder to its end; with `send`, `kill_after` sends that signal."""
    running = start(arguments, folder, kill_at, kill_after if not send else None)
    if send and kill_after is not None:
        time.sleep(kill_after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.process, send)
    return running.wait()


def _wait(process: int) -> int:
    limit = time.monotonic() + HANG
    while time.monotonic() < limit:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise AssertionError(f"the command did not end within {HANG} s")


def _child(
    arguments: list[str], folder: Path, log: Path, counter: Path, kill_at: int | None, kill_after: float | None
) -> None:
    """Never returns."""
    status = 70
    try:
        os.chdir(folder)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        torch.set_num_threads(1)
        signal.signal(
            signal.SIGHUP, signal.SIG_DFL
        )  # nohup starts the campaign with it ignored, which commands respect
        _count_operations(folder, counter, kill_at)
        if kill_after is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, kill_after)
        sys.argv = ["captioner", *arguments]
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _count_operations(folder: Path, counter: Path, kill_at: int | None) -> None:
    """Count the operations below the folder, one byte each, and kill this process before the chosen one."""
    descriptor = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    below, count = str(folder), 0

    def hook(event: str, values: tuple) -> None:
        nonlocal count
        if event not in CHANGES and not (event == "open" and _writes(values)):
            return
        name = values[0]
        if not isinstance(name, (str, bytes, os.PathLike)) or not os.path.abspath(os.fsdecode(name)).startswith(below):
            return
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(descriptor, b".")

    sys.addaudithook(hook)


def _writes(values: tuple) -> bool:
    mode, flags = values[1], values[2] or 0
    return bool(mode and set("wax+") & set(mode)) or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def leftovers(folder: Path) -> list[str]:
    """Temporary files below the folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.endswith(".tmp"))


def fresh(template: Path, folder: Path) -> Path:
    """A copy of the template."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    return folder
