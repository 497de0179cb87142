r"""CLIPScore and RefCLIPScore: how similar a caption is to its photo, and also to the references, in CLIP's embedding.

$$\text{CLIPScore} = 2.5 \max(\cos(v, c), 0) \qquad
\text{RefCLIPScore} = \text{harmonic mean of CLIPScore and} \max(\max_r \cos(c, r), 0)$$

v, c and r are the embeddings of the photo, the caption and a reference. Every text is prefixed with "A photo depicts", also a caption
without words. Captions are not tokenised by our rules. Scores of different CLIP models are not comparable: papers report ViT-B/32.

Source: Hessel et al. 2021, section 3.

Shapes: n photos or texts, E the size of CLIP's embedding.
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
from captioner.metrics.coco_scores import Captions, PhotoId, References
from captioner.progress import Report, silent

CLIP_SCORE, REF_CLIP_SCORE = "CLIPScore", "RefCLIPScore"
PREFIX = "A photo depicts "
_WEIGHT = 2.5
_PHOTOS, _TEXTS = 32, 256  # in a batch


@dataclass(frozen=True)
class Clip:
    """A CLIP model loaded by the package transformers."""

    model: Any
    tokenizer: Any
    preprocess: Preprocess
    source: str  # the model's name and version, for the protocol
    report: Report = silent

    @torch.inference_mode()
    def photos(self, paths: Sequence[Path]) -> ndarray:
        """(n, E) embeddings of norm 1.

        Raises:
            UserError: a photo cannot be read.
        """
        files, embeddings = PhotoFiles(list(paths), self.preprocess), []
        for batch in read_ahead(lambda index: files.read(index)[0], range(len(files)), _PHOTOS):
            pixels = self.preprocess.normalise(
                torch.stack([_checked(photo) for _, photo in batch]).to(self.model.device)
            )
            embeddings.append(_unit(self.model.visual_projection(self.model.vision_model(pixels).pooler_output)))
            self.report.clip("photos", batch[-1][0] + 1, len(files))
        return numpy.concatenate(embeddings)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str], what: str) -> ndarray:
        """(n, E) embeddings of norm 1. Texts are truncated to CLIP's longest text."""
        embeddings, longest = [], self.model.config.text_config.max_position_embeddings
        for start in range(0, len(texts), _TEXTS):
            batch = [PREFIX + text for text in texts[start : start + _TEXTS]]
            tokens = self.tokenizer(batch, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            output = self.model.text_model(**tokens.to(self.model.device))
            embeddings.append(_unit(self.model.text_projection(output.pooler_output)))
            self.report.clip(what, start + len(batch), len(texts))
        return numpy.concatenate(embeddings)


class ClipScorer:
    """Scores the captions of one system after another on the same photos. Photos and references are embedded once."""

    def __init__(self, clip: Clip, photos: Mapping[PhotoId, Path], references: References):
        self.clip = clip
        self.photos = clip.photos([photos[photo] for photo in references])
        embeddings = clip.texts(list(chain.from_iterable(references.values())), "references")
        self.references = numpy.split(embeddings, numpy.cumsum([len(texts) for texts in references.values()])[:-1])

    def __call__(self, captions: Captions) -> Tally:
        """Score captions that are in the references' order."""
        embeddings = self.clip.texts(list(captions.values()), "captions")
        return Tally.means(clip_scores(self.photos, embeddings, self.references))


def clip_scores(photos: ndarray, captions: ndarray, references: Sequence[ndarray]) -> dict[str, ndarray]:
    """(n,) for both scores, given embeddings of photos (n, E), of captions (n, E), and of each photo's references."""
    clip_score = _WEIGHT * (photos * captions).sum(1).clip(min=0)
    nearest = numpy.array([(texts @ caption).max() for texts, caption in zip(references, captions, strict=True)])
    similarity = nearest.clip(min=0)
    total = clip_score + similarity
    mean = numpy.divide(2 * clip_score * similarity, total, out=numpy.zeros_like(total), where=total > 0)
    return {CLIP_SCORE: clip_score, REF_CLIP_SCORE: mean}


def load_clip(name: str, device: torch.device, report: Report = silent) -> Clip:
    """Load a CLIP model from this computer; nothing is downloaded.

    Args:
        name: its folder, or its name in the transformers cache.

    Raises:
        UserError: transformers is not installed, or there is no complete CLIP model of that name on this computer.
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
    ) as error:  # TypeError: transformers 4, tokeniser without files
        raise UserError(_incomplete(name, str(error).splitlines()[0])) from error
    num_tokens, vocabulary_size = len(tokenizer), model.config.text_config.vocab_size
    if loaded["missing_keys"] or num_tokens != vocabulary_size:  # transformers would use random weights or lack words
        missing = f"{len(loaded['missing_keys'])} weights are missing, and the tokeniser has "
        raise UserError(_incomplete(name, f"{missing}{num_tokens:,} of {vocabulary_size:,} tokens"))
    side = model.config.vision_config.image_size
    preprocess = Preprocess(side, (side, side), tuple(pictures.image_mean), tuple(pictures.image_std), "bicubic")
    called = Path(name).resolve().name if Path(name).is_dir() else name  # scores are shared; paths are not
    source = f"{called} (transformers {transformers.__version__})"
    return Clip(model.float().eval().to(device), tokenizer, preprocess, source, report)


def _incomplete(name: str, why: str) -> str:
    return (
        f"--clip needs a complete CLIP model on this computer, got {name!r} ({why}); "
        "give its folder, or download the model that papers use and give its name: hf download openai/clip-vit-base-patch32"
    )


def _checked(photo: Tensor | UserError) -> Tensor:
    if isinstance(photo, UserError):
        raise photo
    return photo


def _unit(embeddings: Tensor) -> ndarray:
    return torch.nn.functional.normalize(embeddings.cpu().double(), dim=-1).numpy()
