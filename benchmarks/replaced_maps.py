"""Does a captioner need its maps? The score of a whole split with its own maps and with uniform ones.

    python benchmarks/replaced_maps.py RUN [--split val] [--tokens ptb] [data.only=flickr8k ...]

Prints CIDEr-D x100 with the model's own maps, with a uniform map at every word, and their difference with its 95 % interval, paired by
photo. `captioner inspect` measures the same on photos with boxes, and more; a split has more photos, so that the interval is narrower.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import fmean

from captioner import builder, metrics
from captioner.attention import uniform
from captioner.commands.evaluate import Evaluation, evaluate
from captioner.explain.replaced_maps import replace_maps
from captioner.metrics.bootstrap import paired_interval

BATCH_SIZE = 64


def uniform_captions(run: Path, overrides: list[str], evaluation: Evaluation) -> list[str]:
    """The captions that the run writes of the evaluation's photos with references, with a uniform map for every word."""
    device = builder.read_run_settings(run, overrides).run.device
    captioner, texts, photos = builder.load(run, device=device, overrides=overrides), [], evaluation.with_references
    with replace_maps(captioner.model.decoder, uniform):
        for start in range(0, len(photos), BATCH_SIZE):
            batch = photos[start : start + BATCH_SIZE]
            texts += [caption.text for caption in captioner.captions_of(evaluation.source(batch, [0] * len(batch)))]
    return texts


def scores(run: Path, overrides: list[str], split: str = "val", tokens: str | None = None) -> list[list[float]]:
    """CIDEr-D (0 to 10) of every photo, with the run's own maps and with uniform ones."""
    run = builder.model_folder(run)
    with tempfile.TemporaryDirectory() as folder:
        evaluation = evaluate(
            run, split, overrides, baselines=False, java=False, tokens=tokens, out=Path(folder) / "results"
        )
        own = [evaluation.captions[index].text for index in evaluation.with_references]
        both = [own, uniform_captions(run, overrides, evaluation)]
    references = evaluation.references()
    captions = [dict(zip(references, texts, strict=True)) for texts in both]
    return [metrics.cider_d_each(of_photos, references, evaluation.protocol.tokens) for of_photos in captions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--tokens")
    chosen, overrides = parser.parse_known_args()
    own, replaced = scores(chosen.run, overrides, chosen.split, chosen.tokens)
    difference, low, high = (100 * number for number in paired_interval(own, replaced))
    print(f"photos {len(own):,}  own maps {100 * fmean(own):.1f}  uniform maps {100 * fmean(replaced):.1f}")
    print(f"uniform maps cost {difference:.1f} [{low:.1f}, {high:.1f}] CIDEr-D x100")


if __name__ == "__main__":
    main()
