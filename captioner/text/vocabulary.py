"""Words and their numbers.

Every vocabulary starts with four special tokens, the marks. Words outside the vocabulary are read as `<unk>`; whether decoding may
write `<unk>` is a setting of the search.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from captioner.errors import UserError
from captioner.files import write_text_atomically
from captioner.text.tokens import TOKENS

PAD, START, END, UNK = range(4)
MARKS = ["<pad>", "<start>", "<end>", "<unk>"]


class Vocabulary:
    """The words a model can write.

    Args:
        words: every word after the four marks; a word's number is its index in this list plus four.
        tokens: name of the tokeniser, in `TOKENS`.

    Raises:
        UserError: a word occurs twice, or there is no such tokeniser.
    """

    def __init__(self, words: Sequence[str], tokens: str = "simple"):
        if tokens not in TOKENS:
            raise UserError(f"tokens must be one of {', '.join(TOKENS)}, got {tokens!r}")
        self.tokens = tokens
        self.words = [*MARKS, *words]
        self.number_of = {word: number for number, word in enumerate(self.words)}
        if len(self.number_of) < len(self.words):
            twice = next(word for word, count in Counter(self.words).items() if count > 1)
            raise UserError(f"a vocabulary holds each word once, got {twice!r} twice")

    @classmethod
    def from_captions(cls, captions: Iterable[str], min_count: int = 1, tokens: str = "simple") -> Vocabulary:
        """The words that occur at least `min_count` times in the captions, most frequent first.

        Raises:
            UserError: there are none; or the tokeniser, which may be a user's own, does not return a list of words.
        """
        counts: Counter[str] = Counter()
        for caption in captions:
            words = TOKENS[tokens](caption)
            if not isinstance(words, list):
                raise UserError(
                    f"tokens={tokens} should cut a caption into a list of words, got {type(words).__name__}; change its function in TOKENS"
                )
            counts.update(words)
        kept = sorted((word for word, count in counts.items() if count >= min_count), key=lambda w: (-counts[w], w))
        kept = [word for word in kept if word not in MARKS]
        if not kept:
            raise UserError(
                f"no word occurs {min_count} times in the training captions; lower data.min_count, or check the captions"
            )
        return cls(kept, tokens)

    def __len__(self) -> int:
        return len(self.words)

    def split(self, caption: str) -> list[str]:
        return TOKENS[self.tokens](caption)

    def encode(self, caption: str, max_length: int | None = None) -> list[int]:
        """Start token, at most `max_length` words, end token."""
        numbers = self.numbers(self.split(caption)[:max_length])
        if min(numbers[1:-1], default=UNK) < UNK:
            raise UserError(
                f"captions should not hold the marks {', '.join(MARKS[:UNK])}, got {caption[:100]!r}; take them out"
            )
        return numbers

    def numbers(self, words: Sequence[str]) -> list[int]:
        """Start token, words, end token."""
        return [START, *(self.number_of.get(word, UNK) for word in words), END]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        return [self.words[number] for number in numbers]

    def join(self, words: Sequence[str]) -> str:
        """The caption as text."""
        return ("" if self.tokens == "characters" else " ").join(words)

    def save(self, path: Path) -> None:
        text = json.dumps({"tokens": self.tokens, "words": self.words[len(MARKS) :]}, ensure_ascii=False, indent=0)
        write_text_atomically(path, text + "\n")
