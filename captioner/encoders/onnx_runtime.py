"""Frozen encoders in onnxruntime, which is faster than PyTorch on a CPU.

The encoder is exported as it runs for inference: with batch norm folded, and aligned if it is. The export takes seconds, so that it is
kept in a cache folder. Before a session is used, its regions of random pixels are compared with PyTorch's.

Shapes: B photos, R regions, D region feature, h and w pixels.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from captioner.encoders.contract import FEW_PHOTOS, Encoder, Vision, digest, version
from captioner.errors import UserError, install, library
from captioner.files import VERSION, replacing
from captioner.progress import print_note
from captioner.regions import Grid

PACKAGES = ("onnxruntime", "onnx", "onnxscript")
MANY_PHOTOS = 1000
"""`auto` exports an encoder for this many photos or more."""
TOLERANCE = 1e-4
"""Between regions of onnxruntime and of PyTorch, relative to the largest feature."""
CACHE = "CAPTIONER_CACHE"
"""The environment variable that names the cache folder."""
_LARGEST = 1.5 * 2**30  # bytes of weights; one file of ONNX holds 2 GiB
_Run = Callable[[Tensor], Tensor]


def check(vision: Vision) -> None:
    """Raise a UserError if the encoder cannot run in onnxruntime, or if a package for it is not installed."""
    for name in PACKAGES:
        if find_spec(name) is None:
            library(name, "encoder.runtime=onnx", "onnx")
    if obstacle := _obstacle_of(vision):
        raise UserError(f"encoder.runtime=onnx cannot run this encoder: {obstacle}; set encoder.runtime=auto")


def runtime_text(vision: Vision, device: torch.device, precision: torch.dtype) -> str:
    """In which runtime the encoder runs, and why."""
    obstacle = _obstacle_of(vision) or _obstacle_here(device, precision)
    if vision.runtime == "onnx" and device.type == "cpu":
        return "onnxruntime (as encoder.runtime says)"
    if vision.runtime == "torch" or obstacle:
        return f"torch ({obstacle or 'as encoder.runtime says'})"
    return (
        f"onnxruntime for {MANY_PHOTOS:,} new photos or more at a time, or {FEW_PHOTOS} once the encoder has been exported; "
        "torch for fewer"
    )


def _obstacle_of(vision: Vision) -> str:
    """Why an encoder can run in torch only; empty if it can run in onnxruntime."""
    if not isinstance(vision, Encoder):
        return "its regions come from files"
    if not isinstance(vision.layout, Grid):
        return "its number of boxes depends on the photo"
    if not vision.frozen:
        return "it is trained"
    size = sum(parameter.nbytes for parameter in vision.parameters())
    return "its weights are larger than 1.5 GiB, too large for a file of ONNX" if size > _LARGEST else ""


def _obstacle_here(device: torch.device, precision: torch.dtype) -> str:
    """Why `auto` stays in torch; empty if it need not."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if device.type != "cpu":
        return f"it runs on {device.type}"
    if precision != torch.float32:
        return f"it computes in {str(precision).removeprefix('torch.')}"
    return f"{missing[0]} is not installed: {install('onnx')}" if missing else ""


def engine_for(encoder: Encoder, num_photos: int) -> OnnxRuntime | None:
    """What runs an encoder with `runtime: auto` for so many photos; None for torch."""
    if _obstacle_of(encoder) or _obstacle_here(next(encoder.parameters()).device, torch.float32):
        return None
    if num_photos < MANY_PHOTOS and not _cached(encoder).is_file():
        return None
    engine = OnnxRuntime(optional=True)
    engine.prepare(encoder)
    return engine


