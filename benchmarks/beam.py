"""Beam search: all photos in one batch, against the textbook's one photo at a time.

    python benchmarks/beam.py [--device cpu] [--rounds 7] [--photos 32] [--beams 5]

49 regions x 2,048, sizes 512/512/512, 9,490 words, 16 words a caption, fp32. Both decode with the same weights and find the same
captions, which is checked; they take turns in one process, figures are medians. The floor is the number of operations of the beams'
products, keys once per photo, over the best matrix-product rate of the same run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import in_turn, where  # noqa: E402
from textbook import textbook_of  # noqa: E402
from train_step import best_rate  # noqa: E402

from captioner.attention.scores import AdditiveScore  # noqa: E402
from captioner.attention.soft import SoftAttention  # noqa: E402
from captioner.decoders.lstm import LSTMDecoder  # noqa: E402
from captioner.regions import Grid, Regions  # noqa: E402
from captioner.search import BeamSearch, Limits  # noqa: E402
from captioner.vocabulary import END  # noqa: E402

REGIONS, REGION, SIZE, VOCABULARY, WORDS = 49, 2048, 512, 9490, 16


def main(device: torch.device, rounds: int, photos: int, beams: int) -> None:
    torch.manual_seed(0)
    attention = SoftAttention(AdditiveScore(SIZE, REGION, SIZE), REGION)
    decoder = LSTMDecoder(attention, REGION, VOCABULARY, SIZE, SIZE, gate="vector", output="state").to(device).eval()
    with torch.no_grad():
        decoder.to_vocabulary.weight *= 5
        decoder.to_vocabulary.bias[END] = -100  # every caption takes all of its words
    textbook = textbook_of(decoder).eval()
    features = torch.randn(photos, REGIONS, REGION, device=device)
    regions, search = Regions.full(features, Grid(7, 7)), BeamSearch(beams, limits=Limits(WORDS))
    found: dict[str, list[list[int]]] = {}

    @torch.no_grad()
    def ours() -> None:
        found["ours"] = [traces[0].words.tolist() for traces in search(decoder, decoder.remember(regions))]

    def theirs() -> None:
        found["textbook"] = [textbook.beam(photo, beams, WORDS) for photo in features]

    rate = best_rate(device, torch.float32)
    textbook_seconds, our_seconds = in_turn([theirs, ours], rounds, device)
    rate = max(rate, best_rate(device, torch.float32))
    alike = sum(one == other for one, other in zip(found["ours"], found["textbook"], strict=True))
    floor = operations(photos, beams) / rate
    print(f"textbook, one photo at a time: {1000 * textbook_seconds:,.0f} ms")
    print(f"ours, {photos} photos x {beams} beams in one batch: {1000 * our_seconds:,.0f} ms")
    print(
        f"{textbook_seconds / our_seconds:.1f} times as fast; {floor / our_seconds:.0%} of the floor ({1000 * floor:,.0f} ms)"
    )
    print(f"{alike} of {photos} captions alike")
    print(where(device))


def operations(photos: int, beams: int) -> float:
    """Floating-point operations, 2 for each multiply-add; one more step than words, for the end mark."""
    a_word = (
        (SIZE + REGION + SIZE) * 4 * SIZE  # the LSTM's gates
        + SIZE * SIZE  # the query
        + SIZE * REGION  # the gate on the context
        + REGIONS * (REGION + SIZE)  # the weighted sum and the energy
        + SIZE * VOCABULARY
    )
    a_photo = REGION * 2 * SIZE + REGIONS * REGION * SIZE  # the first state, the keys
    return 2 * photos * (a_photo + beams * (WORDS + 1) * a_word)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--photos", default=32, type=int)
    parser.add_argument("--beams", default=5, type=int)
    main(**vars(parser.parse_args()))
