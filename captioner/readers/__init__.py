"""Reading files that people and other programs wrote: a damaged one is named, with the place in it.

Each reader returns what the file holds, or raises a UserError of one line that says which file, where in it, what was wanted and what
to do. No other module parses such files, so that none lets an error of a parser through.

This file reads text, JSON, JSON lines and YAML, texts.py lists of texts inside other values, arrays.py arrays of numpy, and
hub_access.py asks the Hugging Face hub.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydantic
import yaml

from captioner.errors import UserError

_PACKAGE = Path(__file__).parents[1]
CONFIGS = next((place for place in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if place.is_dir()), _PACKAGE)
"""The configs of the package. In a clone, where some systems have no symbolic links, those at its top."""
_MAX_YAML = 2**18  # characters; the parser reads about as many in a second
_MARK = "\ufeff"
_MAX_DIGITS = 300  # of a whole number; more do not fit into a float


@contextmanager
def parsing(origin: object, wanted: str, advice: str) -> Iterator[None]:
    """Turn every error of a parser into a UserError.

    Args:
        origin: the file, with the place in it if that is known.
        wanted: what the file should hold.
        advice: what to do.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # parsers raise many kinds; whatever it is, the file is not what was wanted
        raise UserError(f"{origin} should be {wanted}, but is not ({reason(error)}); {advice}") from error


def reason(error: Exception) -> str:
    """What a parser complains about, in one short line."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "it holds half of a character, such as \\ud83d"
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    if isinstance(error, pydantic.ValidationError):
        first = error.errors(include_url=False)[0]
        return " ".join([".".join(map(str, first["loc"])), first["msg"]]).strip()
    if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
        return f"it goes on after its end in line {error.lineno}, as JSON lines do"
    if "int_max_str_digits" in str(error):
        return "a number has thousands of digits"
    first, *more = error.args or ("",)  # webdataset adds its stream to the arguments of an error of a tar
    text = " ".join((first if more and isinstance(first, str) else str(error)).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


def find_config(path: Path) -> Path:
    """The config at a path, or else the package's config of that name, with or without `.yaml`.

    Raises:
        UserError: there is neither.
    """
    if path.is_file():
        return path
    own = CONFIGS / f"{path.name.removesuffix('.yaml')}.yaml"
    if path.parent in (Path(), Path("configs")) and own.is_file():
        return own
    if path.is_dir():
        settings = path / "settings.yaml"
        more = f"; the settings of this run are in {settings}" if settings.is_file() else _configs_in(path)
        raise UserError(f"a config is a file such as configs/drawn.yaml, got the folder {path}{more}")
    if path.exists():  # a pipe or a device, which the reader of texts refuses
        return path
    beside = _configs_in(path.parent) if path.parent.is_dir() else ""
    own_names = sorted(own.stem for own in CONFIGS.glob("*.yaml"))
    raise UserError(f"no config at {path}; check the path{beside or _list('this program', own_names)}")


def _configs_in(folder: Path) -> str:
    return _list(folder, sorted(path.name for path in folder.glob("*.yaml")))


def _list(owner: object, names: Sequence[str]) -> str:
    return f"; {owner} has {', '.join(names)}" if names else ""


def read_text(path: Path, advice: str, unfinished: bool = False) -> str:
    """The text of a file in UTF-8, without byte order marks at its start.

    Args:
        unfinished: leave out a last line without an end, which a killed program left.
    """
    try:
        check_regular(path, advice)
        content = path.read_bytes()
        return content[: content.rfind(b"\n") + 1 if unfinished else None].decode().lstrip(_MARK)
    except UserError:
        raise
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} should be text in UTF-8, but is not ({reason(error)}); {advice}, or save it as UTF-8"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise UserError(f"cannot read {path.absolute()} ({getattr(error, 'strerror', error)}); {advice}") from error


def check_regular(path: Path, advice: str) -> None:
    """Refuse folders, pipes, sockets and devices, which can keep a reader waiting for ever. A missing file is no matter of this check.

    Raises:
        UserError: the path is one of these.
    """
    if path.exists() and not path.is_file():
        kind = "folder" if path.is_dir() else "pipe, socket or device"
        raise UserError(f"{path} should be a file, got a {kind}; {advice}")


def read_json(path: Path, advice: str, shape: Any = Any) -> Any:
    """The content of a JSON file.

    Args:
        shape: the type that the content should have, such as `dict[str, int]`, of a file of this program; values are not converted,
            and every number is finite.
    """
    content = parse_json(read_text(path, advice), path, advice, shape)
    if shape is not Any:
        with parsing(path, "as this program writes it", advice):
            json.dumps(content, allow_nan=False)
    return content


def parse_json(text: str, origin: object, advice: str, shape: Any = Any) -> Any:
    """The content of JSON text from `origin`, such as a file."""
    with parsing(origin, "json", f"{advice}, or make the file anew"):
        content = _loads(text, _once)
    with parsing(origin, "as this program writes it", advice):
        pydantic.TypeAdapter(shape).validate_python(content, strict=True)
    return content  # with its further keys, which older versions of pydantic leave out


def _loads(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The content of JSON text. Every whole number fits into a float, and all text can be written as UTF-8."""
    long = re.search(rf"\d{{{_MAX_DIGITS}}}", text) is not None
    content = json.loads(text, parse_int=_integer if long else None, object_pairs_hook=pairs)
    if re.search(r"\\u[dD][89a-fA-F]", text):  # a pair of these is one character, and half of a pair is none
        # File names of other encodings are taken.
        json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys occur once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"it has {twice!r} twice")
    return found


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _MAX_DIGITS:
        raise ValueError(f"a number has {len(digits.lstrip('-')):,} digits")
    return int(digits)


