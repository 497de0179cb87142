"""Upload a model to the Hugging Face hub."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from captioner import builder
from captioner.builder.hub import FILES, hub_library
from captioner.builder.loading import ABOUT
from captioner.commands.pack import pack
from captioner.errors import UserError
from captioner.progress import Report, silent
from captioner.readers.hub_access import check_reachable, endpoint, hub_errors


def push(run: str | Path | None, name: str, private: bool = False, report: Report = silent) -> str:
    """Upload a packed model, or a run, which is packed first; returns the address of its page.

    Args:
        run: folder of a packed model or of a run.
        name: owner/name at the hub; it is created unless it exists.
        private: whether only the owner sees a new model.

    Raises:
        UserError: there is no such model, or the hub refuses it.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name.removeprefix("hf://")):
        raise UserError(f"a model at the hub is named owner/name, got {name}")
    hub = hub_library("captioner push")
    folder, name = builder.model_folder(run), name.removeprefix("hf://")
    builder.read_run_settings(folder)  # raises if there is no model
    with hub_errors(name):
        check_reachable()
    with tempfile.TemporaryDirectory(prefix="captioner-") as packed:
        if not (folder / ABOUT).is_file():
            run, folder = folder, Path(packed) / name.partition("/")[2]
            pack(run, folder, report=report, photos=False)
        with hub_errors(name):
            api = hub.HfApi(endpoint(), library_name="captioner")
            address = api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=name, folder_path=folder, allow_patterns=list(FILES), commit_message="Upload of captioner"
            )
    return str(address)
