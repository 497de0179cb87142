"""The decoder as tutorials write it, for comparison: everything is inside the loop over words.

Features are repeated for every caption, keys are computed again at every word, the vocabulary product is inside the loop, and captions,
sorted by length, leave the batch when they end. Beam search decodes one photo at a time, with features copied for every beam (`beam`), or,
as in better repositories, all photos in one batch, with loops over photos and beams that choose the words (`beams`).

It computes the same function as `captioner.decoders.lstm.LSTMDecoder` with attend="before", gate="vector" and output="state";
tests/test_benchmarks.py compares the two.

Shapes: N captions (photos x references), T words, R regions, D region feature, H state, A comparison size, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from captioner.attention.scores import AdditiveScore
from captioner.decoders.lstm import LSTMDecoder
from captioner.text.vocabulary import END, PAD, START, UNK


class TextbookDecoder(nn.Module):
    """Additive soft attention, a vector gate, an LSTM cell, and words predicted from the state alone."""

    def __init__(
        self, region_size: int, vocabulary_size: int, hidden_size: int, word_size: int, size: int, dropout: float
    ):
        super().__init__()
        self.region_to_key = nn.Linear(region_size, size, bias=False)
        self.state_to_key = nn.Linear(hidden_size, size)
        self.energy = nn.Linear(size, 1, bias=False)
        self.embedding = nn.Embedding(vocabulary_size, word_size)
        self.cell = nn.LSTMCell(word_size + region_size, hidden_size)
        self.first_hidden = nn.Linear(region_size, hidden_size)
        self.first_cell = nn.Linear(region_size, hidden_size)
        self.gate = nn.Linear(hidden_size, region_size)
        self.dropout = nn.Dropout(dropout)
        self.to_vocabulary = nn.Linear(hidden_size, vocabulary_size)

    def attend(self, features: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Context (N, D) and weights (N, R)."""
        weights = self.weigh(self.region_to_key(features), hidden)
        return (features * weights[..., None]).sum(dim=1), weights

    def weigh(self, keys: Tensor, hidden: Tensor) -> Tensor:
        mixed = torch.tanh(keys + self.state_to_key(hidden)[:, None])  # (N, R, A)
        return self.energy(mixed).squeeze(2).softmax(dim=1)

    def forward(self, features: Tensor, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, T, V), the reordered words (N, T + 1) and weights (N, T, R) of captions whose `lengths` count the end token."""
        lengths, order = lengths.sort(descending=True)
        features, words = features[order], words[order]
        mean = features.mean(dim=1)
        hidden, cell = torch.tanh(self.first_hidden(mean)), torch.tanh(self.first_cell(mean))
        vectors = self.dropout(self.embedding(words))
        logits = features.new_zeros(len(words), int(lengths[0]), self.to_vocabulary.out_features)
        weights = features.new_zeros(len(words), int(lengths[0]), features.shape[1])
        for position in range(int(lengths[0])):
            count = int((lengths > position).sum())
            context, weights[:count, position] = self.attend(features[:count], hidden[:count])
            context = torch.sigmoid(self.gate(hidden[:count])) * context
            inputs = torch.cat([vectors[:count, position], context], dim=1)
            hidden, cell = self.cell(inputs, (hidden[:count], cell[:count]))
            logits[:count, position] = self.to_vocabulary(self.dropout(hidden))
        return logits, words, weights

    def loss(self, features: Tensor, words: Tensor, lengths: Tensor, coverage: float = 0.0) -> Tensor:
        """Mean cross-entropy over real words, and the coverage penalty (`mean_regions`) with this weight.

        Features (B, R, D) are repeated for the Q captions (B, Q, T + 1) of each photo.
        """
        num_captions = words.shape[1]
        repeated = features.repeat_interleave(num_captions, dim=0)
        logits, words, weights = self(repeated, words.flatten(0, 1), lengths.flatten())
        ordered = lengths.flatten().sort(descending=True).values
        scores = pack_padded_sequence(logits, ordered.cpu(), batch_first=True).data
        targets = pack_padded_sequence(words[:, 1:], ordered.cpu(), batch_first=True).data
        loss = nn.functional.cross_entropy(scores, targets)
        return loss + coverage * (1 - weights.sum(dim=1)).square().mean() if coverage else loss

    @torch.no_grad()
    def beam(self, features: Tensor, num_beams: int, max_length: int) -> list[int]:
        """The words of the most probable caption of a photo (R, D); beams leave the batch when they end."""
        features = features.expand(num_beams, *features.shape).contiguous()
        mean = features.mean(dim=1)
        hidden, cell = torch.tanh(self.first_hidden(mean)), torch.tanh(self.first_cell(mean))
        words = torch.full((num_beams, 1), START, device=features.device)
        scores = torch.zeros(num_beams, 1, device=features.device)
        done: list[tuple[float, list[int]]] = []
        for position in range(max_length + 1):
            context, _ = self.attend(features[: len(words)], hidden)
            context = torch.sigmoid(self.gate(hidden)) * context
            inputs = torch.cat([self.embedding(words[:, -1]), context], dim=1)
            hidden, cell = self.cell(inputs, (hidden, cell))
            log_probs = self.to_vocabulary(hidden).log_softmax(dim=1)
            log_probs[:, [PAD, START, UNK] + [END] * (position == 0)] = -torch.inf
            if position == max_length:
                done += [
                    ((scores[row] + log_probs[row, END]).item(), words[row, 1:].tolist()) for row in range(len(words))
                ]
                break
            totals = scores + log_probs
            best, indices = (totals[0] if position == 0 else totals.flatten()).topk(num_beams - len(done))
            parents, chosen = indices // log_probs.shape[1], indices % log_probs.shape[1]
            words = torch.cat([words[parents], chosen[:, None]], dim=1)
            done += [
                (best[row].item(), words[row, 1:-1].tolist()) for row in (chosen == END).nonzero().flatten().tolist()
            ]
            going = (chosen != END).nonzero().flatten()
            if len(going) == 0:
                break
            words, scores = words[going], best[going, None]
            hidden, cell = hidden[parents[going]], cell[parents[going]]
        return max(done)[1]

    @torch.no_grad()
    def beams(self, features: Tensor, num_beams: int, max_length: int) -> list[list[int]]:
        """The same for photos (B, R, D): one batch of all beams, keys computed once, loops over photos and beams to choose words."""
        mean, keys = features.mean(dim=1), self.region_to_key(features)
        hidden, cell = torch.tanh(self.first_hidden(mean)), torch.tanh(self.first_cell(mean))
        live = [[Beam(0.0, [START], row)] for row in range(len(features))]
        done: list[list[Beam]] = [[] for _ in live]
        for position in range(max_length + 1):
            words = torch.tensor([beam.words[-1] for beams in live for beam in beams], device=features.device)
            context = torch.bmm(self.weigh(keys, hidden)[:, None], features).squeeze(1)
            context = torch.sigmoid(self.gate(hidden)) * context
            inputs = torch.cat([self.embedding(words), context], dim=1)
            hidden, cell = self.cell(inputs, (hidden, cell))
            log_probs = self.to_vocabulary(hidden).log_softmax(dim=1)
            log_probs[:, [PAD, START, UNK] + [END] * (position == 0)] = -torch.inf
            if position == max_length:
                log_probs[:, :END] = log_probs[:, END + 1 :] = -torch.inf
            choose(live, done, log_probs, num_beams)
            rows = torch.tensor([beam.row for beams in live for beam in beams], device=features.device)
            if len(rows) == 0:
                break
            hidden, cell = hidden[rows], cell[rows]
            if len(rows) != len(features):  # otherwise every row still belongs to the same photo
                features, keys = features[rows], keys[rows]
        return [max(beams).words[1:-1] for beams in done]


class Beam(NamedTuple):
    """A caption in progress, or a finished one."""

    score: float
    words: list[int]  # from START on
    row: int  # of its state in the batch


def choose(live: list[list[Beam]], done: list[list[Beam]], log_probs: Tensor, num_beams: int) -> None:
    """Continue the live beams of each photo with their best words; log_probs (N, V) are in the order of the beams."""
    best_scores, best_words = (best.tolist() for best in log_probs.topk(num_beams, dim=1))
    row = 0
    for photo, beams in enumerate(live):
        continued = []
        for beam in beams:
            for score, word in zip(best_scores[row], best_words[row], strict=True):
                continued.append((beam.score + score, word, row, beam.words))
            row += 1
        continued.sort(reverse=True)
        best = [
            Beam(score, [*words, word], row) for score, word, row, words in continued[: num_beams - len(done[photo])]
        ]
        done[photo] += [beam for beam in best if beam.words[-1] == END]
        live[photo] = [beam for beam in best if beam.words[-1] != END]


def textbook_of(decoder: LSTMDecoder) -> TextbookDecoder:
    """A textbook decoder with the weights of ours (attend before, gate vector, output state): the same function."""
    score = decoder.attention.score
    assert isinstance(score, AdditiveScore)
    textbook = TextbookDecoder(
        score.from_region.in_features,
        decoder.to_vocabulary.out_features,
        decoder.from_hidden.in_features,
        decoder.from_word.in_features,
        score.from_query.out_features,
        dropout=0.0,
    ).to(decoder.embedding.weight)
    for mine, theirs in same_layers(decoder, textbook):
        theirs.load_state_dict(mine.state_dict())
    with torch.no_grad():
        textbook.cell.bias_hh.zero_()
        textbook.cell.bias_ih.copy_(torchs_order(decoder.from_word.bias))
        textbook.cell.weight_hh.copy_(torchs_order(decoder.from_hidden.weight))
        textbook.cell.weight_ih.copy_(torchs_order(torch.cat([decoder.from_word.weight, decoder.from_photo.weight], 1)))
    return textbook


@torch.no_grad()
def copy_back(textbook: TextbookDecoder, decoder: LSTMDecoder) -> None:
    """Give our decoder, of the same sizes, the weights of a textbook decoder, so that it can be searched and stored as ours are."""
    for mine, theirs in same_layers(decoder, textbook):
        mine.load_state_dict(theirs.state_dict())
    decoder.from_word.bias.copy_(torchs_order(textbook.cell.bias_ih + textbook.cell.bias_hh))
    decoder.from_hidden.weight.copy_(torchs_order(textbook.cell.weight_hh))
    from_word, from_photo = textbook.cell.weight_ih.split(
        [textbook.embedding.embedding_dim, textbook.gate.out_features], 1
    )
    decoder.from_word.weight.copy_(torchs_order(from_word))
    decoder.from_photo.weight.copy_(torchs_order(from_photo))


def same_layers(decoder: LSTMDecoder, textbook: TextbookDecoder) -> list[tuple[nn.Module, nn.Module]]:
    """Pairs of layers with the same weights, ours first, without the cell, whose gates are in another order."""
    score = decoder.attention.score
    return [
        (score.from_query, textbook.state_to_key),
        (score.from_region, textbook.region_to_key),
        (score.energy, textbook.energy),
        (decoder.embedding, textbook.embedding),
        (decoder.to_hidden, textbook.first_hidden),
        (decoder.to_cell, textbook.first_cell),
        (decoder.gate, textbook.gate),
        (decoder.to_vocabulary, textbook.to_vocabulary),
    ]


def torchs_order(weight: Tensor) -> Tensor:
    """Ours: enter, forget, expose, candidate; torch's cell: enter, forget, candidate, expose. The way back is the same exchange."""
    enter, forget, expose, candidate = weight.chunk(4)
    return torch.cat([enter, forget, candidate, expose])