def read_json_lines(path: Path, advice: str, shape: Any = dict[str, Any], unfinished: bool = False) -> list[Any]:
    """The objects of a file with one JSON object per line; empty lines are passed over. See `read_text` for `unfinished`."""
    return [row for _, row in parse_json_lines(read_text(path, advice, unfinished), path, advice, shape)]


def parse_json_lines(text: str, path: Path, advice: str, shape: Any = dict[str, Any]) -> Iterator[tuple[int, Any]]:
    """The object of each line, with the number of the line."""
    adapter = pydantic.TypeAdapter(shape)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            with parsing(f"{path}, line {number}:", "a json object", advice):
                row = _loads(line, _once)
                adapter.validate_python(row, strict=True)
            yield number, row  # with its further keys, which older versions of pydantic leave out


class _Loader(yaml.SafeLoader):
    """YAML in which `4e-4` is a number (YAML 1.1 reads it as text), and in which a key that occurs twice is an error."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception as error:  # such as the ValueError of a month 13, which does not say where it is
            value = f"{reprlib.repr(node.value)}: " if isinstance(node, yaml.ScalarNode) else ""
            raise yaml.constructor.ConstructorError(
                problem=value + reason(error), problem_mark=node.start_mark
            ) from error

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        text = super().construct_scalar(node)
        str(text).encode("utf-8", "surrogateescape")
        return text

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if (key.tag, str(key.value)) in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    problem=f"{reprlib.repr(key.value)} occurs twice", problem_mark=key.start_mark
                )
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?\d*([eE][-+]?\d+)|\.\d+([eE][-+]?\d+)?|\d[\d_]*\.\d*|\.inf|\.nan)$", re.IGNORECASE),
    list("-+0123456789."),
)


def parse_yaml(text: str, origin: object) -> Any:
    """The content of YAML text."""
    advice = "correct it, or start from a config in configs/"
    if len(text) > _MAX_YAML:
        raise UserError(f"{origin} should be a config of a few lines, got {len(text):,} characters; check the path")
    try:
        with parsing(origin, "YAML", advice):
            return yaml.load(text, _Loader)
    except UserError as error:
        fault = error.__cause__
        if not (isinstance(fault, yaml.MarkedYAMLError) and fault.problem_mark):
            raise
        line = fault.problem_mark.line + 1
        raise UserError(f"{origin}, line {line}: should be YAML, but is not ({fault.problem}); {advice}") from error
