"""METEOR 1.5 and SPICE, which are Java programs: computed where they can run, and left out otherwise.

No other program gives the numbers that papers report under these names. Both are for English only.

Shapes: n photos.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

import numpy
from numpy import ndarray

from captioner.errors import UserError
from captioner.metrics.bootstrap import Tally
from captioner.metrics.coco_scores import Captions, References, tokenised

if TYPE_CHECKING:
    from pycocoevalcap.meteor.meteor import Meteor

METEOR, SPICE = "METEOR", "SPICE"
_MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_MODULES = numpy.array([1.0, 0.6, 0.8, 0.6])  # weights of exact, stem, synonym and paraphrase matches


def java_scores(captions: Captions, references: References, tokens: str = "simple") -> dict[str, float]:
    """METEOR 1.5 and SPICE, 0 to 1, as far as they can run here."""
    parts = java_tallies(captions, references, tokens)
    return {name: value for tally in parts for name, value in tally.of_all().items()}


def java_tallies(
    captions: Captions, references: References, tokens: str = "simple", begun: BegunMeteor | None = None
) -> list[Tally]:
    """The statistics of METEOR and SPICE for each photo, without a scorer that cannot run here.

    Args:
        begun: METEOR of some of the captions, which is not computed again.

    Raises:
        UserError: a Java program fails.
    """
    scorers = {METEOR: partial(_meteor, begun=begun), SPICE: _spice}
    running = [scorer for name, scorer in scorers.items() if name not in lacking(tokens)]
    if not running:
        return []
    candidates, texts = tokenised(captions, references, tokens)
    numbered = {index: [text] for index, text in enumerate(candidates.values())}  # SPICE sorts ids: all of one type
    return [scorer(dict(enumerate(texts.values())), numbered) for scorer in running]


def lacking(tokens: str = "simple") -> dict[str, str]:
    """Which of METEOR and SPICE cannot run here, each with what to do about it."""
    if tokens == "characters":
        return dict.fromkeys((METEOR, SPICE), "scores English words only")
    if shutil.which("java") is None:
        return dict.fromkeys((METEOR, SPICE), "install Java")
    if not all((_spice_folder() / "lib" / name).is_file() for name in _MODELS):
        return {SPICE: "python -m pycocoevalcap.spice.get_stanford_models"}
    return {}


class BegunMeteor:
    """METEOR of captions while others are still being written: its program starts now, and a thread feeds it.

    Args:
        references: of all photos that will be captioned.
        tokens: the tokenisation rule.
    """

    def __init__(self, references: References, tokens: str):
        self.program, self.waiting = _program(), SimpleQueue()
        # The thread does not hold this object, so that it can be dropped before it is finished.
        work = partial(_feed, self.program, self.waiting, references, tokens)
        self.thread = Thread(target=work, daemon=True)
        self.thread.start()

    def add(self, captions: Captions) -> None:
        """Captions of some photos; those without references are passed over."""
        self.waiting.put(captions)

    def finish(self) -> Meteor:
        """The program, after everything that was added."""
        self.waiting.put(None)
        self.thread.join()
        return self.program

    def __del__(self) -> None:
        self.program.meteor_p.kill()
        self.waiting.put(None)


def _feed(program: Meteor, waiting: SimpleQueue[Captions | None], references: References, tokens: str) -> None:
    """Score captions as they arrive; the program keeps their results. An error here is raised again when all captions are scored."""
    with suppress(Exception):
        while (captions := waiting.get()) is not None:
            own = {photo: text for photo, text in captions.items() if photo in references}
            if own:
                candidates, texts = tokenised(own, {photo: references[photo] for photo in own}, tokens)
                for photo, caption in candidates.items():
                    program._stat(caption, texts[photo])


def begin_meteor(references: References, tokens: str) -> BegunMeteor | None:
    """METEOR's program, started; None where it cannot run or has nothing to score."""
    return BegunMeteor(references, tokens) if references and METEOR not in lacking(tokens) else None


