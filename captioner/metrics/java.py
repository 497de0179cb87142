"""METEOR 1.5 and SPICE, which are Java programs: computed where they can run, and left out otherwise.

No other program gives the numbers that papers report under these names. Both are for English only.

Shapes: n photos.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy
from numpy import ndarray

from captioner.errors import UserError
from captioner.metrics.bootstrap import Tally
from captioner.metrics.coco_scores import Captions, References, tokenised

METEOR, SPICE = "METEOR", "SPICE"
_MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_MODULES = numpy.array([1.0, 0.6, 0.8, 0.6])  # weights of exact, stem, synonym and paraphrase matches


def java_scores(captions: Captions, references: References, tokens: str = "simple") -> dict[str, float]:
    """METEOR 1.5 and SPICE, 0 to 1, as far as they can run here."""
    parts = java_tallies(captions, references, tokens)
    return {name: value for tally in parts for name, value in tally.of_all().items()}


def java_tallies(captions: Captions, references: References, tokens: str = "simple") -> list[Tally]:
    """The statistics of METEOR and SPICE for each photo, without a scorer that cannot run here.

    Raises:
        UserError: a Java program fails.
    """
    scorers = {METEOR: _meteor, SPICE: _spice}
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


def _meteor(references: dict[int, list[str]], captions: dict[int, list[str]]) -> Tally:
    from pycocoevalcap.meteor.meteor import Meteor

    class RecordingMeteor(Meteor):
        """Keeps the program's statistics of each photo."""

        numbers: list[list[float]] = []  # noqa: RUF012

        def _stat(self, hypothesis_str: str, reference_list: list[str]) -> str:
            line = super()._stat(hypothesis_str, reference_list)
            self.numbers.append([float(number) for number in line.split()])
            return line

    scorer = RecordingMeteor()
    try:
        value, _ = scorer.compute_score(references, captions)
    except (OSError, ValueError) as error:
        raise UserError(
            f"METEOR's Java program failed ({error}); repair Java, or leave METEOR out with --no-java"
        ) from error
    finally:
        scorer.meteor_p.kill()
        scorer.meteor_p.communicate()
    numbers = numpy.array(scorer.numbers)
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
