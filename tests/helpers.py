"""Small parts of every kind, for tests."""

from __future__ import annotations

import torch

from captioner import attention, decoders
from captioner.attention import Attention
from captioner.decoders import Decoder
from captioner.regions import Grid, Regions

QUERY, REGION, SIZE, VOCABULARY = 5, 7, 6, 11


def make_attention(kind: str, score: str = "additive", query_size: int = QUERY, region_size: int = REGION) -> Attention:
    """A small attention in float64."""
    torch.manual_seed(0)
    if kind == "none":
        return attention.KINDS[kind](region_size).double()
    return attention.KINDS[kind](attention.SCORES[score](query_size, region_size, SIZE), region_size).double()


def make_decoder(kind: str = "lstm", vocabulary_size: int = VOCABULARY, attention: str = "soft", **options) -> Decoder:
    """A small decoder in float64, without dropout."""
    torch.manual_seed(1)
    options = {"hidden_size": QUERY, "word_size": 4, "dropout": 0.0} | options
    looking = make_attention(attention, query_size=options["hidden_size"])
    return decoders.KINDS[kind](looking, REGION, vocabulary_size, **options).double()


def make_regions(num_photos: int = 3, seed: int = 0, rows: int = 2, columns: int = 3) -> Regions:
    """Random regions in float64, the last ones of some photos not real."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(num_photos, rows * columns, REGION, generator=generator, dtype=torch.float64)
    mask = torch.ones(num_photos, rows * columns, dtype=torch.bool)
    for photo in range(1, num_photos):
        mask[photo, -photo:] = False
    return Regions(features, mask, Grid(rows, columns))


LSTM_OPTIONS = [
    {"looks": looks, "gate": gate, "output": output}
    for looks in ("before", "after")
    for gate in ("none", "scalar", "vector")
    for output in ("deep", "state")
    if (looks, output) != ("after", "state")
]
