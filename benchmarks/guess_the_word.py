"""Can a reader tell the word from its map? Makes pictures of one map each with words to choose from, and scores the answers.

    python benchmarks/guess_the_word.py make RUN captions_val.json images quiz
    python benchmarks/guess_the_word.py make RUN instances_val.json images quiz_drawn --count 40
    python benchmarks/guess_the_word.py score quiz/key.json reveal=answers_reveal.json plain=answers_plain.json

`make` captions photos, chooses a word from each caption, and writes quiz/STYLE/NN.png and quiz/key.json. All four words name something
in the photo, so the photo alone does not tell which is meant; the style `plain` shows it without a map, as a control. No two of the four
are of one group, such as a man and his shirt, or a beach and its sand. At most 3 in 10 words name people or dogs: the usual subject of
photos would be a good guess without a map. Instances in place of captions are those of drawn pictures (`captioner demo --train` draws
some); there the words are a colour and a shape.

Give each style to other readers, who see the pictures and nothing else. Their answers are JSON: {"1": "dog", "2": "grass", ...}.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parents[1]))

import captioner
from captioner.data.shapes import COLOURS, SHAPES
from captioner.search.result import Caption
from captioner.visualize.overlay import Style, fit, maps_over

GROUPS = """
man men woman women boy boys girl girls child children kid kids person people guy guys lady ladies toddler toddlers baby player players
  group crowd couple family rider riders biker bikers cyclist cyclists skateboarder snowboarder surfer skier climber hiker adult adults
  teenager teenagers team friends shirt shirts jacket coat dress hat hats cap helmet helmets pants shorts jeans uniform uniforms suit
  swimsuit bikini outfit costume costumes sunglasses vest sweater skirt wetsuit glasses goggles
dog dogs puppy puppies animal animals greyhound greyhounds shepherd
water ocean sea lake river pool stream wave waves waterfall pond fountain puddle surf creek
grass field lawn ground yard park dirt mud sand beach shore road street sidewalk path trail track floor pavement court snow lot desert
hill mountain mountains slope cliff rock rocks boulder dune ledge
building buildings house wall walls store city window windows door shop restaurant church brick
tree trees forest woods leaves bush bushes plants flowers flower log
bike bikes bicycle bicycles motorcycle motorcycles motorbike scooter tricycle
ball balls football basketball baseball frisbee
sky sunset clouds
fence railing gate
car cars truck trucks bus vehicle van
boat boats kayak canoe raft
skateboard surfboard snowboard sled skis
bench couch chair chairs bed
horse horses
bird birds duck ducks
cat
cow cows bull
sheep
toy toys
stick sticks branch
rope leash
table tables
swing slide trampoline
ramp obstacle hurdle
stairs steps staircase
bridge dock pier
sign signs
flag flags
camera
guitar
book books
bottle
food cake
umbrella
tent
balloon balloons
net hoop
tire
bag bags backpack
"""
"""Groups of words for one thing, or for things in one place. Each line is a group; an indented line continues it."""
GROUP = {
    word: number for number, line in enumerate(GROUPS.strip().replace("\n  ", " ").split("\n")) for word in line.split()
}
SUBJECTS, SUBJECT_SHARE, NUM_WORDS = {0, 1}, 0.3, 4
STYLES = ["reveal", "cells", "plain"]
SIDE, BATCH = 560, 20


class Item(NamedTuple):
    """One question: the word of a caption whose map is shown, and the words to choose from."""

    photo: Path
    caption: Caption
    place: int
    word: str
    options: list[str]


MakeItem = Callable[[Path, Caption, Counter[str], random.Random], Item | None]


def words_of(path: Path, photos: Path) -> dict[Path, Counter[str]]:
    """What the annotations say of each photo: how many captions hold a word, or how many objects have a name."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    files = {image["id"]: photos / image["file_name"] for image in stored["images"]}
    names = {category["id"]: category["name"] for category in stored.get("categories", [])}
    words: dict[Path, Counter[str]] = {}
    for entry in stored["annotations"]:
        found = (
            set(re.findall(r"[a-z']+", entry["caption"].lower()))
            if "caption" in entry
            else {names[entry["category_id"]]}
        )
        words.setdefault(files[entry["image_id"]], Counter()).update(found)
    return words


def natural_item(photo: Path, caption: Caption, said: Counter[str], draw: random.Random) -> Item | None:
    """A word that names something; the others are of the caption first, then what most references name."""
    named = Counter({word: count for word, count in said.items() if word in GROUP})
    places = [place for place, word in enumerate(caption.words) if word in named and caption.words.count(word) == 1]
    if not places:
        return None
    others = [place for place in places if GROUP[caption.words[place]] not in SUBJECTS]
    place = draw.choice(others if others and draw.random() < 0.8 else places)
    options = [caption.words[place]]
    candidates = [caption.words[other] for other in places if other != place] + [
        word for word, _ in named.most_common()
    ]
    for word in candidates:
        if len(options) < NUM_WORDS and GROUP[word] not in {GROUP[option] for option in options}:
            options.append(word)
    if len(options) < NUM_WORDS:
        return None
    draw.shuffle(options)
    return Item(photo, caption, place, caption.words[place], options)


