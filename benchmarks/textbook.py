"""The decoder as tutorials write it, to compare with: everything inside the loop over words.

Features are repeated for every caption, keys are made again at every word, the vocabulary product is taken inside the loop, and
captions, sorted by length, leave the batch when they end. It computes the same function as `captioner.decoders.lstm.LSTMDecoder` with
looks="before", gate="vector", output="state"; tests/test_benchmarks.py ties the two.

Shapes: N captions (photos x references), T words, R regions, D region feature, H state, A comparison size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence


class TextbookDecoder(nn.Module):
    """Additive soft attention, a vector gate, an LSTM cell, and words from the state alone."""

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
        mixed = torch.tanh(self.region_to_key(features) + self.state_to_key(hidden)[:, None])  # (N, R, A)
        weights = self.energy(mixed).squeeze(2).softmax(dim=1)
        return (features * weights[..., None]).sum(dim=1), weights

    def forward(self, features: Tensor, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, T, V) and the words in their new order: captions (N, T + 1) of `lengths` words, their end mark counted."""
        lengths, order = lengths.sort(descending=True)
        features, words = features[order], words[order]
        mean = features.mean(dim=1)
        hidden, cell = torch.tanh(self.first_hidden(mean)), torch.tanh(self.first_cell(mean))
        vectors = self.dropout(self.embedding(words))
        logits = features.new_zeros(len(words), int(lengths[0]), self.to_vocabulary.out_features)
        for position in range(int(lengths[0])):
            count = int((lengths > position).sum())
            context, _ = self.attend(features[:count], hidden[:count])
            context = torch.sigmoid(self.gate(hidden[:count])) * context
            inputs = torch.cat([vectors[:count, position], context], dim=1)
            hidden, cell = self.cell(inputs, (hidden[:count], cell[:count]))
            logits[:count, position] = self.to_vocabulary(self.dropout(hidden))
        return logits, words

    def loss(self, features: Tensor, words: Tensor, lengths: Tensor) -> Tensor:
        """Mean cross-entropy over real words; features (B, R, D) are repeated for the Q captions (B, Q, T + 1) of each photo."""
        num_captions = words.shape[1]
        repeated = features.repeat_interleave(num_captions, dim=0)
        logits, words = self(repeated, words.flatten(0, 1), lengths.flatten())
        ordered = lengths.flatten().sort(descending=True).values
        scores = pack_padded_sequence(logits, ordered.cpu(), batch_first=True).data
        targets = pack_padded_sequence(words[:, 1:], ordered.cpu(), batch_first=True).data
        return nn.functional.cross_entropy(scores, targets)
