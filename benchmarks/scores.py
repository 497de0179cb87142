"""Scores: ours against pycocoevalcap's, of people's captions.

    python benchmarks/scores.py captions_val2017.json [--rounds 5]

Every photo's first caption is scored against its others. Both score the same words; every photo's scores are compared, and the largest
difference is printed. All take turns in one process; times are medians.

- CIDEr-D alone, from references as texts, and once the references are counted.
- CIDEr-D as a reward: 50 photos x 5 captions, with the document frequencies of all photos, the batch's references counted each time;
  pycocoevalcap's class counts the frequencies of the batch alone.
- 1,000 resamples of photos for the intervals of all six scores; nothing of pycocoevalcap's is compared.
- The whole report: words, BLEU-1 to 4, ROUGE-L and CIDEr-D; pycocoevalcap's with its Java tokeniser where there is Java.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import numpy
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import in_turn, where  # noqa: E402
from pycocoevalcap.bleu.bleu import Bleu  # noqa: E402
from pycocoevalcap.cider.cider import Cider  # noqa: E402
from pycocoevalcap.rouge.rouge import Rouge  # noqa: E402
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer  # noqa: E402

from captioner.data.coco import read_references  # noqa: E402
from captioner.metrics import CiderD, DocumentFrequencies, score, score_each  # noqa: E402
from captioner.metrics.bootstrap import RESAMPLES, resampled  # noqa: E402
from captioner.metrics.scores import tallies  # noqa: E402
from captioner.text.vocabulary import TOKENS  # noqa: E402

PHOTOS, SAMPLES = 50, 5
WORDS = "ptb" if "ptb" in TOKENS else "simple"
JAVA = shutil.which("java") is not None
Texts = dict[object, list[str]]


def our_words(texts: Texts) -> Texts:
    return {photo: [" ".join(TOKENS[WORDS](text)) for text in of_photo] for photo, of_photo in texts.items()}


def java_words(texts: Texts) -> Texts:
    with redirect_stderr(StringIO()):
        return PTBTokenizer().tokenize({photo: [{"caption": text} for text in of] for photo, of in texts.items()})


def their_scores(wanted: Texts, written: Texts) -> numpy.ndarray:
    """(6, n) each photo's."""
    each = Bleu(4).compute_score(wanted, written, verbose=0)[1]
    return numpy.array([*each, Rouge().compute_score(wanted, written)[1], Cider().compute_score(wanted, written)[1]])


def their_report(references: Texts, captions: Texts) -> numpy.ndarray:
    cut = java_words if JAVA else our_words
    return their_scores(cut(references), cut(captions))


def works_of(references: Texts, captions: Texts) -> dict[str, list[Callable[[], object]]]:
    """By what is computed: pycocoevalcap's way first."""
    wanted, in_lists = our_words(references), our_words(captions)
    written = {photo: text for photo, (text,) in in_lists.items()}
    counted, frequencies = CiderD(wanted), DocumentFrequencies.count(wanted)
    sampled = [photo for photo in list(wanted)[:PHOTOS] for _ in range(SAMPLES)]
    batch, samples = {photo: wanted[photo] for photo in sampled}, [written[photo] for photo in sampled]
    as_photos = {place: wanted[photo] for place, photo in enumerate(sampled)}
    samples_in_lists = {place: [text] for place, text in enumerate(samples)}
    texts = {photo: text for photo, (text,) in captions.items()}
    return {
        "CIDEr-D": [
            lambda: Cider().compute_score(wanted, in_lists),
            lambda: CiderD(wanted)(written),
            lambda: counted(written),
        ],
        "reward of a batch": [
            lambda: Cider().compute_score(as_photos, samples_in_lists),
            lambda: CiderD(batch, frequencies).each(sampled, samples),
        ],
        "report": [lambda: their_report(references, captions), lambda: score(texts, references, WORDS)],
    }


def main(path: Path, rounds: int) -> None:
    every = {photo: found for photo, found in read_references(path).items() if len(found) > 1}
    references, captions = ({photo: of[part] for photo, of in every.items()} for part in (slice(1, None), slice(1)))
    works = works_of(references, captions)
    times = iter(in_turn([work for ways in works.values() for work in ways], rounds))
    table = Table(
        "what", "pycocoevalcap, ms", "ours, ms", "times as fast", title=f"{len(every):,} photos, words {WORDS}"
    )
    for name, (_, *ours) in works.items():
        theirs = next(times)
        for way in range(len(ours)):
            took, shown = next(times), name if way == 0 else f"{name}, references counted before"
            table.add_row(shown, f"{1000 * theirs:,.1f}", f"{1000 * took:,.1f}", f"{theirs / took:.1f}")
    console = Console()
    console.print(where())
    console.print(table)
    texts = {photo: text for photo, (text,) in captions.items()}
    counted = tallies(texts, references, WORDS)
    (took,) = in_turn([lambda: resampled(counted)], rounds)
    console.print(f"{RESAMPLES:,} resamples of photos: {1000 * took:,.0f} ms")
    found = numpy.array(list(score_each(texts, references, WORDS).values()))
    differences = {"the same words": their_scores(our_words(references), our_words(captions))}
    if JAVA:
        differences["Java's words"] = their_report(references, captions)
    for words, expected in differences.items():
        largest = numpy.abs(found - expected).max()
        console.print(f"largest difference of any photo's score, {words}: {largest:.1e}", highlight=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="a captions file as COCO has them")
    parser.add_argument("--rounds", default=5, type=int)
    given = parser.parse_args()
    main(given.captions, given.rounds)
