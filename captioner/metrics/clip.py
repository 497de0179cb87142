r"""CLIPScore and RefCLIPScore (Hessel et al. 2021): how near a caption is to its photo, and to the references too, as CLIP sees them.

$$\text{CLIPScore} = 2.5 \max(\cos(v, c), 0) \qquad
\text{RefCLIPScore} = \text{harmonic mean of CLIPScore and} \max(\max_r \cos(c, r), 0)$$

v is the photo's vector, c the caption's and r a reference's; every text is read as "A photo depicts" and itself, a caption without words
too. Captions are not cut into words. Values of two CLIP models do not compare: papers' are those of ViT-B/32.

Shapes: n photos or texts, E the size that CLIP's photos and texts share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import torch
from numpy import ndarray
from torch import Tensor

from captioner.encoders.preprocess import Preprocess
from captioner.errors import UserError, library
from captioner.features.sources import PhotoFiles, read_ahead
from captioner.metrics.bootstrap import Tally
from captioner.metrics.scores import Captions, PhotoId, References
from captioner.progress import Report, silent

CLIP_SCORE, REF_CLIP_SCORE = "CLIPScore", "RefCLIPScore"
PREFIX = "A photo depicts "
_WEIGHT = 2.5
_PHOTOS, _TEXTS = 32, 256  # at once


@dataclass(frozen=True)
class Clip:
    """A CLIP model of the package transformers."""

    model: Any
    tokenizer: Any
    preprocess: Preprocess
    source: str  # whose numbers these are, as a protocol says it
    report: Report = silent

    @torch.inference_mode()
    def photos(self, paths: Sequence[Path]) -> ndarray:
        """(n, E) of length 1.

        Raises:
            UserError: a photo cannot be read.
        """
        files, found = PhotoFiles(list(paths), self.preprocess), []
        for batch in read_ahead(lambda index: files.read(index)[0], range(len(files)), _PHOTOS):
            pixels = self.preprocess.normalise(torch.stack([_read(each) for _, each in batch]).to(self.model.device))
            found.append(_vectors(self.model.visual_projection(self.model.vision_model(pixels).pooler_output)))
            self.report.clip("photos", batch[-1][0] + 1, len(files))
        return numpy.concatenate(found)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str], what: str) -> ndarray:
        """(n, E) of length 1; what goes beyond CLIP's longest text is not read."""
        found, longest = [], self.model.config.text_config.max_position_embeddings
        for start in range(0, len(texts), _TEXTS):
            batch = [PREFIX + text for text in texts[start : start + _TEXTS]]
            tokens = self.tokenizer(batch, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            read = self.model.text_model(**tokens.to(self.model.device))
            found.append(_vectors(self.model.text_projection(read.pooler_output)))
            self.report.clip(what, start + len(batch), len(texts))
        return numpy.concatenate(found)


class ClipScorer:
    """Scores captions of the same photos, one system after another; photos and references are read once."""

    def __init__(self, clip: Clip, photos: Mapping[PhotoId, Path], references: References):
        self.clip = clip
        self.seen = clip.photos([photos[photo] for photo in references])
        wanted = clip.texts(list(chain.from_iterable(references.values())), "references")
        self.wanted = numpy.split(wanted, numpy.cumsum([len(texts) for texts in references.values()])[:-1])

    def __call__(self, captions: Captions) -> Tally:
        """Of captions in the references' order."""
        return Tally.means(clip_scores(self.seen, self.clip.texts(list(captions.values()), "captions"), self.wanted))


def clip_scores(seen: ndarray, written: ndarray, wanted: Sequence[ndarray]) -> dict[str, ndarray]:
    """(n,) of both scores, by the vectors of photos (n, E), of captions (n, E), and of each photo's references."""
    near = _WEIGHT * (seen * written).sum(1).clip(min=0)
    agreed = numpy.array([(texts @ one).max() for texts, one in zip(wanted, written, strict=True)]).clip(min=0)
    both = near + agreed
    mean = numpy.divide(2 * near * agreed, both, out=numpy.zeros_like(both), where=both > 0)
    return {CLIP_SCORE: near, REF_CLIP_SCORE: mean}


def load_clip(name: str, device: torch.device, report: Report = silent) -> Clip:
    """A CLIP model from this computer; nothing is downloaded.

    Args:
        name: its folder, or its name in the cache of transformers.

    Raises:
        UserError: transformers is not installed, or there is no whole CLIP model of that name here.
    """
    transformers = library("transformers", "--clip", "clip")
    try:
        model, loaded = transformers.CLIPModel.from_pretrained(name, local_files_only=True, output_loading_info=True)
        tokenizer = transformers.CLIPTokenizer.from_pretrained(name, local_files_only=True)
        pictures = transformers.CLIPImageProcessor.from_pretrained(name, local_files_only=True)
    except (
        OSError,
        ValueError,
        RuntimeError,
        TypeError,
    ) as error:  # the last: transformers 4, of a tokeniser without files
        raise UserError(_lacking(name, str(error).splitlines()[0])) from error
    known, wanted = len(tokenizer), model.config.text_config.vocab_size
    if loaded["missing_keys"] or known != wanted:  # transformers would go on with random weights, or without words
        lost = f"{len(loaded['missing_keys'])} weights are missing, and {known:,} of {wanted:,} tokens are known"
        raise UserError(_lacking(name, lost))
    side = model.config.vision_config.image_size
    preprocess = Preprocess(side, (side, side), tuple(pictures.image_mean), tuple(pictures.image_std), "bicubic")
    source = f"{name} (transformers {transformers.__version__})"
    return Clip(model.float().eval().to(device), tokenizer, preprocess, source, report)


def _lacking(name: str, why: str) -> str:
    return (
        f"--clip needs a whole CLIP model that is on this computer, got {name!r} ({why}); "
        "give its folder, or fetch the one that papers use and name it: hf download openai/clip-vit-base-patch32"
    )


def _read(found: Tensor | UserError) -> Tensor:
    if isinstance(found, UserError):
        raise found
    return found


def _vectors(found: Tensor) -> ndarray:
    return torch.nn.functional.normalize(found.cpu().double(), dim=-1).numpy()
