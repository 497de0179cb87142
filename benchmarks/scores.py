"""Scores: ours against pycocoevalcap's, of people's captions.

    python benchmarks/scores.py captions_val2017.json [--rounds 5]

Every photo's first caption is scored against its others. Both score the same words; every photo's scores are compared, and the largest
difference is printed. All take turns in one process; times are medians.

- CIDEr-D alone, from references as texts, and once the references are counted.
- CIDEr-D as a reward: 50 photos x 5 captions, with the document frequencies of all photos, the batch's references counted each time.
- The whole report: words, BLEU-1 to 4, ROUGE-L and CIDEr-D; pycocoevalcap's with its Java tokeniser where there is Java.
"""

from __future__ import annotations

import argparse
import shutil
import sys
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
from captioner.metrics import score, score_each  # noqa: E402
from captioner.metrics.cider import CiderD  # noqa: E402
from captioner.metrics.frequencies import DocumentFrequencies  # noqa: E402
from captioner.vocabulary import TOKENS  # noqa: E402

PHOTOS, SAMPLES = 50, 5


def java_words(texts: dict) -> dict[object, list[str]]:
    with redirect_stderr(StringIO()):
        return PTBTokenizer().tokenize({photo: [{"caption": text} for text in of] for photo, of in texts.items()})


def their_scores(wanted: dict, written: dict) -> numpy.ndarray:
    """(6, n) each photo's."""
    each = Bleu(4).compute_score(wanted, written, verbose=0)[1]
    return numpy.array([*each, Rouge().compute_score(wanted, written)[1], Cider().compute_score(wanted, written)[1]])


def main(path: Path, rounds: int) -> None:
    tokens = "ptb" if "ptb" in TOKENS else "simple"
    texts = {photo: found for photo, found in read_references(path).items() if len(found) > 1}
    captions, references = {photo: of[0] for photo, of in texts.items()}, {photo: of[1:] for photo, of in texts.items()}
    split = TOKENS[tokens]
    written = {photo: " ".join(split(text)) for photo, text in captions.items()}
    wanted = {photo: [" ".join(split(text)) for text in of] for photo, of in references.items()}
    in_lists = {photo: [text] for photo, text in written.items()}
    counted, frequencies = CiderD(wanted), DocumentFrequencies.count(wanted)
    batch = list(wanted)[:PHOTOS]
    sampled = [photo for photo in batch for _ in range(SAMPLES)]
    batch_wanted = {photo: wanted[photo] for photo in batch}
    sampled_wanted = {place: wanted[photo] for place, photo in enumerate(sampled)}
    sampled_written = {place: in_lists[photo] for place, photo in enumerate(sampled)}
    their_words = java_words if shutil.which("java") else lambda texts: {
        photo: [" ".join(split(text)) for text in of] for photo, of in texts.items()
    }  # fmt: skip

    def their_report() -> None:
        their_scores(their_words(references), their_words({photo: [text] for photo, text in captions.items()}))

    works = {
        "CIDEr-D": lambda: CiderD(wanted)(written),
        "CIDEr-D, references counted": lambda: counted(written),
        "CIDEr-D, pycocoevalcap": lambda: Cider().compute_score(wanted, in_lists),
        "reward of a batch": lambda: CiderD(batch_wanted, frequencies).each(sampled, [written[p] for p in sampled]),
        "reward of a batch, pycocoevalcap": lambda: Cider().compute_score(sampled_wanted, sampled_written),
        f"report, words {tokens}": lambda: score(captions, references, tokens),
        f"report, pycocoevalcap, words {'Java' if shutil.which('java') else tokens}": their_report,
    }
    times = in_turn(list(works.values()), rounds)
    base = [times[2], times[2], times[2], times[4], times[4], times[6], times[6]]
    table = Table("work", "ms", "times as fast", title=f"{len(texts):,} photos, words {tokens}")
    for name, took, theirs in zip(works, times, base, strict=True):
        table.add_row(name, f"{1000 * took:,.1f}", f"{theirs / took:.1f}")
    console = Console()
    console.print(where())
    console.print(table)
    ours = numpy.array(list(score_each(captions, references, tokens).values()))
    difference = numpy.abs(ours - their_scores(wanted, in_lists)).max()
    console.print(f"largest difference of any photo's score: {difference:.1e}", highlight=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="a captions file as COCO has them")
    parser.add_argument("--rounds", default=5, type=int)
    given = parser.parse_args()
    main(given.captions, given.rounds)
