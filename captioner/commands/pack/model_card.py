"""The model card of a packed model: README.md in its folder.

The part between two marks is written by the program, and replaced when the model is packed again. The rest is for its author.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from captioner.builder.sections import Settings
from captioner.captioner import Captioner
from captioner.errors import UserError
from captioner.features.region_files import RegionFiles
from captioner.features.training_photos import TrainingPhotos
from captioner.files import unfinished, write_text_atomically
from captioner.metrics.protocol import grouped
from captioner.metrics.units import metrics_of, shown, unit_of
from captioner.model import CaptionModel
from captioner.readers import read_json, read_text

CARD, SHEET = "README.md", "sheet.png"
_HEAD = """---
library_name: captioner
pipeline_tag: image-to-text
tags: [image-captioning, attention, pytorch]
---

"""
"""What the Hugging Face hub reads of a card; it shows the rest."""
_HALF = "large matrices stored in half precision, small ones and vectors in float32; computed in float32"
_START = "<!-- The lines from here to the next mark are written by captioner. -->"
_EARLIER_START = _START.replace("captioner", "`captioner pack`")
_END = "<!-- The lines from here on are the author's. -->"
_USE = """## Use

```bash
captioner caption photo.jpg --model FOLDER --sheet sheet.png
```

```python
import captioner

captioner.load("FOLDER").caption("photo.jpg").text
```
"""
_USE_OF_FILES = """## Use

The model reads published regions of photos, and no photos themselves. REGIONS is their folder, and `encoder.boxes` that of their boxes if
those have one of their own:

```bash
captioner eval FOLDER data.root=PATH encoder.folder=REGIONS --split test
```
"""
"""For a model with `encoder.kind=region_files`."""
_FOLDER = "\n`FOLDER` is this folder, or `hf://owner/name` of a model of the Hugging Face hub.\n"
_TO_WRITE = """
## Data and terms

Not written yet: where photos and captions come from, and what their licences and those of the encoder's weights permit.

## What it does not know

Not written yet: photos on which it fails, and what its captions should not be used for.

## Bias

Not written yet: whom and what the training captions name, and how.
"""


class _Protocol(TypedDict):
    """What a card takes of a protocol."""

    split: str
    models: NotRequired[str]  # of an ensemble


class _Evaluated(TypedDict):
    """What a card takes of an evaluation's scores."""

    scores: dict[str, dict[str, float] | float]  # by system; metrics.save_scores also writes those of one system
    intervals: NotRequired[dict[str, dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]]]]
    protocol: _Protocol
    signature: str


def write_card(
    folder: Path,
    run: Path,
    settings: Settings,
    captioner: Captioner,
    trained_on: str,
    known: TrainingPhotos | None,
    half: bool = True,
) -> None:
    """Write the card. Of an earlier one, the program's part is replaced, and the author's is kept.

    Args:
        half: whether large matrices are stored in half precision.
    """
    picture = f"![Captions with their attention maps]({SHEET})\n" if (folder / SHEET).is_file() else ""
    about = _about(settings, captioner, trained_on, half)
    facts = [picture, about, _recipe(settings), _scores(run), _unlike(known)]
    own = "\n".join([_START, "", *(part for part in facts if part), _END])
    text = earlier_card(folder, run)
    if isinstance(captioner.model, CaptionModel) and isinstance(captioner.model.encoder, RegionFiles):
        text = text.replace(_USE, _USE_OF_FILES)
    write_text_atomically(folder / CARD, text[: text.index(_START)] + own + text[text.index(_END) + len(_END) :])


def earlier_card(folder: Path, run: Path) -> str:
    """The card in a folder, or else in the run's, whose author's text is kept; without either, a new one.

    Raises:
        UserError: it is not a card of this program.
    """
    path = next((card for card in (folder / CARD, run / CARD) if card.exists()), None)
    if path is None:
        return f"{_HEAD}# {folder.resolve().name}\n\n{_START}\n{_END}\n\n{_USE}{_FOLDER}{_TO_WRITE}"
    text = card_at_hub(read_text(path, "move it away").replace(_EARLIER_START, _START))
    if text.count(_START) != 1 or text.count(_END) != 1 or text.index(_START) > text.index(_END):
        raise UserError(
            f"{path} lacks the marks between which captioner writes; move it away, and copy its text into the new one afterwards"
        )
    return text


def card_at_hub(text: str, name: str = "") -> str:
    """The text of a card, in which the lines on how to use the model name it as the hub does, or else its folder, unless the author has
    changed them.
    """
    for use in (_USE, _USE_OF_FILES):
        written = use.replace("FOLDER", f"hf://{name}") if name else use + _FOLDER
        before = re.escape(use).replace("FOLDER", r"hf://[\w.-]+/[\w.-]+")
        text = re.sub(f"{before}|{re.escape(use + _FOLDER)}", lambda _, written=written: written, text)
    return text