class OnnxRuntime:
    """Computes features (B, R, D) of pixels (B, 3, h, w) in onnxruntime.

    The session is made at the first use, and again when weights or torch's number of threads have changed.

    Args:
        optional: go on in torch if this encoder cannot be exported, or is on another device or under autocast.
    """

    def __init__(self, optional: bool):
        self.optional = optional
        self._session: _Run | None = None
        self._made_for: list[Any] = []

    def __reduce__(self) -> tuple:
        return OnnxRuntime, (self.optional,)  # a copy makes its own session

    def features(self, encoder: Encoder, pixels: Tensor) -> Tensor | None:
        """Features of uint8 pixels; None if torch should compute them.

        Raises:
            UserError: the encoder cannot run in onnxruntime, and this is not optional.
        """
        if self.optional and (pixels.device.type != "cpu" or torch.is_autocast_enabled("cpu")):
            return None
        if pixels.device.type != "cpu":
            raise UserError(
                f"encoder.runtime=onnx runs on the CPU, got photos on {pixels.device.type}; set run.device=cpu, or encoder.runtime=auto"
            )
        self.prepare(encoder)
        return None if self._session is None else self._session(pixels)

    def prepare(self, encoder: Encoder) -> None:
        """Make the session unless it is there."""
        weights = [version(tensor) for tensor in (*encoder.parameters(), *encoder.buffers())]
        wanted = [torch.get_num_threads(), *weights]
        if self._made_for == wanted:
            return
        with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
            try:
                self._session = _session(encoder)
            except UserError as error:
                if not self.optional:
                    raise
                print_note(f"the encoder runs in torch: {error}")
                self._session = None
        self._made_for = wanted


def _session(encoder: Encoder) -> _Run:
    """A session whose regions are those of torch.

    Raises:
        UserError: the encoder cannot be exported, or the regions differ.
    """
    path, run = _cached(encoder), None
    with suppress(Exception):  # a damaged file is exported again
        run = _started(path.read_bytes())
    if run is None or not _difference(encoder, run) < TOLERANCE:
        graph = _exported(encoder)
        run = _started(graph)
        if not (difference := _difference(encoder, run)) < TOLERANCE:
            raise UserError(
                f"its regions in onnxruntime differ by {difference:.1e} of the largest, more than {TOLERANCE:.0e}; "
                "another version of torch or onnxruntime may help"
            )
        with suppress(OSError, UserError), replacing(path) as beside:  # without a cache, it is exported every time
            beside.write_bytes(graph)
    return run


def _exported(encoder: Encoder) -> bytes:
    """The encoder as a graph of ONNX, from uint8 pixels to features."""
    print_note(
        "exporting the encoder for onnxruntime; this takes some seconds, and later commands find it in the cache"
    )
    pixels = random_pixels(encoder)
    try:
        with quiet():
            program = torch.export.export(
                _Features(encoder), (pixels,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), strict=False
            )
            names: dict[str, Any] = {"input_names": ["pixels"], "output_names": ["features"]}
            written: Any = torch.onnx.export(program, dynamo=True, verbose=False, **names)
            return written.model_proto.SerializeToString()
    except Exception as error:  # of any kind, from operations that ONNX lacks
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise UserError(f"it cannot be exported to ONNX ({reason}); encoder.runtime=torch needs no export") from error


class _Features(nn.Module):
    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder.for_inference()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.encoder.features(self.encoder.preprocess.normalise(pixels))


def _started(graph: bytes) -> _Run:
    """A function that runs a graph, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # threads that wait leave the cores to torch
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0])


def _difference(encoder: Encoder, run: _Run) -> float:
    """The largest difference from torch's regions of random pixels, relative to the largest feature."""
    pixels = random_pixels(encoder)
    expected = encoder.features(encoder.preprocess.normalise(pixels))
    features = run(pixels)
    return float((features - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def random_pixels(encoder: Vision) -> Tensor:
    """Pixels of two photos, (2, 3, h, w)."""
    width, height = encoder.preprocess.crop
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _cached(encoder: Encoder) -> Path:
    """The file in the cache folder that holds the exported encoder."""
    root = os.environ.get(CACHE) or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "captioner")
    versions = {"captioner": VERSION, "torch": torch.__version__}
    view = {"preprocess": asdict(encoder.preprocess), **encoder.choices()}
    about = {**versions, **view, "layers": repr(encoder)}
    return Path(root).expanduser() / f"encoder-{digest(encoder, about)[:24]}.onnx"


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch says about its own export."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
