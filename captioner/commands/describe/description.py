"""The model of a config, part by part: class, file, number of parameters, and shapes of inputs and outputs.

Shapes: B photos, Q captions of one photo, R regions, D region feature, O output, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich import box
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from captioner import builder
from captioner.attention import Attended, Attention, Memory, Score
from captioner.attention.scores import DotScore
from captioner.builder.sections import Settings
from captioner.commands.doctor import rows_of_parts
from captioner.decoders import Decoder
from captioner.encoders import Vision
from captioner.encoders.onnx_runtime import runtime_text
from captioner.errors import UserError
from captioner.features.store import is_stored
from captioner.model import CaptionModel
from captioner.regions import Boxes, Regions
from captioner.text.vocabulary import START, Vocabulary
from captioner.training.distributed import choose_device, number_type, precision_text

_PHOTOS, _CAPTIONS = 2, 5  # B and Q of the example
_WORDS = 9_000  # size of the vocabulary if the data cannot be read


@dataclass(frozen=True)
class Part:
    """One part of a model."""

    name: str
    what: str  # its class
    file: str
    trained: int  # parameters
    frozen: int
    flow: str  # shapes of inputs and outputs


def table(parts: Sequence[Part]) -> Table:
    """A table of the parts that fits into 80 columns: class, file and shapes are below one another."""
    shapes = f"shapes for {_PHOTOS} photos and {_CAPTIONS} captions of each, at one word"
    printed = Table(caption=shapes, box=box.SIMPLE, padding=(0, 1, 1, 0), pad_edge=False)
    printed.add_column("part", no_wrap=True)
    printed.add_column("class, file, shapes", overflow="fold")
    for name in ("trained", "frozen"):
        printed.add_column(name, justify="right", no_wrap=True)
    for part in parts:
        what = Text.assemble((part.what, "bold"), "\n", (part.file, "dim"), *(["\n", part.flow] if part.flow else []))
        printed.add_row(part.name, what, f"{part.trained:,}", f"{part.frozen:,}")
    trained, frozen = (sum(getattr(part, name) for part in parts) for name in ("trained", "frozen"))
    printed.add_row("total", "", f"{trained:,}", f"{frozen:,}")
    return printed


@torch.inference_mode()
def describe(config: Path, overrides: Sequence[str] = ()) -> tuple[list[Part], list[str]]:
    """The parts of a config's model, or of a trained one, in the order of computation, and notes. Nothing is downloaded or trained;
    missing drawn pictures are drawn, for their vocabulary.

    Args:
        config: a config, or the folder of a trained model.
        overrides: settings to change.

    Raises:
        UserError: the config is invalid.
    """
    if (config / builder.SETTINGS).is_file():
        settings = builder.read(config / builder.SETTINGS, overrides, note=False)
        vocabulary, notes = builder.read_vocabulary(config / builder.VOCABULARY), []
    else:
        settings = builder.read(config, overrides)
        vocabulary, notes = _vocabulary(settings)
    precision, device = settings.run.precision, choose_device()
    if precision == "mixed":
        notes.append(f"mixed precision on this machine: {precision_text('mixed', device)}")
    model = builder.make_model(settings, vocabulary, download=False).eval()
    decoder = model.decoder
    if is_stored(model.encoder):
        notes.append(f"the encoder runs in {runtime_text(model.encoder, device, number_type(precision, device))}")
    notes += _projections(model)
    regions, parts = _vision_parts(model)
    memory, words = decoder.remember(regions), torch.full((_PHOTOS, _CAPTIONS), START)
    output, attended, _ = decoder.step(words, decoder.start(memory, _CAPTIONS), memory)
    parts += _attention_parts(decoder, memory, attended)
    logits = decoder.vocabulary_logits(output)
    flow = f"words {_size(words)} -> output {_size(output)} -> logits {_size(logits)}; attends {decoder.attend}"
    parts.append(_part("decoder", [decoder], flow, less=decoder.attentions()))
    used = [
        (name, builder.part(name, chosen.kind))
        for name, chosen in (("objective", settings.objective), ("search", settings.search))
    ]
    return parts + [Part(name, part.__name__, _file(part), 0, 0, "") for name, part in used], notes


def _projections(model: CaptionModel) -> list[str]:
    """A note if the dot score projects the regions."""
    layers = [module.from_region for module in model.decoder.modules() if isinstance(module, DotScore)]
    sizes = [(layer.in_features, layer.out_features) for layer in layers if layer is not None]
    return [
        f"attention.score=dot projects regions from {before} to {after}, the size of the decoder's state, since these sizes differ"
        for before, after in dict.fromkeys(sizes)
    ]


def _vision_parts(model: CaptionModel) -> tuple[Regions, list[Part]]:
    """The regions that the decoder attends to, and the parts that compute them."""
    encoder, refiner = model.encoder, model.refiner
    width, height = encoder.preprocess.crop
    pixels = torch.zeros(_PHOTOS, 3, height, width, dtype=torch.uint8)
    regions = _stated_regions(encoder)
    parts = [_part("encoder", [encoder], f"pixels {_size(pixels)} -> regions {_size(regions.features)}")]
    if refiner is not None:
        regions = refiner(regions)
        parts.append(_part("refiner", [refiner], f"-> regions {_size(regions.features)}"))
    return regions, parts


def _attention_parts(decoder: Decoder, memory: Memory, attended: Attended) -> list[Part]:
    """The attention, and the parts inside it."""
    weights, heads, modules = attended.weights, attended.head_weights, decoder.attentions()
    maps = "no weights" if weights is None else f"weights {_size(weights)}"
    maps += f", {heads.shape[2]} heads" if heads is not None else ""
    flow = f"keys {_size(memory.keys)}, values {_size(memory.values)} -> {maps}, context {_size(attended.context)}"
    flow += f"; in each of {len(modules)} layers" if len(modules) > 1 else ""
    inside = [[part for part in module.modules() if isinstance(part, (Attention, Score))][1:] for module in modules]
    return [
        _part("attention", modules, flow, less=[part for layer in inside for part in layer]),
        *(
            _part("inside it", same, "", less=[part for layer in inside for part in layer[depth:]])
            for depth, same in enumerate(zip(*inside, strict=True), start=1)
        ),
    ]


def _vocabulary(settings: Settings) -> tuple[Vocabulary, list[str]]:
    try:
        splits = builder.make_all_splits(settings)
        rows = [", ".join(f"{name} {value}" for name, value in row.items()) for row in rows_of_parts(splits)]
        return builder.make_vocabulary(settings, splits), [f"data: {row}" for row in rows]
    except UserError as error:
        note = f"the data cannot be read; a vocabulary of {_WORDS:,} words is assumed: {error}"
        return Vocabulary([f"word{number}" for number in range(_WORDS)]), [note]


def _stated_regions(encoder: Vision) -> Regions:
    """Zeros in the number and size that the encoder states."""
    layout = encoder.layout
    if isinstance(layout, Boxes):
        layout = Boxes(layout.fractions.expand(_PHOTOS, -1, -1))
    regions = Regions.full(torch.zeros(_PHOTOS, layout.num_regions, encoder.region_size), layout)
    return replace(regions, whole=torch.zeros(_PHOTOS, encoder.whole_size)) if encoder.whole_size else regions


def _part(name: str, modules: Sequence[nn.Module], flow: str, less: Sequence[nn.Module] = ()) -> Part:
    """A part, with its modules of all layers; parameters of `less` are counted elsewhere."""
    others = {id(parameter) for part in less for parameter in part.parameters()}
    parameters = [parameter for module in modules for parameter in module.parameters() if id(parameter) not in others]
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    frozen = sum(parameter.numel() for parameter in parameters if not parameter.requires_grad)
    return Part(name, type(modules[0]).__name__, _file(type(modules[0])), trained, frozen, flow)


def _file(part: object) -> str:
    path, repository = Path(inspect.getfile(part)), Path(__file__).parents[3]  # pyright: ignore[reportArgumentType]
    return path.relative_to(repository).as_posix() if path.is_relative_to(repository) else str(path)


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