def trained_on_by(card: Path) -> str:
    """The names of the training data that an earlier card gives; empty if there is no card."""
    row = (
        re.search(r"^\| trained on \| (.*) \|$", read_text(card, "move it away"), re.MULTILINE)
        if card.exists()
        else None
    )
    return row[1].replace("\\|", "|") if row else ""


def _about(settings: Settings, captioner: Captioner, trained_on: str, half: bool) -> str:
    model = captioner.model
    assert isinstance(model, CaptionModel)
    parts = {"encoder": model.encoder, "refiner": model.refiner, "decoder": model.decoder}
    sizes = {name: sum(one.numel() for one in part.parameters()) for name, part in parts.items() if part is not None}
    encoder, attention, decoder = (settings.resolved[section] for section in ("encoder", "attention", "decoder"))
    layout, (width, height) = model.encoder.layout, model.encoder.preprocess.crop
    view = "" if isinstance(model.encoder, RegionFiles) else f", {width} x {height} pixels"
    rows = {
        "trained on": trained_on,
        "encoder": f"{encoder.get('network', encoder['kind'])}{view}, {layout.num_regions} regions of "
        f"{model.encoder.region_size} numbers, {'frozen' if model.encoder.frozen else 'trained'}",
        "attention": " ".join(str(attention[key]) for key in ("kind", "score") if attention.get(key)),
        "decoder": f"{decoder['kind']}, state of {decoder['hidden_size']}",
        "words": f"{len(captioner.vocabulary):,}",
        "parameters": ", ".join(f"{name} {size:,}" for name, size in sizes.items()),
        "weights": _HALF if half else "stored in float32",
    }
    return _table(["", ""], rows.items())


def _recipe(settings: Settings) -> str:
    run, objective = settings.run, settings.objective.kind
    start, first = "", ""
    if run.from_run:
        start = (
            f" Training started from the best weights of another run, `{run.from_run}`. Train that run first, and give its "
            "folder as FIRST."
        )
        first = "run.from_run=FIRST "
    return (
        "## Recipe\n\n"
        f"`{objective}`, {run.epochs} epoch{'s' * (run.epochs != 1)} of batches of {run.batch_size}, "
        f"`{settings.optimiser.kind}` with a learning rate of "
        f"{settings.optimiser.options.get('learning_rate')}, schedule `{settings.schedule.kind}`; the epoch with the best {run.monitor} "
        f"on `val` was kept.{start} `settings.yaml` has every setting, and trains the model again:\n\n"
        f"```bash\ncaptioner train settings.yaml run.folder=runs/again {first}data.root=PATH\n```\n"
    )


def _scores(run: Path) -> str:
    """The tables of every evaluation of the run alone in its folder, with 95 % intervals."""
    parts = []
    for path in sorted(run.glob("*/scores.json")):
        if unfinished(path.parent):
            continue
        stored: _Evaluated = read_json(path, "score the run again, or delete it", _Evaluated)
        rows: dict[str, Any] = dict(stored["scores"])
        intervals = stored.get("intervals", {})
        if stored["protocol"].get("models") or not all(isinstance(row, dict) for row in rows.values()):
            continue
        parts.append(f"### {stored['protocol']['split']}\n")
        parts += [_score_table(group, intervals) for group in grouped(rows)]
        parts.append(f"`{stored['signature']}`\n")
    return "\n".join(["## Scores\n", "± is half the width of the 95 % interval.\n", *parts]) if parts else ""


def _score_table(rows: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Any]) -> str:
    names = metrics_of(rows)
    lines = [
        [name, *(_cell(row, metric, intervals.get(name, {}).get(metric)) for metric in names)]
        for name, row in rows.items()
    ]
    return _table([unit_of(names), *names], lines)


def _cell(row: Mapping[str, float], metric: str, interval: list[float] | None) -> str:
    if metric not in row:
        return "-"
    half = "" if interval is None else f" ± {shown((interval[1] - interval[0]) / 2, metric)}"
    return shown(row[metric], metric) + half


def _unlike(known: TrainingPhotos | None) -> str:
    if known is None:
        return ""
    return (
        "## Photos unlike its training data\n\n"
        f"With x the mean region of a photo, and V the {len(known.directions)} directions that hold most of the unit vectors x / |x| of "
        f"{known.num_train:,} training photos, the distance is 1 - |Vx|² / |x|². It is divided by the distance that 99 % of "
        f"{known.num_val:,} validation photos do not reach. `captioner caption` says so where it is above 1.\n"
    )


def _table(head: list[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *([*map(str, row)] for row in rows)]
    cells = [[" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
