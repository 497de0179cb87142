"""METEOR 1.5 and SPICE, which are Java programs: scored where they can run, and left out otherwise.

No other program gives the numbers that papers print under these names. Both read English alone.

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
from captioner.metrics.scores import Captions, References, cut

METEOR, SPICE = "METEOR", "SPICE"
_MODELS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_MODULES = numpy.array(
    [1.0, 0.6, 0.8, 0.6]
)  # what a word weighs that is matched exactly, by its stem, a synonym, a paraphrase


def java_scores(captions: Captions, references: References, tokens: str = "simple") -> dict[str, float]:
    """METEOR 1.5 and SPICE, 0 to 1, those of them that can run here."""
    found = java_tallies(captions, references, tokens)
    return {name: value for tally in found for name, value in tally.of_all().items()}


def java_tallies(captions: Captions, references: References, tokens: str = "simple") -> list[Tally]:
    """What METEOR and SPICE are made of, photo by photo; nothing for one that cannot run here.

    Raises:
        UserError: a Java program fails.
    """
    scorers = {METEOR: _meteor, SPICE: _spice}
    running = [scorer for name, scorer in scorers.items() if name not in lacking(tokens)]
    if not running:
        return []
    written, wanted = cut(captions, references, tokens)
    numbered = {place: [text] for place, text in enumerate(written.values())}  # ids of one type, which SPICE sorts
    return [scorer(dict(enumerate(wanted.values())), numbered) for scorer in running]


def lacking(tokens: str = "simple") -> dict[str, str]:
    """Those of METEOR and SPICE that cannot run here, each with what to do."""
    if tokens == "characters":
        return dict.fromkeys((METEOR, SPICE), "scores English words alone")
    if shutil.which("java") is None:
        return dict.fromkeys((METEOR, SPICE), "install Java")
    if not all((_spice_folder() / "lib" / name).is_file() for name in _MODELS):
        return {SPICE: "python -m pycocoevalcap.spice.get_stanford_models"}
    return {}


def _meteor(wanted: dict[int, list[str]], written: dict[int, list[str]]) -> Tally:
    from pycocoevalcap.meteor.meteor import Meteor

    class Kept(Meteor):
        """Keeps what the program says of each photo."""

        numbers: list[list[float]] = []  # noqa: RUF012

        def _stat(self, hypothesis_str: str, reference_list: list[str]) -> str:
            line = super()._stat(hypothesis_str, reference_list)
            self.numbers.append([float(number) for number in line.split()])
            return line

    scorer = Kept()
    try:
        value, _ = scorer.compute_score(wanted, written)
    except (OSError, ValueError) as error:
        raise UserError(
            f"METEOR's Java program failed ({error}); mend Java, or leave METEOR out with --no-java"
        ) from error
    finally:
        scorer.meteor_p.kill()
        scorer.meteor_p.communicate()
    numbers = numpy.array(scorer.numbers)
    copies = (numbers[:, 21:23] == numbers[:, 0:2]).all(1) & (numbers[:, 20] == 1)
    numbers[copies, 20] = 0  # a copy is not broken at all
    tally = Tally(numbers, lambda sums: {METEOR: meteor_of(sums)})
    assert math.isclose(tally.of_all()[METEOR], value, abs_tol=1e-9), "METEOR's formula"
    return tally


def meteor_of(numbers: ndarray) -> ndarray:
    r"""(...) METEOR of what its program says of a caption, (..., 23), or of sums: $F_\text{mean} (1 - \gamma (c / m)^\beta)$.

    c are the chunks in which m words of the caption stand as in the reference. The numbers: words of caption and reference, and function
    words of both; for each of four kinds of matches content words of both, and function words of both; c, and m in both.

    Source: Denkowski and Lavie 2014, with the parameters of version 1.5 for English.
    """
    words, function_words = numbers[..., 0:2], numbers[..., 2:4]  # (..., 2) of caption and reference
    kinds = numbers[..., 4:20].reshape(*numbers.shape[:-1], 4, 2, 2)  # kind, content or function, caption or reference
    matched = numpy.einsum("...kfc,k,f->...c", kinds, _MODULES, [_DELTA, 1 - _DELTA])
    length = _DELTA * (words - function_words) + (1 - _DELTA) * function_words
    chunks, both = numbers[..., 20], numbers[..., 21:23]
    with numpy.errstate(divide="ignore", invalid="ignore"):
        precision, recall = numpy.moveaxis(matched / length, -1, 0)
        mean = 1 / ((1 - _ALPHA) / precision + _ALPHA / recall)
        return numpy.nan_to_num(mean * (1 - _GAMMA * (chunks / both.mean(-1)) ** _BETA)).clip(min=0)


def _spice(wanted: dict[int, list[str]], written: dict[int, list[str]]) -> Tally:
    from pycocoevalcap.spice.spice import Spice

    try:
        _, each = Spice().compute_score(wanted, written)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UserError(
            f"SPICE's Java program failed ({error}); coco-caption asks for Java 1.8, so mend Java, or leave SPICE out with --no-java"
        ) from error
    found = numpy.array([one["All"]["f"] for one in each])
    if numpy.isnan(found).any():
        raise UserError(
            f"SPICE gave no number for {numpy.isnan(found).sum()} of {len(found)} photos; leave SPICE out with --no-java"
        )
    return Tally.means({SPICE: found})


def _spice_folder() -> Path:
    found = find_spec("pycocoevalcap.spice")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
