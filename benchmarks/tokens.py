"""Agreement of `ptb` tokenisation with coco-caption's own, and its speed.

    python benchmarks/tokens.py [--captions FILE ...] [--number 20000] [--seed 0] [--show 40]

First on the captions of files (COCO JSON, or lines of `name<tab>caption`), then on captions with unusual words inserted, made from those of
the files or, if none is given, by the script. Needs Java and pycocoevalcap. Rates are captions per second of one process: ours with an
empty cache, the jar's with the start of Java.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import where  # noqa: E402
from oddities import jar_words, planted  # noqa: E402

from captioner.text import ptb  # noqa: E402
from captioner.text.ptb import ptb_words  # noqa: E402


def read(path: Path) -> list[str]:
    """The captions of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return [annotation["caption"] for annotation in json.loads(text)["annotations"]]
    return [line.split("\t", 1)[1] for line in text.split("\n") if "\t" in line]


def compare(name: str, captions: list[str], show: int) -> None:
    """Print the share of captions whose words are equal, both rates, and differences."""
    ptb.forget()
    start = time.perf_counter()
    ours = [ptb_words(caption) for caption in captions]
    middle = time.perf_counter()
    theirs = jar_words(captions)
    end = time.perf_counter()
    different = [index for index, words in enumerate(theirs) if words != ours[index]]
    rates = f"{len(captions) / (middle - start):,.0f} captions/s, the jar {len(captions) / (end - middle):,.0f}"
    print(f"{name}: {len(captions):,} captions, {1 - len(different) / len(captions):.3%} equal; {rates}")
    separated = [line for index in different for line in (captions[index], "A dog")]
    alone = dict(zip(different, jar_words(separated)[::2], strict=False))
    remaining = [index for index in different if alone[index] != ours[index]]
    by_next = len(different) - len(remaining)
    print(f"  {len(different)} differ, {by_next} of them only because of the caption that follows")
    for index in remaining[:show]:
        print(f"  {captions[index]!a}\n    jar  {alone[index]!a}\n    ours {ours[index]!a}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path, nargs="*", default=[])
    parser.add_argument("--number", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=40)
    options = parser.parse_args()
    print(where())
    base: list[str] = []
    for path in options.captions:
        captions = read(path)
        compare(path.name, captions, options.show)
        base += captions
    compare("planted", planted(options.number, options.seed, base or None), options.show)


if __name__ == "__main__":
    main()
