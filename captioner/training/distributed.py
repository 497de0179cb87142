"""Processes, device and number type of a training run: one process, or several under torchrun."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from captioner.errors import Interrupted, UserError

Item = TypeVar("Item")
_ASKING = timedelta(seconds=2)  # how long to try to reach the other processes before an error is printed
Value = TypeVar("Value")
_PATIENCE = timedelta(days=30)  # the first process may compute regions for hours while the others wait
_LAST_WORK = 0.2
"""Seconds for gloo's threads to free the tensors of the last exchange. They need Python's lock for it, which PyTorch before 2.8 holds while
it destroys a group and waits for these threads: then none goes on."""


@dataclass(frozen=True)
class Processes:
    """This process, its rank and the number of all."""

    device: torch.device
    rank: int = 0
    count: int = 1
    group: Any = None  # in which objects are exchanged, on the CPU; it waits as long as all processes live

    @property
    def first(self) -> bool:
        """Is this the process that writes files and reports to the user?"""
        return self.rank == 0

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The objective in DDP, which averages all gradients; the objective itself if there is one process."""
        if self.count == 1:
            return objective
        return DistributedDataParallel(objective, device_ids=[self.device] if self.device.type == "cuda" else None)

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items that this process works on."""
        return items[self.rank :: self.count]

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        with others_alive():
            distributed.all_gather_object(values, value, group=self.group)
        return values

    def from_first(self, work: Callable[[], Value]) -> Value:
        """What `work` returns in the first process, in all of them. The others wait; an error there is raised in all."""
        if self.count == 1:
            return work()
        value, error = None, None
        if self.first:
            try:
                value = work()
            except BaseException as raised:  # raised again when the others know
                error = raised
        known = isinstance(error, UserError | OSError | Interrupted | None)
        sent = [value, error if known else UserError("the first process ended; its message says why")]
        with others_alive():
            distributed.broadcast_object_list(sent, group=self.group)
        if error is not None or sent[1] is not None:
            raise error or sent[1]
        return sent[0] if value is None else value

    def any(self, flag: bool) -> bool:
        """Is the flag set in any process?"""
        if self.count == 1:
            return flag
        value = torch.tensor(int(flag))  # on the CPU, so that no step waits for a GPU
        with others_alive():
            distributed.all_reduce(value, distributed.ReduceOp.MAX, group=self.group)
        return bool(value)


@contextmanager
def others_alive() -> Iterator[None]:
    """Say so in one line if another process ends while all should exchange values."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, distributed.DistError) or "onnection" in str(error)):
            raise
        raise UserError("another process of this training ended; its message says why, or it was killed") from error


@contextmanager
def processes(device: str = "auto") -> Iterator[Processes]:
    """Join the other processes that torchrun started, if any, until the block ends."""
    count, rank = _number("WORLD_SIZE", 1), _number("RANK", 0)
    chosen = choose_device(device, _number("LOCAL_RANK", 0))
    if count == 1:
        yield Processes(chosen)
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise UserError(
            f"WORLD_SIZE={count} says that {count} processes train together, but {missing[0]} is not set; start them with torchrun, or "
            "unset WORLD_SIZE"
        )
    with _signals_end_it():
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(chosen, rank, count, distributed.new_group(timeout=_PATIENCE, backend="gloo"))
    finally:
        time.sleep(_LAST_WORK)
        distributed.destroy_process_group()


def _number(variable: str, default: int) -> int:
    """A whole number from 0 on in an environment variable of torchrun."""
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdecimal()):
        raise UserError(
            f"{variable} should be a whole number, as torchrun sets it, got {text!r}; unset it, or start with torchrun"
        )
    return int(text)


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM end the process at once. It waits for the others in C++, where no Python handler would run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.signal(name, signal.SIG_DFL) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def is_first_to_say(text: str) -> bool:
    """Whether no other process of this training run has asked this about the same text. True if the others cannot be asked."""
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = distributed.TCPStore(host, port, is_master=False, timeout=_ASKING)
        return store.add(f"captioner said {sha256(text.encode('utf-8', 'replace')).hexdigest()}", 1) == 1
    except (KeyError, ValueError, RuntimeError):
        return True


def choose_device(name: str = "auto", local_rank: int = 0) -> torch.device:
    """The named device; `auto` prefers CUDA, then MPS, then the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(f"cuda:{local_rank}" if name == "cuda" else name)
        torch.zeros(1, device=device).item()  # a device such as meta computes nothing, and raises here
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"no device {name!r} here ({str(error).splitlines()[0]}); choose auto, cpu, cuda or mps"
        ) from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def number_type(precision: Literal["fp32", "mixed"], device: torch.device) -> torch.dtype:
    """The type in which products are computed on the device, by the setting `run.precision`."""
    return mixed_precision(device) if precision == "mixed" else torch.float32


def precision_text(precision: Literal["fp32", "mixed"], device: torch.device) -> str:
    """What `number_type` chooses, and why it does where it is not what the setting says."""
    chosen = str(number_type(precision, device)).removeprefix("torch.")
    if precision == "mixed" and chosen == "float32":
        return (
            "float32 in place of mixed: this processor has no bfloat16 instructions, and without them mixed is slower"
        )
    return chosen


def mixed_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, else float16 on CUDA and float32 elsewhere."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and not cpu_has_bfloat16():
        return torch.float32
    return torch.bfloat16


def cpu_has_bfloat16() -> bool:
    """Does this processor have instructions for products of bfloat16 (AVX512-BF16, AMX, or Arm's BF16)?

    oneDNN says yes for every AVX-512 processor, and emulates where these instructions are missing. PyTorch before 2.10 has no
    public list of them; `_is_avx512_bf16_supported` is of 2.6.
    """
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
