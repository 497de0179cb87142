"""Attention on objects by counting pixels, one after another: slow, and exact where regions and objects end at pixels' borders."""

from __future__ import annotations


def pixels_of(corners, size):
    """The pixels (x, y) of a photo of (width, height) whose middle lies in a rectangle of left, top, right, bottom."""
    left, top, right, bottom = corners
    every = [(x, y) for x in range(size[0]) for y in range(size[1])]
    return [(x, y) for x, y in every if left <= x + 0.5 < right and top <= y + 0.5 < bottom]


def union_of_boxes(boxes, size):
    """The pixels that lie in one of the boxes (left, top, width, height) at least."""
    union = set()
    for left, top, width, height in boxes:
        for pixel in pixels_of((left, top, left + width, top + height), size):
            union.add(pixel)
    return union


def mass_on(weights, regions, area, size):
    """The share of a map that falls on an area; regions whose pixels all lie outside of the photo are left out."""
    inside = total = 0.0
    for weight, corners in zip(weights, regions, strict=True):
        pixels = pixels_of(corners, size)
        if not pixels:
            continue
        total += weight
        for pixel in pixels:
            if pixel in area:
                inside += weight / len(pixels)
    return inside / total if total else 0.0


def pointing(weights, regions, area, size):
    """The share of the heaviest regions whose middle lies in the area, where none lies on a border."""
    seen = [(weight, pixels_of(corners, size)) for weight, corners in zip(weights, regions, strict=True)]
    seen = [(weight, pixels) for weight, pixels in seen if pixels]
    most = max((weight for weight, _ in seen), default=0.0)
    if most == 0:
        return 0.0
    first = [pixels for weight, pixels in seen if weight == most]
    hits = 0
    for pixels in first:
        columns, rows = [x for x, _ in pixels], [y for _, y in pixels]
        middle = ((min(columns) + max(columns) + 1) / 2, (min(rows) + max(rows) + 1) / 2)
        if (int(middle[0]), int(middle[1])) in area:
            hits += 1
    return hits / len(first)
