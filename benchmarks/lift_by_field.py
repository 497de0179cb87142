"""Do maps lie on the object more if regions see less? Lift against the encoder's receptive field.

    python benchmarks/lift_by_field.py INSPECTION [INSPECTION ...] [--out FILE.png]

INSPECTION is an `inspect.json` that `captioner inspect RUN` wrote; the run must still lie where it says. Prints a table, and with --out
draws it: for each run the edge of the square that holds half of the squared gradient of its central region, as a share of the view's width
(`captioner describe RUN --receptive-field`), and the lift of attention and of the posterior on the words of references, less the lift of
the photo's centre, with 95 % intervals.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from captioner.commands.describe.encoder_field import measured_field
from captioner.commands.inspect.compared_maps import CENTRE
from captioner.errors import UserError
from captioner.readers import read_json
from captioner.visualize.figures import figure_file, plain

MAPS = {"attention": ("#0072B2", "o"), "posterior": ("#D55E00", "s")}
ADVICE = "give the inspect.json that `captioner inspect RUN` wrote"


class About(TypedDict):
    run: str
    regions: int


class Inspection(TypedDict):
    """What is read of an inspection; gains by text, map, the map that it is compared with, and measure."""

    about: About
    gains: dict[str, dict[str, dict[str, dict[str, Any]]]]


@dataclass(frozen=True)
class Point:
    """One run: how much of the view a region depends on, and what its maps gain over the photo's centre."""

    run: str
    regions: int
    field: float  # edge of the square that holds half of the squared gradient, by the view's width
    gains: dict[str, dict[str, float]]  # by map: value, low and high of the lift minus the centre's


def point(inspection: Path) -> Point:
    """The point of one inspection."""
    card: Inspection = read_json(inspection, ADVICE, Inspection)
    about, gains = card["about"], card["gains"].get("references", {})
    if not gains:
        raise UserError(f"{inspection} should have words of references, got none; inspect photos with captions")
    run = Path(about["run"])
    measured = measured_field(run)
    return Point(
        run=run.name,
        regions=about["regions"],
        field=measured.field.widths[0.5] / measured.view[0],
        gains={name: gains[name][CENTRE]["lift"] for name in MAPS if name in gains},
    )


def line(one: Point) -> str:
    """A row of the table."""
    cells = [f"{gain['value']:.2f} [{gain['low']:.2f}, {gain['high']:.2f}]" for gain in one.gains.values()]
    return f"{one.run:24} {one.regions:7} {one.field:6.0%}   " + "   ".join(cells)


def draw(path: Path, points: list[Point]) -> None:
    """Lift over the centre's against the field's share of the view."""
    with figure_file(path, 7, 4.2) as figure:
        axes = figure.subplots()
        for aside, (name, (colour, marker)) in enumerate(MAPS.items()):
            shown = [one for one in points if name in one.gains]
            values = [one.gains[name]["value"] for one in shown]
            below = [one.gains[name]["value"] - one.gains[name]["low"] for one in shown]
            above = [one.gains[name]["high"] - one.gains[name]["value"] for one in shown]
            fields = [100 * one.field + 0.5 * aside for one in shown]  # so that both intervals are seen
            axes.errorbar(fields, values, [below, above], color=colour, fmt=marker, capsize=3, label=name)
        # Names stand in turn above and below, so that none overlap.
        for number, one in enumerate(sorted(points, key=lambda one: one.field)):
            highest = max(gain["high"] for gain in one.gains.values())
            lowest = min(gain["low"] for gain in one.gains.values())
            place = {"xytext": (0, 5), "va": "bottom"} if number % 2 == 0 else {"xytext": (0, -5), "va": "top"}
            axes.annotate(
                f"{one.run}\n{one.regions} regions", (100 * one.field, lowest if number % 2 else highest), fontsize=8,
                ha="center", textcoords="offset points", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, **place,
            )  # fmt: skip
        axes.axhline(0, color="#777777", linestyle="--")
        axes.margins(x=0.12, y=0.2)
        axes.set(xlabel="half of what a region depends on, % of the view's width", ylabel="lift minus the centre's")
        axes.legend(frameon=False, loc="upper right")
        plain(axes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inspections", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="draw the table to this file: .png, .pdf or .svg")
    chosen = parser.parse_args()
    try:
        points = [point(inspection) for inspection in chosen.inspections]
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{'run':24} {'regions':>7} {'field':>6}   lift minus the centre's: " + ", ".join(MAPS))
    print("\n".join(map(line, points)))
    if chosen.out:
        draw(chosen.out, points)
        print(f"written: {chosen.out}")


if __name__ == "__main__":
    main()