def _program() -> Meteor:
    from pycocoevalcap.meteor.meteor import Meteor

    class RememberingMeteor(Meteor):
        """Keeps the program's statistics of each caption with its references."""

        def __init__(self) -> None:
            super().__init__()
            self.lines: dict[tuple[str, ...], str] = {}

        def _stat(self, hypothesis_str: str, reference_list: list[str]) -> str:
            key = (hypothesis_str, *reference_list)
            if key not in self.lines:
                self.lines[key] = super()._stat(hypothesis_str, reference_list)
            return self.lines[key]

        def __del__(self) -> None:
            """Not the original's, which waits forever for a lock that a failure has left locked."""
            self.meteor_p.kill()

    return RememberingMeteor()


def _meteor(
    references: dict[int, list[str]], captions: dict[int, list[str]], begun: BegunMeteor | None = None
) -> Tally:
    scorer = _program() if begun is None else begun.finish()
    try:
        value, _ = scorer.compute_score(references, captions)
        lines = [scorer._stat(caption, references[photo]) for photo, (caption,) in captions.items()]  # all known
        numbers = numpy.array([[float(number) for number in line.split()] for line in lines])
    except (OSError, ValueError) as error:
        raise UserError(
            f"METEOR's Java program failed ({error}); repair Java, or leave METEOR out with --no-java"
        ) from error
    finally:
        scorer.meteor_p.kill()
        scorer.meteor_p.communicate()
    copies = (numbers[:, 21:23] == numbers[:, 0:2]).all(1) & (numbers[:, 20] == 1)
    numbers[copies, 20] = 0  # a copy has no fragmentation penalty
    tally = Tally(numbers, lambda sums: {METEOR: meteor_of(sums)})
    assert math.isclose(tally.of_all()[METEOR], value, abs_tol=1e-9), "METEOR's formula"
    return tally


def meteor_of(statistics: ndarray) -> ndarray:
    r"""(...) METEOR of its program's statistics of a caption (..., 23), or of their sums: $F_\text{mean} (1 - \gamma (c / m)^\beta)$.

    c is the number of chunks, which are runs of matched words in the reference's order, and m the number of matched words. The statistics:
    words of caption and reference, function words of both; content words and function words of both for each of four kinds of matches;
    c; m of both.

    Source: Denkowski and Lavie 2014, with the parameters of version 1.5 for English.
    """
    words, function_words = statistics[..., 0:2], statistics[..., 2:4]  # (..., 2) of caption and reference
    kinds = statistics[..., 4:20].reshape(
        *statistics.shape[:-1], 4, 2, 2
    )  # kind, content or function, caption or reference
    matched = numpy.einsum("...kfc,k,f->...c", kinds, _MODULES, [_DELTA, 1 - _DELTA])
    length = _DELTA * (words - function_words) + (1 - _DELTA) * function_words
    chunks, num_matched = statistics[..., 20], statistics[..., 21:23]
    with numpy.errstate(divide="ignore", invalid="ignore"):
        precision, recall = numpy.moveaxis(matched / length, -1, 0)
        mean = 1 / ((1 - _ALPHA) / precision + _ALPHA / recall)
        return numpy.nan_to_num(mean * (1 - _GAMMA * (chunks / num_matched.mean(-1)) ** _BETA)).clip(min=0)


def _spice(references: dict[int, list[str]], captions: dict[int, list[str]]) -> Tally:
    from pycocoevalcap.spice.spice import Spice

    try:
        _, results = Spice().compute_score(references, captions)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UserError(
            f"SPICE's Java program failed ({error}); coco-caption needs Java 1.8, so repair Java, or leave SPICE out with --no-java"
        ) from error
    scores = numpy.array([result["All"]["f"] for result in results])
    if numpy.isnan(scores).any():
        raise UserError(
            f"SPICE gave no number for {numpy.isnan(scores).sum()} of {len(scores)} photos; leave SPICE out with --no-java"
        )
    return Tally.means({SPICE: scores})


def _spice_folder() -> Path:
    package = find_spec("pycocoevalcap.spice")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent
