"""Agreement of the scores of single captions with people: Kendall's tau-c with the expert judgements of Flickr8k.

    python benchmarks/judgements.py ExpertAnnotations.txt Flickr8k.token.txt [--clip NAME --photos FOLDER]

Each line of ExpertAnnotations.txt holds a photo, the id of a caption, mostly of another photo, and what three experts say of the caption:
1 (it does not describe the photo) to 4 (it does). Needs scipy.

Protocol of Hessel et al. 2021 (CLIPScore), section 4.1, appendix A and public code, after Anderson et al. 2016 (SPICE): candidates whose
text is one of the photo's own references are left out, which leaves 5,664 pairs of photo and caption; each pair is scored against all
references of the photo; each of its three judgements counts, 16,992 together; words are coco-caption's (ptb). METEOR and SPICE are
computed where they can run, CLIPScore with `--clip`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from numpy import ndarray
from rich import box
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from captioner.cli import main as run
from captioner.data.contract import read_text
from captioner.errors import UserError, library
from captioner.metrics.clip import ClipScorer, load_clip
from captioner.metrics.coco_scores import score_each
from captioner.metrics.java import java_tallies, lacking

PUBLISHED = {
    "BLEU-1": 32.3,
    "BLEU-4": 30.8,
    "ROUGE-L": 32.3,
    "METEOR": 41.8,
    "CIDEr-D": 43.9,
    "SPICE": 44.9,
    "CLIPScore": 51.2,
    "RefCLIPScore": 53.0,
}
"""Tau-c x100 in table 1 of Hessel et al. 2021. "CIDEr" there is coco-caption's, which is CIDEr-D."""
JUDGEMENTS = 3
MARKS = {"1", "2", "3", "4"}


class Pair(NamedTuple):
    """A photo, a caption that may be another photo's, and the experts' judgements of it."""

    photo: str
    caption: str
    judgements: list[float]


def read_captions(path: Path) -> dict[str, str]:
    """Captions by id, such as `1000268201_693b08cb0e.jpg#0`."""
    lines = [line.partition("\t") for line in read_text(path, "TOKEN_FILE").split("\n") if line.strip()]
    return {name.strip(): " ".join(caption.split()) for name, _, caption in lines}


def references_of(captions: dict[str, str]) -> dict[str, list[str]]:
    """The captions of each photo."""
    references: dict[str, list[str]] = {}
    for name, caption in captions.items():
        references.setdefault(stem(name), []).append(caption)
    return references


def stem(name: str) -> str:
    """A photo's name up to its first dot: in the published files, one photo has a name with two endings."""
    return name.partition(".")[0]


def read_pairs(path: Path, captions: dict[str, str], references: dict[str, list[str]]) -> list[Pair]:
    """The judged pairs, without those whose caption is a reference of the photo."""
    pairs = []
    for number, line in enumerate(read_text(path, "EXPERT_FILE").split("\n"), start=1):
        if not line.strip():
            continue
        photo, name, *marks = line.split("\t") if line.count("\t") == JUDGEMENTS + 1 else ("", "")
        if stem(photo) not in references or name not in captions or not {mark.strip() for mark in marks} <= MARKS:
            raise UserError(
                f"{path}, line {number}: should be a photo and a caption id of TOKEN_FILE and {JUDGEMENTS} judgements from 1 to 4, "
                f"with tabs between, got {line[:100]!r}"
            )
        if captions[name] not in references[stem(photo)]:
            pairs.append(Pair(photo, captions[name], [float(mark) for mark in marks]))
    if not pairs:
        raise UserError(
            f"{path} should hold captions of other photos, got none; give ExpertAnnotations.txt of Flickr8k"
        )
    return pairs


def scores_of(
    pairs: list[Pair], references: dict[str, list[str]], clip: str, photos: Path | None
) -> dict[str, ndarray]:
    """(n,) of each score of the pairs, up to a factor.

    Every pair counts as a photo in CIDEr-D's document frequencies, as in the public code.
    """
    texts = {index: pair.caption for index, pair in enumerate(pairs)}
    own = {index: references[stem(pair.photo)] for index, pair in enumerate(pairs)}
    scores = {name: numpy.array(values) for name, values in score_each(texts, own, "ptb").items()}
    tallies = java_tallies(texts, own, "ptb")
    if clip and photos is not None:
        paths = {index: photos / pair.photo for index, pair in enumerate(pairs)}
        tallies.append(ClipScorer(load_clip(clip, torch.device("cpu")), paths, own)(texts))
    for tally in tallies:
        scores |= tally.scores(tally.numbers)
    return scores


def agreement(values: ndarray, pairs: list[Pair]) -> float:
    """Kendall's tau-c of a score (n,) with all judgements."""
    scipy = library("scipy", "Kendall's tau-c", "dev")
    judgements = [mark for pair in pairs for mark in pair.judgements]
    return float(scipy.stats.kendalltau(numpy.repeat(values, JUDGEMENTS), judgements, variant="c").statistic)


def main(experts: Path, tokens: Path, clip: str, photos: Path | None) -> None:
    library("scipy", "Kendall's tau-c", "dev")  # fails before the scores are computed
    captions = read_captions(tokens)
    references = references_of(captions)
    pairs = read_pairs(experts, captions, references)
    table = Table("Kendall's tau-c, x100", box=box.SIMPLE_HEAD)
    for column in ("here", "published"):
        table.add_column(column, justify="right")
    for name, values in scores_of(pairs, references, clip, photos).items():
        table.add_row(name, f"{100 * agreement(values, pairs):.1f}", str(PUBLISHED.get(name, "-")))
    console = Console(highlight=False)
    console.print(f"{len(pairs):,} pairs of photo and caption, {JUDGEMENTS * len(pairs):,} judgements; words: ptb")
    console.print(table)
    for name, advice in lacking("ptb").items():
        console.print(f"{name} is left out ({PUBLISHED[name]} published): {advice}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experts", type=Path, metavar="EXPERT_FILE", help="ExpertAnnotations.txt of Flickr8k")
    parser.add_argument("tokens", type=Path, metavar="TOKEN_FILE", help="Flickr8k.token.txt")
    parser.add_argument("--clip", default="", metavar="NAME", help="folder or name of a CLIP model, for CLIPScore")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photos, for CLIPScore")
    options = parser.parse_args()
    if bool(options.clip) != bool(options.photos):
        parser.error("CLIPScore needs both --clip and --photos")
    run(lambda: main(**vars(options)))
