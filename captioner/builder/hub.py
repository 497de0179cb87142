"""Models at the Hugging Face hub, by names such as `hf://owner/name`. The package huggingface_hub is imported on first use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from captioner.errors import UserError, library

_NAME = re.compile(r"hf:/{1,2}(?P<name>[^/@]+/[^/@]+)(?:@(?P<revision>[^@]+))?")  # one slash: paths lose the second
_NEEDED = ("settings.yaml", "vocabulary.json", "best.safetensors")
FILES = (*_NEEDED, "encoder.safetensors", "training_photos.npz", "about.json", "README.md", "sheet.png")
"""Files of a model that are uploaded and downloaded; no others are. Safetensors, JSON, YAML and arrays of numbers hold no code."""
_UNREACHABLE = {
    "ConnectError",
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ReadError",
    "RemoteProtocolError",
    "ProxyError",
}
_UNREACHABLE |= {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "SSLError", "Timeout"}
"""Names of errors of the libraries of HTTP that versions of huggingface_hub use."""


def download(name: str | Path) -> Path:
    """The folder of a model of the hub, in the hub's cache; downloaded unless it is there already.

    Args:
        name: `hf://owner/name`, or `hf://owner/name@revision`, a branch, a tag or a commit.

    Raises:
        UserError: the name is not of this form, there is no such model, or the hub cannot be reached.
    """
    match = _NAME.fullmatch(str(name))
    if match is None:
        raise UserError(f"a model of the hub is named hf://owner/name or hf://owner/name@revision, got {name}")
    hub = library("huggingface_hub", "hf://", "hub")
    endpoint = os.environ.get("HF_ENDPOINT")
    with hub_errors(match["name"]):
        got = hub.snapshot_download(
            match["name"], revision=match["revision"], endpoint=endpoint, allow_patterns=list(FILES)
        )
    folder = Path(got)
    missing = [file for file in _NEEDED if not (folder / file).exists()]
    if missing:
        raise UserError(f"{match['name']} at the hub is no model of this program: it has no {missing[0]}")
    return folder


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Turn errors of huggingface_hub, and of the libraries of HTTP below it, into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # which kinds there are depends on the version
        raise UserError(_explained(name, error)) from error


def _explained(name: str, error: Exception) -> str:
    kind, endpoint = type(error).__name__, os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    status = getattr(getattr(error, "response", None), "status_code", None)
    first = next((line for line in str(error).splitlines() if line.strip()), kind)[:200]
    if kind == "HFValidationError":
        return f"{name} is no name of a model at the hub ({first}); give owner/name"
    if kind == "RevisionNotFoundError":
        return f"{name} has no such revision at {endpoint}; check the part after @"
    if kind == "GatedRepoError":
        return f"{name} is gated; ask for access on its page at {endpoint}, then `hf auth login`"
    if kind == "LocalTokenNotFoundError" or (status in (401, 403) and kind != "RepositoryNotFoundError"):
        return f"the hub refuses access to {name} ({first}); run `hf auth login`, or set HF_TOKEN to a token that may write there"
    if kind == "RepositoryNotFoundError":
        return f"there is no model {name} at {endpoint}, or it is private; check the name, or run `hf auth login`"
    if status is not None:
        return f"{endpoint} answers {status} for {name} ({first}); try again later"
    if isinstance(error, OSError) and error.errno in (13, 28, 30):
        return f"{name} cannot be kept in the hub's cache ({error.strerror}); set HF_HOME to a folder with space"
    if kind not in _UNREACHABLE:
        return f"{endpoint} could not be used for {name} ({kind}: {first}); another version of huggingface_hub may help"
    return (
        f"{endpoint} cannot be reached for {name} ({first}); check the network or HF_ENDPOINT, or copy the model's folder here and give "
        "its path"
    )
