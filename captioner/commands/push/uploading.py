"""Upload a model to the Hugging Face hub."""

from __future__ import annotations

import re
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from captioner import builder
from captioner.builder.hub import FILES, hub_library
from captioner.builder.loading import ABOUT
from captioner.commands.pack import pack
from captioner.commands.pack.model_card import CARD, card_at_hub
from captioner.errors import UserError
from captioner.progress import Report, silent
from captioner.readers import read_text
from captioner.readers.hub_access import check_reachable, endpoint, hub_errors


def push(run: str | Path | None, name: str, private: bool = False, report: Report = silent) -> str:
    """Upload a packed model, or a run, which is packed first; returns the address of its page.

    Args:
        run: folder of a packed model or of a run.
        name: owner/name on the hub; it is created unless it exists.
        private: whether only the owner sees a new model.

    Raises:
        UserError: there is no such model, or the hub refuses it.
    """
    given, name = name, name.removeprefix("hf://")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII):
        raise UserError(f"a model on the hub is named owner/name, got {given}; use letters, digits, -, _ and .")
    hub = hub_library("captioner push")
    with hub_errors(name, upload=True):
        import_module("huggingface_hub.utils").validate_repo_id(name)
    folder = builder.model_folder(run)
    builder.read_run_settings(folder)  # raises if there is no model
    with hub_errors(name, upload=True):
        check_reachable()
    with tempfile.TemporaryDirectory(prefix="captioner-") as packed:
        if not (folder / ABOUT).is_file():
            run, folder = folder, Path(packed) / name.partition("/")[2]
            pack(run, folder, report=report, photos=False)
        with hub_errors(name, upload=True):
            api = hub.HfApi(endpoint(), library_name="captioner")
            address = api.create_repo(name, private=private, exist_ok=True)
            api.create_commit(name, _changes(hub, api, folder, name), commit_message="Upload of captioner")
    return str(address)


def _changes(hub: Any, api: Any, folder: Path, name: str) -> list[Any]:
    """What one commit does: files are added, and those that an earlier model had and this one lacks are deleted."""
    own = [file for file in FILES if (folder / file).is_file()]
    earlier = set(api.list_repo_files(name)).intersection(FILES).difference(own)
    return [
        *(hub.CommitOperationAdd(file, _content(folder / file, name)) for file in own),
        *(hub.CommitOperationDelete(file) for file in sorted(earlier)),
    ]


def _content(path: Path, name: str) -> Path | bytes:
    """A file, or the text of the card, which names the model on the hub."""
    return card_at_hub(read_text(path, "move it away"), name).encode() if path.name == CARD else path
