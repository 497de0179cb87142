"""Does a captioner need its maps? The score of a whole split with its own maps and with uniform ones.

    python benchmarks/replaced_maps.py RUN [RUN ...] [--split val] [--tokens ptb] [data.only=flickr8k ...]

Prints CIDEr-D x100 with each run's own maps, with a uniform map at every word, and what the uniform maps cost, with its 95 % interval over
photos; for every run but the first, also how much more they cost it than the first one, paired by photo. `captioner inspect` measures the
same on photos with boxes, and more; a split has more photos, so that the interval is narrower.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy
from numpy import ndarray

from captioner import builder, metrics
from captioner.attention import NoAttention, uniform
from captioner.commands.evaluate import evaluate
from captioner.commands.photo_sources import decode
from captioner.errors import UserError
from captioner.explain.replaced_maps import replace_maps
from captioner.metrics.bootstrap import RESAMPLES, paired_interval


def scores(run: Path, overrides: list[str], split: str = "val", tokens: str | None = None) -> tuple[ndarray, ndarray]:
    """CIDEr-D (0 to 10) of every photo with references, with the run's own maps and with uniform ones."""
    run = builder.model_folder(run)
    settings = builder.read_run_settings(run, overrides).run
    captioner = builder.load(run, device=settings.device, overrides=overrides)
    if any(isinstance(part, NoAttention) for part in captioner.model.decoder.modules()):
        raise UserError(f"{run} should have maps, got attention.kind=none; give a run with another kind of attention")
    with tempfile.TemporaryDirectory() as folder:
        evaluation = evaluate(
            run, split, overrides, baselines=False, java=False, tokens=tokens, out=Path(folder) / "results"
        )
        references, photos = evaluation.references(), evaluation.with_references
        if not photos:
            raise UserError(f"the split {split} should have references, got none; give --split")
        with replace_maps(captioner.model.decoder, uniform):
            replaced = decode(captioner, evaluation.source, photos, seed=settings.seed)
    own = [evaluation.captions[photo] for photo in photos]
    each = [dict(zip(references, (one.text for one in captions), strict=True)) for captions in (own, replaced)]
    first, second = (metrics.cider_d_each(texts, references, evaluation.protocol.tokens) for texts in each)
    return numpy.array(first), numpy.array(second)


def difference(ours: ndarray, theirs: ndarray) -> str:
    """The mean difference x100, with its interval over photos."""
    mean, low, high = (100 * number for number in paired_interval(ours.tolist(), theirs.tolist(), RESAMPLES))
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="folders of runs, and settings to change, such as data.only=flickr8k")
    parser.add_argument("--split", default="val")
    parser.add_argument("--tokens")
    chosen = parser.parse_intermixed_args()  # settings may follow options
    overrides = [one for one in chosen.runs if "=" in one]
    costs: list[ndarray] = []
    for run in [one for one in chosen.runs if "=" not in one]:
        try:
            own, replaced = scores(Path(run), overrides, chosen.split, chosen.tokens)
        except UserError as error:
            raise SystemExit(f"error: {error}") from None
        costs.append(own - replaced)
        print(f"{run}: {len(own):,} photos, own maps {100 * own.mean():.1f}, uniform maps {100 * replaced.mean():.1f}")
        more = f", {difference(costs[-1], costs[0])} more than the first run" if len(costs) > 1 else ""
        print(f"uniform maps cost {difference(own, replaced)} CIDEr-D x100{more}", flush=True)


if __name__ == "__main__":
    main()
