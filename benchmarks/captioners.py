"""Captions a second from JPEG files to words: the bundled model beside the architectures that users would pick instead.

    python benchmarks/captioners.py [--photos FOLDER] [--models captioner,blip,vit-gpt2] [--rounds 3] [--threads 2] [--seconds 90]
        [--runtime onnx]

The others are those of Hugging Face's `blip-image-captioning-base` and `vit-gpt2-image-captioning`, in transformers, with random weights
of the published sizes: speed does not depend on the values, and nothing is downloaded. Their captions have exactly --tokens tokens, 12
by default; ours end where the model ends them, and the table gives their mean length. All read files, resize, encode and decode, in
float32, greedy and with 3 beams; the others do not turn tokens into text. Each has a process of its own, whose peak memory is given;
they take turns, and times are medians. A turn is 32 photos for ours and --batch photos, 2 by default, for the others. So few are encoded
in torch; with --runtime onnx ours encodes in onnxruntime, as commands do with many.

Photos are those of a folder, or the repository's examples as JPEG files of 500 x 375. Rounds end after --seconds. What is not installed
is left out. --layers makes the others smaller, for a try.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import where  # noqa: E402

import captioner  # noqa: E402
from captioner.data.folder import photos_in  # noqa: E402
from captioner.search import BeamSearch, Greedy  # noqa: E402

OURS, OUR_BATCH, SIZE = "captioner", 32, (500, 375)
SEARCHES = {"greedy": 1, "beam 3": 3}
EXAMPLES = Path(__file__).parents[1] / "examples"
Captioning = Callable[[Sequence[Path], int], float]
"""Captions photos with a number of beams; returns the mean number of words or tokens."""


def ours(runtime: str) -> Captioning:
    model = captioner.load("natural", overrides=[f"encoder.runtime={runtime}"])

    def caption(paths: Sequence[Path], beams: int) -> float:
        limits = model.search.limits
        searching = model.with_search(Greedy(limits) if beams == 1 else BeamSearch(beams, limits=limits))
        captions = searching.captions(paths, OUR_BATCH)
        return statistics.mean(len(written.words) for written in captions)

    return caption


def blip(tokens: int, layers: int) -> Captioning:
    """BLIP (Li et al. 2022), base: ViT-B/16 at 384 pixels and a decoder of BERT's size."""
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor

    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": layers}
    marks = {"bos_token_id": 30522, "eos_token_id": 2, "sep_token_id": 102}
    text = {"vocab_size": 30524, "encoder_hidden_size": 768, **sizes, **marks}
    vision = {"image_size": 384, "patch_size": 16, **sizes}
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).eval()
    return _generating(model, BlipImageProcessor(size={"height": 384, "width": 384}), tokens)


def vit_gpt2(tokens: int, layers: int) -> Captioning:
    """ViT-B/16 at 224 pixels, and GPT-2 with attention to it at every layer."""
    from transformers import (
        GPT2Config,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessor,
    )

    vision = ViTConfig(num_hidden_layers=layers)
    text = GPT2Config(n_layer=layers, add_cross_attention=True, is_decoder=True)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(vision, text)
    config.decoder_start_token_id = config.pad_token_id = config.eos_token_id = 50256
    model = VisionEncoderDecoderModel(config).eval()
    model.generation_config.update(decoder_start_token_id=50256, pad_token_id=50256, eos_token_id=50256)
    return _generating(model, ViTImageProcessor(), tokens)


def _generating(model: Any, processor: Any, tokens: int) -> Captioning:
    def caption(paths: Sequence[Path], beams: int) -> float:
        photos = [Image.open(path).convert("RGB") for path in paths]
        pixels = processor(photos, return_tensors="pt")["pixel_values"]
        length = {"min_new_tokens": tokens, "max_new_tokens": tokens}
        written = model.generate(pixel_values=pixels, num_beams=beams, do_sample=False, **length)
        assert len(written) == len(paths)
        return float(tokens)

    return caption


OTHERS = {"blip": blip, "vit-gpt2": vit_gpt2}
MODELS = [OURS, *OTHERS]


def work(name: str, paths: list[Path], tokens: int, layers: int, runtime: str = "auto") -> None:
    """The process of one model: for each line, beams and a number of photos, it captions them and prints what it took."""
    caption = ours(runtime) if name == OURS else OTHERS[name](tokens, layers)
    photos = cycle(paths)
    for line in sys.stdin:
        beams, count = json.loads(line)
        chosen = list(islice(photos, count))
        started = time.perf_counter()
        with torch.inference_mode():
            words = caption(chosen, beams)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"seconds": seconds / count, "words": words, "peak": peak}), flush=True)


