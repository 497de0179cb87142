"""Models on the Hugging Face hub, by names such as `hf://owner/name`. The package huggingface_hub is imported on first use."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.error import URLError

from captioner.errors import UserError, library
from captioner.progress import errors
from captioner.readers.hub_access import check_reachable, endpoint, hub_errors

_NAME = re.compile(r"hf:/{1,2}(?P<name>[^/@]+/[^/@]+)(?:@(?P<revision>[^@]+))?")  # one slash: paths lose the second
_NEEDED = ("settings.yaml", "vocabulary.json", "best.safetensors")
FILES = (*_NEEDED, "encoder.safetensors", "training_photos.npz", "about.json", "README.md", "sheet.png")
"""Files of a model that are uploaded and downloaded; no others are. Safetensors, JSON, YAML and arrays of numbers hold no code."""


def download(name: str | Path) -> Path:
    """The folder of a model of the hub, in the hub's cache; downloaded unless it is there already.

    Args:
        name: `hf://owner/name`, or `hf://owner/name@revision`, a branch, a tag or a commit.

    Raises:
        UserError: the name is not of this form, there is no such model, or the hub cannot be reached.
    """
    match = _NAME.fullmatch(str(name))
    if match is None:
        given = re.sub("^hf:/+", "hf://", str(name))
        raise UserError(f"a model of the hub is named hf://owner/name or hf://owner/name@revision, got {given}")
    hub = hub_library("hf://")
    options = {"revision": match["revision"], "endpoint": endpoint(), "allow_patterns": list(FILES)}
    with hub_errors(match["name"]):
        try:
            check_reachable()
        except URLError:
            # An earlier download is used without a network.
            with suppress(import_module("huggingface_hub.errors").LocalEntryNotFoundError):
                return _checked(match["name"], hub.snapshot_download(match["name"], local_files_only=True, **options))
            raise
        # Fails if the cache cannot be made; the hub's client would first print warnings of its own.
        Path(hub.constants.HF_HUB_CACHE).mkdir(parents=True, exist_ok=True)
        return _checked(match["name"], hub.snapshot_download(match["name"], **options))


def hub_library(wanted_by: str) -> Any:
    """The package huggingface_hub, whose bars are not drawn into logs."""
    hub = library("huggingface_hub", wanted_by, "hub")
    if not errors.draws:
        import_module("huggingface_hub.utils").disable_progress_bars()
    return hub


def _checked(name: str, downloaded: str) -> Path:
    folder = Path(downloaded)
    missing = [file for file in _NEEDED if not (folder / file).exists()]
    if missing:
        raise UserError(f"{name} on the hub is no model of this program: it has no {missing[0]}")
    return folder
