"""Export a trained model, so that it captions without this package: an encoder, a step, and a description of both.

Shapes: B photos, Q captions of one photo, h and w pixels of the network's view.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from captioner import builder
from captioner.attention.hard import HardAttention
from captioner.attention.local import LocalMonotonicAttention
from captioner.captioner import Captioner
from captioner.commands.export.graphs import EncoderGraph, StepGraph, map_tensors, memory_tensors, state_tensors
from captioner.commands.outputs import check_outputs, check_writable
from captioner.decoders.recurrent import RecurrentDecoder
from captioner.encoders import Detector, Encoder
from captioner.encoders.contract import digest
from captioner.encoders.onnx_runtime import PACKAGES, quiet, random_pixels
from captioner.encoders.preprocess import Preprocess
from captioner.errors import UserError, library
from captioner.files import VERSION, replacing, write_text_atomically
from captioner.model import CaptionModel
from captioner.regions import Grid
from captioner.text.vocabulary import END, PAD, START, UNK

ABOUT = "captioner.json"
SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
_GRAPHS = ("encoder", "step")
_PROGRAM = f"captioner {VERSION}"  # in each file, by which a later export knows it
_TOLERANCE = 1e-4  # of weights and log-probabilities, between an export and the model
_DYNAMIC = torch.export.Dim.DYNAMIC
_Run = Callable[..., list[Tensor]]


@dataclass(frozen=True)
class Exported:
    """The two graphs, and the names of what they take and return."""

    encoder: Any  # ExportedProgram
    step: Any
    memory: list[str]
    state: list[str]
    maps: list[str]

    def names(self, graph: str) -> dict[str, Any]:
        tensors = [*self.memory, *self.state]
        if graph == "encoder":
            return {"input_names": ["pixels"], "output_names": tensors}
        new = [f"new_{name}" for name in self.state]
        return {"input_names": ["words", *tensors], "output_names": ["log_probs", *self.maps, *new]}


def export(
    run: str | Path | None, folder: Path | None = None, to: str = "onnx", overwrite: bool = False
) -> tuple[Path, float]:
    """Write the encoder, one step of the decoder, and `captioner.json`, which says how to use them.

    Args:
        run: folder of a run or of a packed model.
        folder: for what is written; by default, `export` in the folder of the model.
        to: `onnx` or `torch`.
        overwrite: replace files that exist and that this program has not written.

    Returns:
        The folder, and the largest difference from the model's own weights and log-probabilities, on three words of two random photos.

    Raises:
        UserError: the model cannot be exported, for a reason that the error gives.
    """
    source = builder.model_folder(run)
    folder = folder or builder.results_root(source) / "export"
    check_writable(folder, "give --folder FOLDER")
    graphs = {graph: folder / f"{graph}{SUFFIXES[to]}" for graph in _GRAPHS}
    check_outputs({}, [*graphs.values(), folder / ABOUT], [], overwrite)
    captioner = builder.load(source, device="cpu")
    model = captioner.model
    assert isinstance(model, CaptionModel)
    check_exportable(model)
    weights = digest(model, {})
    outdated = of_another_model(folder, to, weights)
    check_outputs({}, outdated, [], overwrite)
    if to == "onnx":
        for package in PACKAGES:
            library(package, "--to onnx", "onnx")
    with quiet(), torch.no_grad():
        exported = graphs_of(model)
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / ABOUT, *outdated):
            path.unlink(missing_ok=True)
        runs = [_write(exported, graph, path) for graph, path in graphs.items()]
        difference = _largest_difference(model, exported, *runs)
    if not difference < _TOLERANCE:
        raise UserError(
            f"the export differs from the model by {difference:.1e}, more than {_TOLERANCE:.0e}; it is in {folder}, but lacks {ABOUT}: "
            "another version of torch or onnxruntime may help"
        )
    about = {"program": _PROGRAM, "model": source.name, "weights": weights, **_about(captioner, exported)}
    write_text_atomically(folder / ABOUT, json.dumps(about, ensure_ascii=False, indent=1) + "\n")
    return folder, difference


def of_another_model(folder: Path, to: str, weights: str) -> list[Path]:
    """Graphs of the other format in a folder whose description will be that of a model with other weights."""
    if (folder / ABOUT).exists() and weights.encode() in (folder / ABOUT).read_bytes():
        return []
    others = [folder / f"{graph}{suffix}" for graph in _GRAPHS for name, suffix in SUFFIXES.items() if name != to]
    return [path for path in others if path.exists()]


def check_exportable(model: CaptionModel) -> None:
    """Raise a UserError with the reason if the model has a part that no graph can hold."""
    modules = list(model.decoder.modules())
    monotonic = any(isinstance(module, LocalMonotonicAttention) for module in modules)
    reasons = {
        "its regions come from files, so it has no encoder": not isinstance(model.encoder, Encoder),
        "encoder.kind=detector keeps a number of boxes that depends on the photo, by operations that no graph of fixed shapes holds": (
            isinstance(model.encoder, Detector)
        ),
        "the window of attention.kind=local_monotonic moves with the number of the word, which a recurrent decoder's step counts outside "
        "of its tensors": monotonic and isinstance(model.decoder, RecurrentDecoder),
        "attention.decoding=draw draws regions at random": any(
            isinstance(module, HardAttention) and module.decoding == "draw" for module in modules
        ),
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    if reason is not None:
        raise UserError(f"this model cannot be exported: {reason}; export a model with other parts")


def graphs_of(model: CaptionModel) -> Exported:
    """Both graphs, for any number of photos, captions and words."""
    words = torch.full((2, 3), START)
    pixels = random_pixels(model.encoder)
    memory = model.remember(pixels)
    first, state = model.decoder.start(memory, 1), model.decoder.start(memory, 3)
    for _ in range(2):
        _, attended, state = model.decoder.step(words, state, memory)
    tensors = [*memory_tensors(memory).values(), *state_tensors(state).values()]
    shapes = [{0: _DYNAMIC}] * len(memory_tensors(memory))
    shapes += [dict.fromkeys(range(tensor.dim() - 1), _DYNAMIC) for tensor in state_tensors(state).values()]
    encoder = torch.export.export(EncoderGraph(model), (pixels,), dynamic_shapes=({0: _DYNAMIC},), strict=False)
    step = torch.export.export(
        StepGraph(model, memory, first),
        (words, tensors),
        dynamic_shapes=({0: _DYNAMIC, 1: _DYNAMIC}, shapes),
        strict=False,
    )
    for program in (encoder, step):  # torch 2.6 keeps calls that it cannot read again, and whose results nothing needs
        program.graph_module.graph.eliminate_dead_code()
    return Exported(
        encoder, step, list(memory_tensors(memory)), list(state_tensors(state)), list(map_tensors(attended))
    )


def _write(exported: Exported, graph: str, path: Path) -> _Run:
    """Write a graph, and return a function that runs the written one."""
    program, names = getattr(exported, graph), exported.names(graph)
    with replacing(path) as beside:
        if path.suffix == ".pt2":
            graph_bytes = io.BytesIO()  # where the disk is full, torch would end the process
            torch.export.save(program, graph_bytes, extra_files={"program": _PROGRAM})
            beside.write_bytes(graph_bytes.getbuffer())
        else:
            onnx = torch.onnx.export(program, dynamo=True, verbose=False, **names)
            assert onnx is not None
            onnx.model.doc_string = _PROGRAM
            onnx.save(beside)
    if path.suffix == ".pt2":
        module = torch.export.load(path).module()
        return lambda first, *rest: list(module(first, list(rest)) if rest else module(first))
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(*tensors: Tensor) -> list[Tensor]:
        inputs = {name: tensor.numpy() for name, tensor in zip(names["input_names"], tensors, strict=True)}
        return [torch.from_numpy(array) for array in session.run(None, inputs)]

    return run


def _largest_difference(model: CaptionModel, exported: Exported, encoder: _Run, step: _Run) -> float:
    """Between what the written graphs and the model return, over three words of two photos."""
    pixels, words = random_pixels(model.encoder), torch.full((2, 1), START)
    memory, tensors = model.remember(pixels), encoder(pixels)
    state, size = model.decoder.start(memory, 1), len(exported.memory)
    differences = []
    for _ in range(3):
        output, attended, state = model.decoder.step(words, state, memory)
        log_probs = model.decoder.vocabulary_logits(output).float().log_softmax(-1)
        expected = [log_probs, *map_tensors(attended).values()]
        results = step(words, *tensors)
        differences += [float((own - other).abs().max()) for own, other in zip(expected, results, strict=False)]
        tensors = [*tensors[:size], *results[len(expected) :]]
        words = log_probs.argmax(-1)
    return max(differences)


def _about(captioner: Captioner, exported: Exported) -> dict[str, Any]:
    """What a program needs to know besides the graphs: words, preprocessing, the grid of regions, and names of tensors."""
    model, limits, vocabulary = captioner.model, captioner.search.limits, captioner.vocabulary
    view, layout = model.encoder.preprocess, model.encoder.layout
    assert isinstance(view, Preprocess)
    assert isinstance(layout, Grid)
    return {
        "view": {
            "resize": view.resize,
            "crop": view.crop,
            "interpolation": view.interpolation,
            "fill": [round(255 * value) for value in view.mean],
        },
        "rows": layout.rows,
        "columns": layout.columns,
        "attend": model.decoder.attend,
        "start": START,
        "end": END,
        "never": [PAD, START] + [UNK] * (limits.unknown == "forbid"),
        "max_length": limits.max_length,
        "separator": vocabulary.join(["", ""]),
        "tensors": {graph: exported.names(graph) for graph in _GRAPHS},
        "words": vocabulary.words,
    }