class Worker:
    """A model in a process of its own."""

    def __init__(self, name: str, arguments: Sequence[str], batch: int):
        self.name, self.batch = name, OUR_BATCH if name == OURS else batch
        command = [sys.executable, __file__, "--worker", name, *arguments]
        environment = os.environ | {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, **pipes, text=True, env=environment)
        self.answers: dict[str, list[dict[str, float]]] = {search: [] for search in SEARCHES}

    def turn(self, search: str, count: int = 0, keep: bool = True) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([SEARCHES[search], count or self.batch]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended with status {self.process.wait()}; its message is above")
        if keep:
            self.answers[search].append(json.loads(answer))

    def median(self, search: str) -> float | None:
        """Seconds for a photo; None without a turn."""
        return statistics.median(answer["seconds"] for answer in self.answers[search]) if self.answers[search] else None


def main(
    photos: Path | None,
    models: str,
    rounds: int,
    threads: int,
    seconds: float,
    tokens: int,
    batch: int,
    layers: int,
    runtime: str,
) -> None:
    torch.set_num_threads(threads)
    names = [name for name in models.split(",") if name == OURS or find_spec("transformers")]
    if len(names) < len(models.split(",")):
        print("BLIP and ViT-GPT2 are left out: transformers is not installed; pip install transformers")
    with tempfile.TemporaryDirectory() as temporary:
        folder = photos or make_photos(Path(temporary))
        arguments = ["--photos", str(folder), *(f"--{key}={value}" for key, value in
                     {"threads": threads, "tokens": tokens, "layers": layers, "runtime": runtime}.items())]  # fmt: skip
        workers = [Worker(name, arguments, batch) for name in names]
        try:
            measure(workers, rounds, seconds)
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.communicate()
    report(workers, tokens, layers)


def make_photos(folder: Path) -> Path:
    """The examples of the repository, as JPEG files."""
    for path in photos_in(EXAMPLES)[0]:
        Image.open(path).convert("RGB").resize(SIZE).save(folder / f"{path.stem}.jpg", quality=90)
    return folder


def measure(workers: list[Worker], rounds: int, seconds: float) -> None:
    """Every model in turn, after one photo each that does not count."""
    started = time.perf_counter()
    for worker in workers:
        worker.turn("greedy", 1, keep=False)
    for _ in range(rounds):
        for worker in workers:
            for search in SEARCHES:
                if time.perf_counter() - started < seconds:
                    worker.turn(search)


def report(workers: list[Worker], tokens: int, layers: int) -> None:
    table = Table(title="from JPEG files to words, medians")
    for name in (
        "model",
        "search",
        "photos/s",
        "ms a photo",
        "captioner is faster by",
        "words or tokens",
        "turns",
        "peak MiB",
    ):
        table.add_column(name, justify="left" if name in ("model", "search") else "right")
    for search in SEARCHES:
        ours = next((worker.median(search) for worker in workers if worker.name == OURS), None)
        for worker in workers:
            took, answers = worker.median(search), worker.answers[search]
            if took is None:
                table.add_row(worker.name, search, *["-"] * 6)
                continue
            ratio = f"{took / ours:.1f}" if ours else "-"
            peak = max(answer["peak"] for of_search in worker.answers.values() for answer in of_search) / 1024
            length = statistics.mean(answer["words"] for answer in answers)
            cells = f"{1 / took:.2f}", f"{1000 * took:,.0f}", ratio, f"{length:.1f}", str(len(answers)), f"{peak:,.0f}"
            table.add_row(worker.name, search, *cells)
    console = Console(width=110)
    console.print(table)
    if not all(answers for worker in workers for answers in worker.answers.values()):
        console.print("- had no turn: this machine needs more --seconds")
    console.print(
        f"blip and vit-gpt2: random weights, {layers} layers, {tokens} tokens; peak memory is of both searches"
    )
    console.print(where())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", default=None, type=Path)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--seconds", default=90.0, type=float)
    parser.add_argument("--tokens", default=12, type=int)
    parser.add_argument("--batch", default=2, type=int)
    parser.add_argument("--layers", default=12, type=int)
    parser.add_argument("--runtime", default="auto", choices=["auto", "torch", "onnx"])
    parser.add_argument("--worker", default="", choices=["", *MODELS], help=argparse.SUPPRESS)
    options = vars(parser.parse_args())
    if worker := options.pop("worker"):
        torch.set_num_threads(options["threads"])
        work(worker, photos_in(options["photos"])[0], options["tokens"], options["layers"], options["runtime"])
    else:
        main(**options)
