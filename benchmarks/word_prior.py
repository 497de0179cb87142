"""More different words by a correction for their frequency: does a captioner lose score by it?

    python benchmarks/word_prior.py RUN --factors 0,0.1,0.2 [--cap 0.002] [data.only=flickr8k ...]

Adds -factor * log p(w) to the logit of each word w, with p(w) its share of the training captions' words and end tokens (post-hoc logit
adjustment, Menon et al. 2021). `--cap` leaves differences among words that are more frequent than this out. The bias of the vocabulary
layer is changed, in a copy of the run; then `captioner eval` runs on it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch

from captioner import builder
from captioner.text.vocabulary import Vocabulary
from captioner.training.checkpoints import BEST, load_checkpoint, save_checkpoint


def log_shares(run: Path, vocabulary: Vocabulary, overrides: list[str]) -> torch.Tensor:
    """(V,): the logarithm of each word's share; words that do not occur count as occurring once."""
    splits, _ = builder.make_splits(builder.read_run_settings(run, overrides))
    counts: Counter[int] = Counter()
    for example in splits["train"]:
        for reference in example.references:
            counts.update(vocabulary.encode(reference)[1:])
    numbers = torch.tensor([max(1, counts[number]) for number in range(len(vocabulary))], dtype=torch.float32)
    return (numbers / numbers.sum()).log()


def corrected_copy(run: Path, folder: Path, correction: torch.Tensor) -> None:
    """A copy of the run whose logits have the correction (V,)."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("newest.safetensors", "val*", "test*"))
    tensors, state = load_checkpoint(run / BEST)
    bias = next(name for name in tensors if name.endswith("to_vocabulary.bias"))
    tensors[bias] = (tensors[bias].float() + correction).to(tensors[bias].dtype)
    save_checkpoint(folder / BEST, tensors, state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--factors", default="0,0.1,0.2,0.3")
    parser.add_argument("--cap", type=float, default=1.0)
    chosen, overrides = parser.parse_known_args()
    of_splits = [one for one in overrides if not one.startswith("data.only")]
    vocabulary = builder.load(chosen.run, device="cpu").vocabulary
    shares = log_shares(chosen.run, vocabulary, of_splits).clamp(max=torch.tensor(chosen.cap).log())
    for factor in map(float, chosen.factors.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "run"
            corrected_copy(chosen.run, copy, -factor * shares)
            print(f"factor {factor}", flush=True)
            subprocess.run(
                [sys.executable, "-m", "captioner", "eval", copy, "--no-page", "--no-java", *overrides], check=True
            )


if __name__ == "__main__":
    main()
