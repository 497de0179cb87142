"""The effective receptive field of a config's encoder, or of a trained one, in sentences."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from captioner import builder
from captioner.builder.run_folder import fill_encoder
from captioner.builder.sections import Settings
from captioner.encoders import Encoder, Vision
from captioner.encoders.preprocess import open_photo
from captioner.errors import UserError
from captioner.explain.receptive_field import ReceptiveField, receptive_field
from captioner.progress import print_note


@dataclass(frozen=True)
class MeasuredField:
    """The receptive field of an encoder on the example photos."""

    field: ReceptiveField
    view: tuple[int, int]  # width and height in pixels
    weights: str  # what the encoder's weights are
    num_photos: int


def describe_field(config: Path, overrides: Sequence[str] = ()) -> list[str]:
    """Lines that say how many pixels around its centre the central region depends on; as `measured_field`."""
    measured = measured_field(config, overrides)
    field, (width, height), (across, down) = measured.field, measured.view, measured.field.offset
    return [
        f"effective receptive field of the region in row {field.row + 1} and column {field.column + 1}, with {measured.weights}, "
        f"on {measured.num_photos} example photos, in pixels of the view of {width} x {height}:",
        f"  the region is {field.size[0]:.0f} x {field.size[1]:.0f}",
        *(f"  {share:.0%} of the squared gradient is in {edge} x {edge}" for share, edge in field.widths.items()),
        f"  its centre is {abs(across):.1f} {'right' if across > 0 else 'left'} of the region's centre and {abs(down):.1f} "
        f"{'below' if down > 0 else 'above'} it",
    ]


def measured_field(config: Path, overrides: Sequence[str] = ()) -> MeasuredField:
    """Measure the receptive field of an encoder on the example photos.

    Args:
        config: a config, or the folder of a trained model.
        overrides: settings to change.

    Raises:
        UserError: the config is invalid, or its encoder computes no regions on a grid.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # random weights are the same every time
        encoder, weights = _encoder(config, overrides)
    if not isinstance(encoder, Encoder):
        raise UserError("a receptive field needs a network, got region files, which have none; choose another encoder")
    from captioner.commands.demo.example_photos import example_photos

    photos = list(example_photos().values())
    if not photos:
        raise UserError(
            "a receptive field is measured on the example photos, which this installation lacks; install it again"
        )
    pixels = torch.stack([encoder.preprocess(open_photo(photo))[0] for photo in photos])
    field = receptive_field(encoder.eval(), pixels)
    return MeasuredField(field, encoder.preprocess.crop, weights, len(photos))


def _encoder(config: Path, overrides: Sequence[str]) -> tuple[Vision, str]:
    """The encoder, and what its weights are."""
    if (config / builder.SETTINGS).is_file():
        encoder = builder.make_encoder(builder.read(config / builder.SETTINGS, overrides, note=False), download=False)
        fill_encoder(encoder, config)
        return encoder, f"the weights of {config}"
    settings = builder.read(config, overrides, note=False)
    try:
        return builder.make_encoder(settings), _weights(settings)
    except UserError as error:
        if settings.encoder.from_run or _weights(settings) == _RANDOM:
            raise
        print_note(f"the weights are random: {error}")
        return builder.make_encoder(settings, download=False), _RANDOM


_RANDOM = "random weights"


def _weights(settings: Settings) -> str:
    chosen = settings.encoder
    if chosen.from_run:
        return f"the weights of {chosen.from_run}"
    pretrained = "download" in inspect.signature(builder.part("encoder", chosen.kind)).parameters
    name = chosen.options.get("weights", "DEFAULT")
    return f"weights {name}" if pretrained and str(name).lower() != "none" else _RANDOM
