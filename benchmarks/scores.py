"""Speed and agreement of our scores and pycocoevalcap's, on captions candidates by people.

    python benchmarks/scores.py captions_val2017.json [--rounds 5]

Every photo's first caption is scored against its other captions. Both implementations score the same words; the largest difference of any
photo's score is printed. All take turns in one process; times are medians.

- CIDEr-D alone, from references as texts, and with references that were counted before.
- CIDEr-D as a reward: 50 photos x 5 captions with the document frequencies of all photos; the batch's references are counted each time.
  pycocoevalcap's class counts the frequencies of the batch alone.
- 1,000 resamples of photos for the intervals of all six scores; pycocoevalcap has no counterpart.
- The whole report: tokenisation, BLEU-1 to 4, ROUGE-L and CIDEr-D; pycocoevalcap uses its Java tokeniser if Java is installed.
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
from captioner.metrics.coco_scores import tallies  # noqa: E402
from captioner.text.vocabulary import TOKENS  # noqa: E402

PHOTOS, SAMPLES = 50, 5
WORDS = "ptb" if "ptb" in TOKENS else "simple"
JAVA = shutil.which("java") is not None
Texts = dict[object, list[str]]


def our_words(texts: Texts) -> Texts:
    return {photo: [" ".join(TOKENS[WORDS](text)) for text in captions] for photo, captions in texts.items()}


def java_words(texts: Texts) -> Texts:
    with redirect_stderr(StringIO()):
        return PTBTokenizer().tokenize(
            {photo: [{"caption": text} for text in captions] for photo, captions in texts.items()}
        )


def their_scores(references: Texts, captions: Texts) -> numpy.ndarray:
    """(6, n) scores of each photo."""
    bleu = Bleu(4).compute_score(references, captions, verbose=0)[1]
    others = [scorer.compute_score(references, captions)[1] for scorer in (Rouge(), Cider())]
    return numpy.array([*bleu, *others])


def their_report(references: Texts, captions: Texts) -> numpy.ndarray:
    tokenise = java_words if JAVA else our_words
    return their_scores(tokenise(references), tokenise(captions))


def works_of(references: Texts, captions: Texts) -> dict[str, list[Callable[[], object]]]:
    """The implementations of each computation, pycocoevalcap's first."""
    reference_texts, in_lists = our_words(references), our_words(captions)
    candidates = {photo: text for photo, (text,) in in_lists.items()}
    counted, frequencies = CiderD(reference_texts), DocumentFrequencies.count(reference_texts)
    sampled = [photo for photo in list(reference_texts)[:PHOTOS] for _ in range(SAMPLES)]
    batch, samples = {photo: reference_texts[photo] for photo in sampled}, [candidates[photo] for photo in sampled]
    as_photos = {index: reference_texts[photo] for index, photo in enumerate(sampled)}
    samples_in_lists = {index: [text] for index, text in enumerate(samples)}
    texts = {photo: text for photo, (text,) in captions.items()}
    return {
        "CIDEr-D": [
            lambda: Cider().compute_score(reference_texts, in_lists),
            lambda: CiderD(reference_texts)(candidates),
            lambda: counted(candidates),
        ],
        "reward of a batch": [
            lambda: Cider().compute_score(as_photos, samples_in_lists),
            lambda: CiderD(batch, frequencies).each(sampled, samples),
        ],
        "report": [lambda: their_report(references, captions), lambda: score(texts, references, WORDS)],
    }


def main(path: Path, rounds: int) -> None:
    everything = {photo: texts for photo, texts in read_references(path).items() if len(texts) > 1}
    references = {photo: texts[1:] for photo, texts in everything.items()}
    captions = {photo: texts[:1] for photo, texts in everything.items()}
    works = works_of(references, captions)
    times = iter(in_turn([work for ways in works.values() for work in ways], rounds))
    table = Table(
        "computation", "pycocoevalcap, ms", "ours, ms", "speed-up", title=f"{len(everything):,} photos, words {WORDS}"
    )
    for name, (_, *ours) in works.items():
        theirs = next(times)
        for way in range(len(ours)):
            took, shown = next(times), name if way == 0 else f"{name}, references already counted"
            table.add_row(shown, f"{1000 * theirs:,.1f}", f"{1000 * took:,.1f}", f"{theirs / took:.1f}")
    console = Console()
    console.print(where())
    console.print(table)
    texts = {photo: text for photo, (text,) in captions.items()}
    counted = tallies(texts, references, WORDS)
    (took,) = in_turn([lambda: resampled(counted)], rounds)
    console.print(f"{RESAMPLES:,} resamples of photos: {1000 * took:,.0f} ms")
    ours = numpy.array(list(score_each(texts, references, WORDS).values()))
    expected_scores = {"the same words": their_scores(our_words(references), our_words(captions))}
    if JAVA:
        expected_scores["Java's words"] = their_report(references, captions)
    for words, expected in expected_scores.items():
        largest = numpy.abs(ours - expected).max()
        console.print(f"largest difference of any photo's score, {words}: {largest:.1e}", highlight=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="a captions file in COCO's format")
    parser.add_argument("--rounds", default=5, type=int)
    options = parser.parse_args()
    main(options.captions, options.rounds)
