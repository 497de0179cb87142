"""The Hugging Face hub: whether it answers, and its errors as those for users. Models, weights and data sets are fetched from it."""

from __future__ import annotations

import errno
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from captioner.errors import UserError

PATIENCE = 8.0
"""Seconds in which the hub should answer."""
_UNREACHABLE = {
    "ConnectError",
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ReadError",
    "RemoteProtocolError",
    "ProxyError",
}
_UNREACHABLE |= {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "SSLError", "Timeout", "URLError"}
"""Names of errors of the libraries of HTTP that versions of huggingface_hub use."""
_NO_CACHE = {errno.EPERM, errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOSPC, errno.EROFS, errno.EDQUOT}
"""Errors of the system that mean that the hub's cache cannot be used. Another version of the library would not help."""


def endpoint() -> str:
    """The address of the hub, or of the server that `HF_ENDPOINT` names instead."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def check_reachable() -> None:
    """Ask the hub for an answer, whatever it is. Its own client would try again for a minute.

    Raises:
        URLError: it does not answer within some seconds, or the hub's client is set to use no network.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise URLError("HF_HUB_OFFLINE is set")
    faults: list[OSError] = []
    # In a thread, since looking up a name has no time limit.
    asking = threading.Thread(target=_ask, args=(endpoint(), faults), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if asking.is_alive():
        raise URLError(f"no answer in {PATIENCE:g} seconds")
    for fault in faults:
        raise fault


def _ask(address: str, faults: list[OSError]) -> None:
    try:
        with urlopen(Request(address, method="HEAD"), timeout=PATIENCE):
            pass
    except HTTPError:
        pass  # it answers
    except URLError as error:
        if not isinstance(error.reason, ssl.SSLError):  # the hub's client has certificates of its own
            faults.append(error)
    except (OSError, ValueError) as error:  # a connection that breaks, an address that is none
        faults.append(URLError(error))


@contextmanager
def hub_errors(name: str, kind: str = "model", upload: bool = False) -> Iterator[None]:
    """Turn errors of huggingface_hub, and of the libraries of HTTP below it, into a UserError.

    Args:
        name: of the model or data set.
        kind: which of the two it is.
        upload: it is sent to the hub, and not fetched from there.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # which kinds there are depends on the version
        raise UserError(_explained(name, kind, upload, error)) from error


def _explained(name: str, kind: str, upload: bool, error: Exception) -> str:
    fault, address = type(error).__name__, endpoint()
    status = getattr(getattr(error, "response", None), "status_code", None)
    text = str(error.reason if isinstance(error, URLError) else error)
    first = next((line for line in text.splitlines() if line.strip()), fault)[:200]
    if fault == "HFValidationError":
        return f"{name} is no name of a {kind} on the hub ({first}); give owner/name"
    if fault == "RevisionNotFoundError":
        return f"{name} has no such revision at {address}; {_REVISION[kind]}"
    if fault == "GatedRepoError":
        return f"{name} is gated; ask for access on its page at {address}, then `hf auth login`"
    if fault == "LocalTokenNotFoundError" or (status in (401, 403) and fault != "RepositoryNotFoundError"):
        return f"the hub refuses access to {name} ({first}); run `hf auth login`, or set HF_TOKEN to a token that may do this"
    if fault == "RepositoryNotFoundError":
        return f"there is no {kind} {name} at {address}, or it is private; check the name, or run `hf auth login`"
    if status is not None:
        return f"{address} answers {status} for {name} ({first}); try again later"
    if isinstance(error, OSError) and error.errno in _NO_CACHE:
        return f"{name} cannot be kept in the hub's cache ({error.strerror}); set HF_HOME to a folder that can be written to"
    if fault not in _UNREACHABLE:
        return f"{address} could not be used for {name} ({fault}: {first}); another version of huggingface_hub may help"
    again = "and run the command again" if upload else f"or {_BY_HAND[kind]}"
    return f"{address} cannot be reached for {name} ({first}); check the network or HF_ENDPOINT, {again}"


_REVISION = {"model": "check the part after @", "data set": "check data.revision"}
_BY_HAND = {
    "model": "copy the model's folder here and give its path",
    "data set": "copy the data set's folder here and set data.name to its path",
}
