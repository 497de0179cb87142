"""The textbook decoder's training with the recipe of the popular PyTorch tutorial of image captioning.

Adam with a learning rate of 4e-4, 32 rows in a batch, each a photo with one of its captions, teacher forcing, doubly stochastic attention
with lambda 1, gradients clipped by value at 5, sizes 512/512/512, dropout 0.5, float32. After 8 scores in a row that are no better, the
learning rate falls to 0.8 times itself; after 20, training ends, and it ends after 120 epochs. It keeps the weights of the best score.

It differs from the tutorial in what the comparison shares: stored regions, our vocabulary, CIDEr-D by our scorer in place of BLEU-4, and
our search, which decodes with our decoder holding the textbook's weights (`copy_back`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from textbook import TextbookDecoder, copy_back  # noqa: E402

from captioner.commands.train.training_run import Validator  # noqa: E402
from captioner.data.batches import pad_words  # noqa: E402
from captioner.decoders.lstm import LSTMDecoder  # noqa: E402
from captioner.features.sources import Source  # noqa: E402
from captioner.files import replacing  # noqa: E402
from captioner.regions import Regions  # noqa: E402
from captioner.training.checkpoints import BEST, model_tensors, save_checkpoint  # noqa: E402

SETTINGS = [
    "refiner.project=false",
    "refiner.layers=0",
    "attention.kind=soft",
    "attention.score=additive",
    "attention.size=512",
    "decoder.kind=lstm",
    "decoder.hidden_size=512",
    "decoder.word_size=512",
    "decoder.dropout=0.5",
    "decoder.gate=vector",
    "decoder.attend=before",
    "decoder.output=state",
    "decoder.cell=lstm",
    "decoder.mean_dropout=0",
    "data.augment=none",
    "run.ema_decay=0",
]
"""Of our decoder that computes the same function."""
BATCH, RATE, LAMBDA, CLIP, EPOCHS, WAIT, BY, PATIENCE = 32, 4e-4, 1.0, 5.0, 120, 8, 0.8, 20
NEWEST = "newest.pt"


class TextbookTraining:
    """Trains the textbook decoder from a score to the next, in the folder of a run that `captioner eval` can score.

    Args:
        source: the regions of the training photos.
        captions: of each photo, as numbers of words.
        validator: decodes and scores the validation split; its model's decoder takes the weights.
        folder: the run's folder, with its settings; training goes on from the file that an earlier one left there.
        rows: captions between two scores; an epoch by default.
        seed: of the order of the rows.
    """

    def __init__(
        self,
        source: Source,
        captions: Sequence[Sequence[list[int]]],
        validator: Validator,
        folder: Path,
        rows: int | None = None,
        seed: int = 0,
    ):
        self.model = validator.captioner.model
        self.source, self.captions, self.validator, self.folder, self.seed = source, captions, validator, folder, seed
        self.ours = self.model.decoder
        assert isinstance(self.ours, LSTMDecoder)
        self.rows = [(photo, caption) for photo, own in enumerate(captions) for caption in range(len(own))]
        self.rows_between = min(rows or len(self.rows), len(self.rows))
        self.decoder = textbook_like(self.ours).to(self.model.device)
        self.optimiser = torch.optim.Adam(self.decoder.parameters(), RATE)
        self.state = {"rows": 0, "best": float("-inf"), "waited": 0}
        if (folder / NEWEST).exists():
            stored = torch.load(folder / NEWEST, weights_only=True)
            self.decoder.load_state_dict(stored["decoder"])
            self.optimiser.load_state_dict(stored["optimiser"])
            self.state = stored["state"]

    @property
    def finished(self) -> bool:
        return self.state["waited"] >= PATIENCE or self.state["rows"] >= EPOCHS * len(self.rows)

    def train(self, check: Callable[[], None]) -> None:
        """Train until the next score is due; `check` is called after every step and may raise to stop."""
        self.decoder.train()
        for batch in self._batches():
            self._step(batch)
            check()
        self.state["rows"] += self.rows_between

    def score(self) -> float:
        """CIDEr-D on the validation split; the state is kept, and the weights if they are the best."""
        copy_back(self.decoder, self.ours)
        score = self.validator().scores["CIDEr-D"]
        state = self.state
        better = score > state["best"]
        state["best"], state["waited"] = max(score, state["best"]), 0 if better else state["waited"] + 1
        if better:
            save_checkpoint(self.folder / BEST, model_tensors(self.model, self.model.encoder), {"rows": state["rows"]})
        elif state["waited"] % WAIT == 0:
            for group in self.optimiser.param_groups:
                group["lr"] *= BY
        with replacing(self.folder / NEWEST) as path:
            stored = {"decoder": self.decoder.state_dict(), "optimiser": self.optimiser.state_dict(), "state": state}
            torch.save(stored, path)
        return score

    def _batches(self) -> Iterator[list[tuple[int, int]]]:
        """The rows until the next score; each epoch has its own order."""
        first, last = self.state["rows"], self.state["rows"] + self.rows_between
        epochs = range(first // len(self.rows), (last - 1) // len(self.rows) + 1)
        order = [self.rows[row] for epoch in epochs for row in self._order(epoch)]
        start = first - epochs[0] * len(self.rows)
        wanted = order[start : start + self.rows_between]
        yield from (wanted[row : row + BATCH] for row in range(0, len(wanted), BATCH))

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(len(self.rows), generator=generator).tolist()

    def _step(self, batch: list[tuple[int, int]]) -> None:
        regions = self.source([photo for photo, _ in batch])
        assert isinstance(regions, Regions)
        features = regions.features.to(self.model.device, torch.float32)
        captions = [[self.captions[photo][caption]] for photo, caption in batch]  # one for each row
        lengths = torch.tensor([[len(caption) - 1] for (caption,) in captions], device=features.device)
        loss = self.decoder.loss(features, pad_words(captions).to(features.device), lengths, LAMBDA)
        loss.backward()
        nn.utils.clip_grad_value_(self.decoder.parameters(), CLIP)
        self.optimiser.step()
        self.optimiser.zero_grad()


def textbook_like(decoder: LSTMDecoder) -> TextbookDecoder:
    """A new textbook decoder of the sizes of ours, with the tutorial's first weights."""
    region_size, size = decoder.to_hidden.in_features, decoder.attention.score.from_query.out_features
    vocabulary_size, word_size = decoder.embedding.weight.shape
    hidden_size = decoder.from_hidden.in_features
    textbook = TextbookDecoder(region_size, vocabulary_size, hidden_size, word_size, size, decoder.dropout.p)
    nn.init.uniform_(textbook.embedding.weight, -0.1, 0.1)
    nn.init.uniform_(textbook.to_vocabulary.weight, -0.1, 0.1)
    nn.init.zeros_(textbook.to_vocabulary.bias)
    return textbook
