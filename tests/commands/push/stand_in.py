"""A server with the parts of the Hugging Face hub's API that uploading and downloading a model use."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "a" * 40


class Hub(ThreadingHTTPServer):
    """Models by name; the files of each by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.models: dict[str, dict[str, bytes]] = {}
        self.refuses = False  # every write
        self.num_commits = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        body, path = self._body(), self.path.partition("?")[0].strip("/")
        match path.split("/"):
            case ["api", *_] if self.command == "POST" and self.server.refuses:
                self._error(403, "Forbidden")
            case ["api", "repos", "create"]:
                wanted = json.loads(body)
                name = f"{wanted['organization']}/{wanted['name']}"
                self.server.models.setdefault(name, {})
                self._json({"url": f"{self.server.address}/{name}", "id": name})
            case ["api", "validate-yaml"]:
                self._json({"errors": [], "warnings": []})
            case ["api", "models", owner, name, *rest] if (
                files := self.server.models.get(f"{owner}/{name}")
            ) is not None:
                self._of_model(f"{owner}/{name}", files, rest, body)
            case [owner, name, "resolve", _, *names] if (
                files := self.server.models.get(f"{owner}/{name}")
            ) is not None:
                self._file(files.get("/".join(names)))
            case _:
                self._error(404, "RepoNotFound")

    do_GET = do_HEAD = do_POST = answer  # noqa: N815

    def _of_model(self, name: str, files: dict[str, bytes], rest: list[str], body: bytes) -> None:
        match rest:
            case ["preupload", _]:
                paths = [file["path"] for file in json.loads(body)["files"]]
                self._json(
                    {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]}
                )
            case ["commit", _]:
                self.server.num_commits += 1
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                    elif line["key"] == "deletedFile":
                        del files[line["value"]["path"]]
                self._json({"commitUrl": f"{self.server.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT})
            case ["tree", *_]:
                entries = [
                    {"type": "file", "path": path, "size": len(content), "oid": _digest(content)}
                    for path, content in files.items()
                ]
                self._json(entries)
            case [] | ["revision", "main"]:
                self._json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": path} for path in files]})
            case _:
                self._error(404, "RevisionNotFound")

    def _file(self, content: bytes | None) -> None:
        if content is None:
            self._error(404, "EntryNotFound")
        else:
            self._send(200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{_digest(content)}"'})

    def _json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


def _digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def stand_in() -> Iterator[Hub]:
    """A hub that runs until the context ends."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
