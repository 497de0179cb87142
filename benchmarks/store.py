"""The feature store: speed of storing regions against the encoder alone, and of training from the store against training from memory.

    python benchmarks/store.py [--photos FOLDER] [--count 512] [--network mobilenet_v2] [--weights none] [--rounds 3]

Photos are those of a folder, or noise in JPEG files of 224 x 224. Storing includes reading, preprocessing, writing and flushing to disk;
the encoder alone gets prepared pixels. Training is the whole step of a soft-attention decoder (sizes 512/256/512, 16 photos with 5 captions
of 12 words). All take turns in one process; figures are medians.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch import nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import in_turn, where  # noqa: E402

from captioner.attention.scores import AdditiveScore  # noqa: E402
from captioner.attention.soft import SoftAttention  # noqa: E402
from captioner.data.batches import CaptionedPhotos, PhotoSource  # noqa: E402
from captioner.data.folder import photos_in  # noqa: E402
from captioner.decoders.lstm import LSTMDecoder  # noqa: E402
from captioner.encoders import TorchvisionNetwork  # noqa: E402
from captioner.features.sources import PhotoFiles  # noqa: E402
from captioner.features.store import FeatureStore  # noqa: E402
from captioner.features.stored_regions import StoredRegions, store_regions  # noqa: E402
from captioner.model import CaptionModel  # noqa: E402
from captioner.progress import Report  # noqa: E402
from captioner.regions import Regions  # noqa: E402
from captioner.text.vocabulary import END, START  # noqa: E402
from captioner.training.contract import Totals  # noqa: E402
from captioner.training.objectives import TeacherForcing  # noqa: E402
from captioner.training.optimisation import adam, clip_gradients  # noqa: E402

VOCABULARY, WORDS, CAPTIONS, BATCH = 300, 12, 5, 16


class Sizes(Report):
    """Keeps the largest size that was announced for a store."""

    num_bytes = 0

    def stored_regions(self, split: str, folder: Path, num_rows: int, num_bytes: int) -> None:
        self.num_bytes = max(self.num_bytes, num_bytes)


def main(photos: Path | None, count: int, network: str, weights: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = photos_in(photos)[:count] if photos else draw(Path(folder) / "photos", count)
        encoder = TorchvisionNetwork(network, weights)
        files = PhotoFiles(paths, encoder.preprocess)
        source = measure_storing(encoder, files, Path(folder), rounds)
        measure_reading(encoder, source, rounds)
    print(where())


def draw(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    for number in range(count):
        Image.effect_noise((224, 224), 60).convert("RGB").save(folder / f"{number}.jpg")
    return photos_in(folder)


def measure_storing(encoder: TorchvisionNetwork, files: PhotoFiles, folder: Path, rounds: int) -> StoredRegions:
    pixels = torch.stack([files.read(index)[0] for index in range(32)])
    num_batches = len(files) // 32
    sizes = Sizes()

    @torch.no_grad()
    def encode() -> None:
        for _ in range(num_batches):
            encoder(pixels)

    def store() -> None:
        shutil.rmtree(folder / "features", ignore_errors=True)
        open_store()

    def open_store() -> StoredRegions:
        features = FeatureStore.of(encoder, folder / "features", "measured")
        return store_regions(encoder, files, features, report=sizes)[0]

    encoding, storing = in_turn([encode, store], rounds)
    alone, stored = 32 * num_batches / encoding, len(files) / storing
    source = open_store()
    written = sum(path.stat().st_size for path in source.store.folder.iterdir())
    print(f"encoder alone: {alone:.1f} photos/s; stored: {stored:.1f} photos/s, {stored / alone:.0%}")
    print(f"announced: {sizes.num_bytes:,} bytes; written: {written:,} bytes ({sizes.num_bytes / written - 1:+.2%})")
    return source


def measure_reading(encoder: TorchvisionNetwork, source: StoredRegions, rounds: int) -> None:
    everything = source(range(len(source))).features

    def memory(indices, views) -> Regions:
        return Regions.full(everything[torch.as_tensor(indices)], encoder.layout)

    epochs = [training_epoch(regions, encoder, len(source)) for regions in (memory, source)]
    in_memory, from_store = in_turn(epochs, rounds)
    print(f"training from memory: {len(source) / in_memory:.1f} photos/s; from the store: {len(source) / from_store:.1f} photos/s, "
          f"{in_memory / from_store:.1%}")  # fmt: skip


def training_epoch(source: PhotoSource, encoder: TorchvisionNetwork, count: int):
    attention = SoftAttention(AdditiveScore(512, encoder.region_size, 512), encoder.region_size)
    decoder = LSTMDecoder(attention, encoder.region_size, VOCABULARY, 512, 256)
    objective = TeacherForcing(CaptionModel(nn.Identity(), decoder))
    optimiser = adam(decoder.parameters())
    captions = [[[START, *torch.randint(4, VOCABULARY, (WORDS,)).tolist(), END]] * CAPTIONS] * count
    photos = CaptionedPhotos(source, captions)

    def epoch() -> None:
        for batch in photos.batches(photos.order(BATCH, seed=0, epoch=0)):
            num_captions = batch.words.shape[0] * CAPTIONS
            loss, _ = objective(batch, Totals(num_captions * (WORDS + 1), num_captions, len(batch.words)))
            loss.backward()
            clip_gradients(decoder.parameters(), "norm", 5.0)
            optimiser.step()
            optimiser.zero_grad()

    return epoch


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", default=None, type=Path)
    parser.add_argument("--count", default=512, type=int)
    parser.add_argument("--network", default="mobilenet_v2")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--rounds", default=3, type=int)
    main(**vars(parser.parse_args()))
