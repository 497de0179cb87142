"""Commands, settings, paths, names and links in README, docs and configs exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from captioner import builder
from captioner.builder.schema import SECTIONS, TABLES
from captioner.cli import app
from captioner.errors import UserError
from captioner.files import VERSION
from tests.helpers import DRAWN
from tests.pages import (
    CONFIGS,
    DOCS,
    PAGES,
    ROOT,
    Piece,
    anchors,
    blocks,
    code_spans,
    commands,
    links,
    table,
    words,
)

COMMANDS = commands()
SPANS = [span for page in PAGES for span in code_spans(page)]
CONVENTIONS = [span for span in SPANS if span.page.name == "conventions.md" and span.text.startswith("captioner ")]
CLI = typer.main.get_command(app)
CONTEXT = CLI.make_context("captioner", ["train", "CONFIG"])
NEEDED = {
    "region_files": ["encoder.folder=PATH"],
    "timm": ["encoder.network=test_vit"],
    "distillation": ["objective.teachers=[runs/one]"],
    "joined": ["data.parts=[{kind: coco, root: one}, {kind: coco, root: two}]"],
}
"""Settings without a default that a kind needs."""
NOT_SETTINGS = {".onnx", ".pt2", ".safetensors", ".jsonl", ".py", ".yaml"}
EXAMPLE_FILES = {"captioner/attention/top.py"}
"""Files that a page tells the reader to write."""
PLACEHOLDERS = {"...", "PATH", "any"}  # the last of `encoder.kind=any torchvision network`
EXAMPLE_SETTINGS = {"attention.top_k"}


# Commands


def test_there_are_commands():
    programs = {words(command)[0] for command in COMMANDS}
    assert len(COMMANDS) > 50
    assert {"make", "captioner", "python", "pip", "torchrun"} <= programs
    assert {command.page for command in COMMANDS} >= {path for path in CONFIGS if path.stem != "base"}


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_is_one_that_the_program_takes(command):
    match words(command):
        case ["make", *targets]:
            assert set(targets) <= makefile_targets()
        case ["captioner", *arguments] | ["python", "-m", "captioner", *arguments]:
            check_captioner(arguments)
        case ["python", "train.py", *arguments] | ["torchrun", "--nproc-per-node", _, "train.py", *arguments]:
            check_captioner(["train", *arguments])
        case ["python", "eval.py", *arguments]:
            check_captioner(["evaluate", *arguments])
        case ["python3", "-m", "venv", _] | ["source" | "hf" | "tensorboard", *_] | ["mkdocs", "serve" | "build", *_]:
            pass  # other programs
        case ["python", "examples/caption_with_onnx.py", _, _]:
            assert (ROOT / "examples/caption_with_onnx.py").is_file()
        case ["benchmarks/gpu.sh"]:
            assert (ROOT / "benchmarks/gpu.sh").is_file()
        case ["python", script, *arguments]:
            check_script(script, arguments)
        case ["pip", "install", *arguments]:
            check_install(arguments)
        case ["pytest", "-m", marker]:
            assert f'"{marker}:' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        case _:
            pytest.fail(f"no rule checks this command: {command.text}")


@pytest.mark.parametrize("span", CONVENTIONS, ids=str)
def test_what_shows_a_convention_is_a_command_that_the_program_takes(span):
    check_captioner(words(span)[1:])


def test_a_wrong_command_would_be_noticed():
    assert len(CONVENTIONS) > 20
    for wrong in (
        ["draw", "photo.jpg"],
        ["caption", "photo.jpg", "--model", "runs/demo", "--shet", "out.png"],
        ["caption", "--model", "runs/demo"],
        ["train", "configs/nothing.yaml"],
        ["train", "configs/drawn.yaml", "attention.kind=sfot"],
        ["caption", "photo.jpg", "--model", "runs/demo", "--set", "search.beams=none"],
        ["caption", "photo.jpg", "search.beams=3"],
    ):
        with pytest.raises((Exception, SystemExit)):  # typer's own click raises its own classes
            check_captioner(wrong)


def check_captioner(arguments: list[str]) -> None:
    """Parse a command line, and read the settings that it changes."""
    if arguments in (["--version"], ["--help"]):
        assert any(arguments[0] in parameter.opts for parameter in CLI.params) or arguments == ["--help"]
        return
    name, command, rest = CLI.resolve_command(CONTEXT, arguments)
    assert command is not None, f"no command {name}"
    values = command.make_context(name, rest, parent=CONTEXT).params
    overrides = [*(values.get("overrides") or []), *(values.get("override") or [])]
    photos = values["photos"] if name == "caption" else []
    assert not any(re.match(r"\w+\.\w+=", str(photo)) for photo in photos)  # settings of decoding need --set
    config = values.get("config")
    if config and str(config).startswith("configs/"):
        builder.read(ROOT / config, overrides)
    elif overrides:
        assert accepted(overrides)


def check_script(script: str, arguments: list[str]) -> None:
    """A benchmark that exists, with options that it has."""
    text = (ROOT / script).read_text(encoding="utf-8") + (ROOT / "benchmarks/machine.py").read_text(encoding="utf-8")
    for option in arguments:
        assert not option.startswith("--") or f'"{option}"' in text, f"{script} has no {option}"


def check_install(arguments: list[str]) -> None:
    """Files and extras that exist."""
    extras = re.findall(r"^(\w+) = \[", section_of_pyproject("project.optional-dependencies"), re.MULTILINE)
    for argument in arguments:
        if argument.endswith(".txt"):
            assert (ROOT / argument).is_file()
        elif "[" in argument:
            assert argument.startswith((".[", "captioner["))
            assert set(argument.partition("[")[2][:-1].split(",")) <= set(extras)
        elif argument.endswith(".whl"):
            assert argument == f"dist/captioner-{VERSION}-py3-none-any.whl"
        else:
            assert argument in ("-e", "-r", ".")


def section_of_pyproject(name: str) -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return text.partition(f"[{name}]")[2].partition("\n[")[0]


@cache
def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    "span", [span for span in SPANS if re.match(r"captioner [a-z-]|make [a-z]", span.text)], ids=str
)
def test_a_command_in_a_sentence_exists(span):
    """Its name and its options; what they take may be left out."""
    program, name, *rest = span.text.split()
    if program == "make":
        assert name in makefile_targets()
    elif not name.startswith("--"):
        command = CLI.resolve_command(CONTEXT, [name])[1]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in rest if word.startswith("--")} <= known | {"--help"}


def test_an_option_in_a_sentence_exists():
    given = {word for span in SPANS for word in span.text.split() if re.match(r"--[a-z]", word)}
    assert len(given) > 20
    known = {"--help"}
    for command in (CLI, *CLI.commands.values()):
        known |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py"))
    assert {option for option in given - known if f'"{option}"' not in scripts} == set()


def test_the_quick_start_lists_every_command():
    listed = {span.text.split()[1] for span in code_spans(DOCS / "quickstart.md") if span.text.startswith("captioner ")}
    assert set(CLI.commands) <= listed | {"evaluate"}


# Settings


def settings_of(span: Piece) -> list[str]:
    """The settings that a piece of code names: `section.key` or `section.key=value`."""
    pattern = rf"(?:{'|'.join(SECTIONS)})\.[a-z_]\w*(?:=\S+)?"
    tokens = [token for token in span.text.split() if re.fullmatch(pattern, token)]
    return [token for token in tokens if Path(token).suffix not in NOT_SETTINGS]


NAMED = [(span, setting) for span in SPANS for setting in settings_of(span)]


def test_there_are_settings():
    assert len(NAMED) > 80
    assert {setting.partition(".")[0] for _, setting in NAMED} >= {"data", "encoder", "attention", "decoder", "run"}


@pytest.mark.parametrize(("span", "setting"), NAMED, ids=str)
def test_a_setting_in_a_sentence_exists(span, setting):
    key, _, value = setting.partition("=")
    section, _, name = key.partition(".")
    assert key in EXAMPLE_SETTINGS or name in keys(section)
    if (
        value
        and value not in PLACEHOLDERS
        and not EXAMPLE_SETTINGS & {word.split("=")[0] for word in span.text.split()}
    ):
        assert accepted([setting])


def test_a_wrong_setting_would_be_noticed():
    assert "beans" not in keys("search")
    assert not accepted(["search.beams=many"])
    assert not accepted(["data.tokens=latin"])


@cache
def keys(section: str) -> set[str]:
    """Every key of a section, whatever its kind."""
    names: set[str] = set()
    for kind in TABLES.get(section, {"": None}):
        overrides = [f"{section}.kind={kind}", *NEEDED.get(kind, [])] if kind else []
        names |= set(builder.read(DRAWN, overrides).resolved[section])
    if section == "encoder":
        names |= set(builder.read(DRAWN, ["encoder.kind=resnet18"]).resolved[section])
    if section == "attention":
        names.add("score")
    return names


def accepted(overrides: list[str]) -> bool:
    """Whether some kind of their sections takes these settings, those of one command or sentence together."""
    sections = {override.partition(".")[0] for override in overrides}
    given = {override.partition("=")[0] for override in overrides}
    if len(sections) > 1:
        own = [[override for override in overrides if override.startswith(f"{section}.")] for section in sections]
        return _reads(overrides) or all(map(accepted, own))
    section = next(iter(sections), "")
    kinds = list(TABLES.get(section, {})) if f"{section}.kind" not in given else []
    choices = [[], *([f"{section}.kind={kind}", *NEEDED.get(kind, [])] for kind in kinds)]
    if section == "encoder":
        choices.append(["encoder.kind=resnet18"])
    return any(_reads([*choice, *overrides]) for choice in choices)


def _reads(overrides: list[str]) -> bool:
    given = {override.partition("=")[0] for override in overrides}
    kinds = [override.partition("=")[2] for override in overrides if re.match(r"\w+\.kind=", override)]
    needed = [need for kind in kinds for need in NEEDED.get(kind, []) if need.partition("=")[0] not in given]
    try:
        builder.read(DRAWN, [*overrides, *needed])
    except UserError:
        return False
    return True


YAML_BLOCKS = [block for page in PAGES for block in blocks(page, "yaml")]


def test_yaml_blocks_are_settings():
    assert YAML_BLOCKS
    for block in YAML_BLOCKS:
        content = yaml.safe_load(block.text)
        flat = [f"{name}.{key}={value}" for name, values in content.items() for key, value in values.items()]
        builder.read(DRAWN, flat)


def test_settings_in_python_blocks_are_accepted():
    texts = [
        text
        for page in PAGES
        for block in blocks(page, "python")
        for text in re.findall(r'"(\w+\.\w+=\w+)"', block.text)
    ]
    assert texts
    for text in texts:
        assert accepted([text]), text


# Paths, names and links


PATHS = [span for span in SPANS if re.match(r"(captioner|tests|benchmarks|configs|docs|notebooks)/\S*$", span.text)]


def test_there_are_paths():
    assert len(PATHS) > 40


@pytest.mark.parametrize("span", PATHS, ids=str)
def test_a_path_in_a_sentence_exists(span):
    assert span.text in EXAMPLE_FILES or list(ROOT.glob(span.text))


def test_the_changelogs_new_modules_exist():
    """The right column of its table of moved modules: full paths, then names in the folder of the path before."""
    rows = table(ROOT / "CHANGELOG.md", "old")
    named = [re.findall(r"`([^`]+)`", new) for old, new in rows if re.match(r"`captioner/", old)]
    assert len(named) > 10
    for paths in named:
        folder = Path(paths[0]).parent
        assert [path for path in paths if not (ROOT / path).exists() and not (ROOT / folder / path).exists()] == []


LINKS = [link for page in [*PAGES, ROOT / "CHANGELOG.md"] for link in links(page)]


def test_there_are_links():
    assert len(LINKS) > 50
    assert sum("#" in link.text for link in LINKS) > 10


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_a_link_leads_to_a_file_and_a_heading(link):
    path, _, anchor = link.text.partition("#")
    target = (link.page.parent / path).resolve() if path else link.page
    assert target.is_file()
    if anchor:
        assert anchor in anchors(target)
    if DOCS in link.page.parents:
        assert DOCS in target.parents, "a page of the site links to pages of the site only"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
