r"""Where in a photo a word could be seen, learned from captions alone, and attention taught by it.

Before training, a linear layer on the frozen regions learns which content words the captions of a photo hold. It scores each region for
each word, $z_{rw}$, and the photo by a smooth maximum over regions, $\frac{1}{k} \log \frac{1}{R} \sum_r e^{k z_{rw}}$ with k = 3. So the
regions that let one tell that a word belongs to the photo get large scores, without boxes. During training, each content word's map is
taught the distribution $q_r \propto e^{s z_{rw}}$ by their Kullback-Leibler divergence.

Source: words detected from captions, Fang et al. 2015 (there with noisy-or); the smooth maximum (log-sum-exp), Pinheiro and Collobert
2015; supervised maps, Liu et al. 2017 (there from boxes). Differs: teacher and captions come from the same data.

Shapes: B photos, Q references of one photo, T words, R regions, D region feature, W words with evidence, V vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from captioner.data.batches import Batch, CaptionedPhotos
from captioner.errors import UserError
from captioner.progress import Report
from captioner.regions import Regions
from captioner.text.function_words import is_content
from captioner.text.vocabulary import UNK, Vocabulary
from captioner.training.checkpoints import check_shapes, load_checkpoint, save_checkpoint
from captioner.training.contract import map_divergences
from captioner.training.distributed import Processes
from captioner.training.optimisation import Cosine

FILE = "word_evidence.safetensors"
LEAST_PHOTOS = 30
"""Words in the captions of fewer training photos have no evidence."""
EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 2, 64, 1e-3, 1e-2, 0.3
_SMOOTH = 3.0  # k


class WordEvidence(nn.Module):
    """Scores of regions for words.

    Args:
        region_size: size of one region's feature (D).
        words: the words' numbers in the vocabulary (W).
        vocabulary_size: number of words in the vocabulary (V).
    """

    def __init__(self, region_size: int, words: Sequence[int], vocabulary_size: int):
        super().__init__()
        self.norm = nn.LayerNorm(region_size)
        self.score = nn.Linear(region_size, len(words))
        nn.init.normal_(self.score.weight, 0, 0.01)
        nn.init.constant_(self.score.bias, -4.0)
        place = torch.full((vocabulary_size,), -1)
        place[torch.tensor(words, dtype=torch.long)] = torch.arange(len(words))
        self.place: Tensor
        self.register_buffer("place", place)  # (V,) of each word among those with evidence, -1 for the others

    def forward(self, regions: Regions, dropout: float = 0.0) -> Tensor:
        """Scores (B, R, W), minus infinity for padding."""
        features = functional.dropout(self.norm(regions.features.float()), dropout)
        return self.score(features).masked_fill(~regions.mask[..., None], -torch.inf)

    def loss(self, batch: Batch) -> Tensor:
        """Binary cross-entropy of the words of each photo's captions: summed over words, averaged over photos."""
        assert isinstance(batch.photos, Regions)
        scores = self(batch.photos, DROPOUT)
        count = batch.photos.mask.sum(1, keepdim=True)
        of_photos = ((_SMOOTH * scores).logsumexp(1) - count.log()) / _SMOOTH  # (B, W)
        places = self.place[batch.targets].flatten(1)  # (B, words)
        held = torch.zeros(len(places), scores.shape[2] + 1, device=scores.device)
        held = held.scatter(1, places.where(places >= 0, scores.shape[2]), 1.0)[:, :-1]
        return functional.binary_cross_entropy_with_logits(of_photos, held, reduction="sum") / len(places)

    def divergence(self, weights: Tensor, targets: Tensor, regions: Regions, sharpness: float) -> Tensor:
        """(B, Q, T): the Kullback-Leibler divergence of each word's map from the evidence for the word, 0 for words without evidence.

        Args:
            weights: of attention, (B, Q, T, R); scaled to sum 1.
            targets: the words (B, Q, T).
            regions: the encoder's, of which the photo's regions were made.
            sharpness: factor of the scores (s).
        """
        places = self.place[targets]  # (B, Q, T)
        of_words = places.clamp(min=0).flatten(1)[:, None].expand(-1, weights.shape[-1], -1)  # (B, R, Q T)
        scores = self(regions).gather(2, of_words).transpose(1, 2)
        taught = (sharpness * scores).softmax(-1).view(weights.shape)
        return map_divergences(weights, taught) * (places >= 0)


def evidence_for(
    photos: CaptionedPhotos, vocabulary: Vocabulary, folder: Path, seed: int, here: Processes, report: Report
) -> WordEvidence:
    """The evidence stored in the run's folder, or learned from the training photos and stored there.

    Raises:
        UserError: no word is frequent enough.
    """
    words = _words(photos, vocabulary)
    if not words:
        raise UserError(
            f"objective.evidence needs content words that are in the captions of at least {LEAST_PHOTOS} training photos, got none; "
            "set it to 0"
        )
    first = photos[[0]].photos
    assert isinstance(first, Regions)
    evidence, path = WordEvidence(first.features.shape[2], words, len(vocabulary)), folder / FILE

    def learn() -> None:
        _learn(evidence, photos, seed, report)
        save_checkpoint(path, evidence.state_dict(), {})

    here.from_first(lambda: path.exists() or learn())
    tensors, _ = load_checkpoint(path)
    check_shapes(evidence.state_dict(), tensors, path)
    evidence.load_state_dict(tensors)
    return evidence.requires_grad_(False).eval()


def _words(photos: CaptionedPhotos, vocabulary: Vocabulary) -> list[int]:
    counts = Counter(number for captions in photos.captions for number in set().union(*captions))
    return sorted(
        number
        for number, count in counts.items()
        if count >= LEAST_PHOTOS and number > UNK and is_content(vocabulary.words[number])
    )


def _learn(evidence: WordEvidence, photos: CaptionedPhotos, seed: int, report: Report) -> None:
    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(evidence.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    orders = [photos.order(BATCH_SIZE, seed, epoch) for epoch in range(EPOCHS)]
    total, done, schedule = sum(map(len, orders)), 0, Cosine()
    for order in orders:
        for batch in photos.batches(order):
            for group in optimiser.param_groups:
                group["lr"] = LEARNING_RATE * schedule.factor(done, done / total, 1)
            evidence.loss(batch).backward()
            optimiser.step()
            optimiser.zero_grad()
            done += 1
            report.inspection("words in regions", 1, total)
