"""Pictures of attention: the time to draw a sheet, and the time that maps add to decoding.

    python benchmarks/pictures.py [--count 1000] [--rounds 5]

A sheet of 12 words over a photo of 640 x 480 pixels and 14 x 14 regions is drawn and saved as a PNG; likewise a strip, a PDF and a GIF.
Decoding is greedy, with 12 words, 196 regions x 512 and sizes 512. Decoding that keeps all maps, and drawing the maps on photos at the size
of a sheet's panel, are compared with decoding without maps. Weights are random, which does not change the amount of work.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import in_turn, where  # noqa: E402

from captioner.attention import KINDS, SCORES  # noqa: E402
from captioner.captioner import Captioner  # noqa: E402
from captioner.decoders import KINDS as DECODERS  # noqa: E402
from captioner.model import CaptionModel  # noqa: E402
from captioner.regions import Grid, Placement, Regions  # noqa: E402
from captioner.search import Greedy, Limits, draw  # noqa: E402
from captioner.text.vocabulary import Vocabulary  # noqa: E402
from captioner.visualize.animation import save_animation  # noqa: E402
from captioner.visualize.maps import map_on_photo  # noqa: E402
from captioner.visualize.sheet import save_sheet  # noqa: E402
from captioner.visualize.strips import strip  # noqa: E402

SIZE, GRID, WORDS, BATCH, WIDTH = (640, 480), Grid(14, 14), 12, 32, 512
PLACED = Placement.whole(SIZE).resized((448, 448))


def main(count: int, rounds: int) -> None:
    torch.manual_seed(0)
    captioner = make_captioner()
    regions = Regions.full(torch.randn(BATCH, GRID.num_regions, WIDTH), GRID)
    measure_pictures(captioner, regions, rounds)
    measure_maps(captioner, regions, count, rounds)
    print(where())


def make_captioner() -> Captioner:
    """A captioner with random weights and captions of exactly WORDS words."""
    vocabulary = Vocabulary([f"w{number}" for number in range(9_000)])
    attention = KINDS["soft"](SCORES["additive"](WIDTH, WIDTH, WIDTH), WIDTH)
    decoder = DECODERS["lstm"](attention, WIDTH, len(vocabulary), WIDTH, WIDTH)
    model = CaptionModel(torch.nn.Identity(), decoder).eval()
    return Captioner(model, vocabulary, Greedy(Limits(max_length=WORDS, min_length=WORDS)))


def measure_pictures(captioner: Captioner, regions: Regions, rounds: int) -> None:
    photo = Image.effect_noise(SIZE, 60).convert("RGB")
    caption = captioner.captions_of(regions.select(torch.tensor([0])), [PLACED])[0]
    assert len(caption.words) == WORDS
    with tempfile.TemporaryDirectory() as folder:
        kinds = {
            "sheet, PNG": lambda: save_sheet(Path(folder, "a.png"), photo, caption),
            "sheet, PDF": lambda: save_sheet(Path(folder, "a.pdf"), photo, caption),
            "strip, PNG": lambda: strip(photo, caption).save(Path(folder, "b.png")),
            "animation": lambda: save_animation(Path(folder, "a.gif"), photo, caption),
        }
        for (name, work), took in zip(kinds.items(), in_turn(list(kinds.values()), rounds), strict=True):
            fastest = min(processor(work) for _ in range(rounds))
            print(f"{name}: {1000 * took:.0f} ms; {1000 * fastest:.0f} ms of processor time")


def processor(work: Callable[[], object]) -> float:
    """Processor seconds, which other work on the machine does not affect."""
    start = time.process_time()
    work()
    return time.process_time() - start


@torch.inference_mode()
def measure_maps(captioner: Captioner, regions: Regions, count: int, rounds: int) -> None:
    batches = -(-count // BATCH)

    def without_maps() -> None:
        draw(captioner.search, captioner.model.decoder, captioner.model.remember(regions))

    def with_maps() -> list:
        return captioner.captions_of(regions, [PLACED] * BATCH)

    captions = with_maps()

    def placed() -> None:
        for caption in captions:
            assert caption.weights is not None
            assert caption.placement is not None
            map_on_photo(caption.weights, caption.layout, caption.placement, (224, 168))

    with torch.inference_mode():
        captioner.model.decoder.eval()
        bare, kept, maps = in_turn([without_maps, with_maps, placed], max(rounds, min(batches, 20)))
    print(
        f"{count} captions: decoding {batches * bare:.1f} s; keeping the maps adds {batches * (kept - bare):.2f} s "
        f"({kept / bare - 1:.1%}), placing them on photos {batches * maps:.2f} s ({maps / bare:.1%})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", default=1000, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    main(**vars(parser.parse_args()))
