"""The commands, inline code, code blocks, links and tables of the documentation, as lists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
FENCE = re.compile(r"^```")
HEAD_COMMAND = re.compile(r"(?:python (?:train|eval)\.py|python -m captioner|captioner [a-z]+ ) ?\S.*$")


@dataclass(frozen=True)
class Piece:
    """Something that a page says, and the line that says it."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text}"


def blocks(page: Path, language: str) -> Iterator[Piece]:
    """The fenced code blocks of a language, without their fences."""
    for start, opened, lines in _parts(page):
        if opened == language:
            yield Piece(page, start + 1, "\n".join(lines))


def prose(page: Path) -> Iterator[Piece]:
    """The lines outside of code blocks."""
    for start, opened, lines in _parts(page):
        if opened is None:
            yield from (Piece(page, start + offset, line) for offset, line in enumerate(lines))


def _parts(page: Path) -> Iterator[tuple[int, str | None, list[str]]]:
    """First line, language (None for prose) and lines of each code block and of the text between them."""
    start, language, lines = 1, None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if FENCE.match(line.strip()):
            yield start, language, lines
            start, lines = number, []
            language = line.strip().removeprefix("```").strip() if language is None else None
            start = number if language is not None else number + 1
        else:
            lines.append(line)
    yield start, language, lines


def code_spans(page: Path) -> Iterator[Piece]:
    """Inline code."""
    for line in prose(page):
        for text in re.findall(r"`([^`]+)`", line.text):
            yield Piece(page, line.line, text)


def commands() -> list[Piece]:
    """Every command in a bash block of a page, and in the head of a config."""
    found = []
    for page in PAGES:
        for block in blocks(page, "bash"):
            for offset, line in enumerate(block.text.splitlines()):
                if line.strip() and not line.startswith("#"):
                    found.append(Piece(page, block.line + offset, line.strip()))
    for config in CONFIGS:
        for number, line in enumerate(config.read_text(encoding="utf-8").splitlines(), 1):
            match = HEAD_COMMAND.search(line) if line.startswith("#") else None
            if match:
                found.append(Piece(config, number, match.group().rstrip("`,;. ")))
    return found


def words(command: Piece) -> list[str]:
    """The command as a shell cuts it, without a comment and without the file that its output goes to."""
    return shlex.split(command.text.partition(" > ")[0], comments=True)


def links(page: Path) -> Iterator[Piece]:
    """Targets of links and pictures that are not on another site."""
    for line in prose(page):
        for target in re.findall(r"\]\(([^)\s]+)\)", line.text):
            if not re.match(r"[a-z]+:", target):
                yield Piece(page, line.line, target)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = [match.group(1) for line in prose(page) if (match := re.match(r"#+ (.*)", line.text))]
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"\s", "-", heading) for heading in plain}


def table(page: Path, first: str) -> list[list[str]]:
    """The rows of the tables whose first column has this title, as their cells."""
    rows: list[list[str]] = []
    title = None  # of the first column of the table that this line is in
    for line in prose(page):
        if not line.text.startswith("|"):
            title = None
            continue
        cells = [cell.strip() for cell in line.text.strip().strip("|").split("|")]
        if title is None:
            title = cells[0]
        elif title == first and not re.fullmatch(r":?-+:?", cells[0]):
            rows.append(cells)
    return rows


def section(page: Path, heading: str) -> str:
    """The prose below a heading, up to the next heading of its rank or a higher one."""
    rank = heading.index(" ")
    lines, inside = [], False
    for line in prose(page):
        match = re.match(r"(#+) ", line.text)
        if match and len(match.group(1)) <= rank:
            inside = line.text == heading
        elif inside:
            lines.append(line.text)
    return "\n".join(lines)
