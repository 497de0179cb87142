"""CIDEr-D as its paper writes it, in loops only: slow, obvious, shares no code with the scorer it checks.

Vedantam, Zitnick and Parikh 2015. Like coco-caption, and unlike the paper, it takes the number of
word pairs as a caption's length.
"""

import math


def cider_d(
    captions: dict[int, list[str]], references: dict[int, list[list[str]]], corpus=None, sigma: float = 6.0
) -> float:
    """0 to 10, of captions that are lists of words; sequences are as rare as in the corpus's references, or in these."""
    corpus = references if corpus is None else corpus
    total = 0.0
    for photo, caption in captions.items():
        for reference in references[photo]:
            difference = max(len(caption) - 1, 0) - max(len(reference) - 1, 0)
            penalty = math.exp(-(difference**2) / (2 * sigma**2))
            for length in (1, 2, 3, 4):
                cosine = clipped_cosine(caption, reference, length, corpus)
                total += 10 * penalty * cosine / (4 * len(references[photo]))
    return total / len(captions)


def clipped_cosine(caption: list[str], reference: list[str], length: int, references) -> float:
    product = caption_square = reference_square = 0.0
    for sequence in every_sequence(caption, length) | every_sequence(reference, length):
        rarity = math.log(len(references) / max(1, num_photos_with(sequence, references)))
        in_caption = count(sequence, caption) * rarity
        in_reference = count(sequence, reference) * rarity
        product += min(in_caption, in_reference) * in_reference
        caption_square += in_caption**2
        reference_square += in_reference**2
    if caption_square == 0 or reference_square == 0:
        return 0.0
    return product / math.sqrt(caption_square * reference_square)


def every_sequence(words: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(words[start : start + length]) for start in range(len(words) - length + 1)}


def count(sequence: tuple[str, ...], words: list[str]) -> int:
    found = 0
    for start in range(len(words)):
        if tuple(words[start : start + len(sequence)]) == sequence:
            found += 1
    return found


def num_photos_with(sequence: tuple[str, ...], references: dict[int, list[list[str]]]) -> int:
    photos = 0
    for of_photo in references.values():
        if any(count(sequence, reference) > 0 for reference in of_photo):
            photos += 1
    return photos