def drawn_item(photo: Path, caption: Caption, said: Counter[str], draw: random.Random) -> Item | None:
    """A shape with its colour; the others are the picture's other figures, then figures that are not in it."""
    words = caption.words
    places = [place for place in range(1, len(words)) if words[place] in SHAPES and words[place - 1] in COLOURS]
    if len(said) < 2 or not places:
        return None
    place = draw.choice(places)
    word = f"{words[place - 1]} {words[place]}"
    absent = [figure for colour in COLOURS for shape in SHAPES if (figure := f"{colour} {shape}") not in said]
    others = [figure for figure in [*said, *draw.sample(absent, len(absent))] if figure != word]
    options = [word, *others[: NUM_WORDS - 1]]
    draw.shuffle(options)
    return Item(photo, caption, place, word, options)


def items_of(run: str, words: dict[Path, Counter[str]], make_item: MakeItem, draw: random.Random) -> Iterator[Item]:
    """Items of the photos, in a random order."""
    model = captioner.load(run)
    photos = sorted(words)
    draw.shuffle(photos)
    for start in range(0, len(photos), BATCH):
        part = photos[start : start + BATCH]
        for photo, caption in zip(part, model.captions(part), strict=True):
            if item := make_item(photo, caption, words[photo], draw):
                yield item


def choose(items: Iterator[Item], count: int, draw: random.Random) -> list[Item]:
    """The first items, of which not too many ask for the usual subject of a photo."""
    chosen: list[Item] = []
    subjects = 0
    for item in items:
        is_subject = GROUP.get(item.word) in SUBJECTS
        if is_subject and subjects >= int(SUBJECT_SHARE * count):
            continue
        subjects += is_subject
        chosen.append(item)
        if len(chosen) == count:
            break
    draw.shuffle(chosen)
    return chosen


def picture(item: Item, number: int, style: str) -> Image.Image:
    """The photo, with the word's map over it unless the style is `plain`, above the words to choose from."""
    photo = Image.open(item.photo).convert("RGB")
    shown = fit(photo, SIDE)
    if style != "plain":
        maps = maps_over(photo, [item.caption], shown.size, Style(panel=SIDE, kind=style))[0]
        assert maps is not None
        shown = maps.on(shown)(item.place)
    font, text = ImageFont.load_default(22), f"{number:02}:   " + "   /   ".join(item.options)
    page = Image.new("RGB", (max(shown.width, int(font.getlength(text))) + 40, shown.height + 100), "white")
    page.paste(shown, (20, 20))
    ImageDraw.Draw(page).text((20, shown.height + 40), text, fill="black", font=font)
    return page


def make(chosen: argparse.Namespace) -> None:
    draw = random.Random(chosen.seed)
    words = words_of(chosen.annotations, chosen.images)
    make_item = natural_item if any(word in GROUP for said in words.values() for word in said) else drawn_item
    items = choose(items_of(chosen.run, words, make_item, draw), chosen.count, draw)
    for style in STYLES:
        (chosen.out / style).mkdir(parents=True, exist_ok=True)
        for number, item in enumerate(items, 1):
            picture(item, number, style).save(chosen.out / style / f"{number:02}.png")
    key = {
        number: {"word": item.word, "options": item.options, "photo": item.photo.name}
        for number, item in enumerate(items, 1)
    }
    (chosen.out / "key.json").write_text(json.dumps(key, indent=1), encoding="utf-8")
    print(
        f"{len(items)} items in {', '.join(str(chosen.out / style) for style in STYLES)}; the key is {chosen.out / 'key.json'}"
    )


def score(chosen: argparse.Namespace) -> None:
    key = json.loads(chosen.key.read_text(encoding="utf-8"))
    for argument in chosen.answers:
        style, _, path = argument.partition("=")
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        answers = {int(number): word.strip().lower() for number, word in stored.items()}
        right = sum(answers.get(int(number), "") == item["word"] for number, item in key.items())
        low, high = binomtest(right, len(key)).proportion_ci(method="wilson")
        print(f"{style:10} {right} of {len(key)}: {100 * right / len(key):.0f} % [{100 * low:.0f}, {100 * high:.0f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make", help="write the pictures and the key")
    making.add_argument("run", help="folder of a trained model, or natural for the bundled model")
    making.add_argument("annotations", type=Path, help="captions or instances in COCO's format")
    making.add_argument("images", type=Path, help="folder of the photos")
    making.add_argument("out", type=Path)
    making.add_argument("--count", type=int, default=60)
    making.add_argument("--seed", type=int, default=7)
    making.set_defaults(do=make)
    scoring = commands.add_parser(
        "score", help="the share of words that were matched, with its 95 %% interval (Wilson)"
    )
    scoring.add_argument("key", type=Path)
    scoring.add_argument("answers", nargs="+", help="STYLE=FILE")
    scoring.set_defaults(do=score)
    chosen = parser.parse_args()
    chosen.do(chosen)


if __name__ == "__main__":
    main()
