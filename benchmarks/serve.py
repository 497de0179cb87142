"""The web page under load: requests from several threads over HTTP, and the memory of the server.

    pip install -e '.[serve]'
    python benchmarks/serve.py RUN [--requests 50] [--threads 4] [--rounds 4]

The server is a process of its own. Each request sends a drawn picture and asks for its caption as the page does; every fifth also sends an
empty file, which must be answered with an error message. Memory is the server's resident set size (Linux).
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from machine import where  # noqa: E402

from captioner.data.shapes import compose, paint  # noqa: E402

SETTINGS = {"decoding": "beam", "length rule": "gnmt", "beams": 3, "max length": 20}
"""Settings by their labels on the page."""


def main(run: Path, requests: int, threads: int, rounds: int) -> None:
    with served(run) as (address, process):
        page = Page(address)
        for turn in range(rounds):
            start, memory = time.monotonic(), resident(process)
            with ThreadPoolExecutor(threads) as pool:
                answered = sum(pool.map(page.ask, range(requests)))
            took = time.monotonic() - start
            print(
                f"round {turn + 1}: {answered} of {requests} requests from {threads} threads answered in {took:.1f} s; "
                f"memory {memory:,.0f} MiB before, {resident(process):,.0f} MiB after"
            )
    print(where())
    if answered < requests:
        sys.exit(1)


@contextmanager
def served(run: Path):
    """The server's address, and its process."""
    command = [sys.executable, "-u", "-m", "captioner", "serve", "--model", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://\S+?/?(?=\s)", line)
        if address is None:
            sys.exit(f"the server did not start: {line}")
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield address.group().rstrip("/"), process
    finally:
        process.terminate()
        process.wait(30)


class Page:
    """A client that sends the same requests as the page's script."""

    def __init__(self, address: str):
        self.address = f"{address}/gradio_api"
        config = json.loads(get(f"{address}/config"))
        labels = {part["id"]: part["props"].get("label") for part in config["components"]}
        values = {part["id"]: part["props"].get("value") for part in config["components"]}
        events = (event for event in config["dependencies"] if any(kind == "upload" for _, kind in event["targets"]))
        event = next(events)
        self.event = event["id"]
        self.settings = [SETTINGS.get(labels[part], values[part]) for part in event["inputs"][1:]]

    def ask(self, number: int) -> bool:
        """Send one request, and return whether its answer is right."""
        random, session = Random(number), uuid.uuid4().hex
        picture = io.BytesIO()
        paint(random, compose(random, "val", 160), 160).save(picture, "PNG")
        files = [self.send(f"picture {number}.png", picture.getvalue())]
        files += [self.send("empty.png", b"")] if number % 5 == 0 else []
        request = {"data": [files, *self.settings], "fn_index": self.event, "session_hash": session}
        post(f"{self.address}/queue/join", request)
        with urllib.request.urlopen(f"{self.address}/queue/data?session_hash={session}") as lines:
            events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
        end = next(event for event in events if event["msg"] == "process_completed")
        if not end["success"]:
            return False
        problems, captions, *_ = end["output"]["data"]
        refused = "empty.png is empty" in json.dumps(problems)
        return f"picture {number}.png" in captions and refused == (number % 5 == 0)

    def send(self, name: str, content: bytes) -> dict:
        border = uuid.uuid4().hex
        head = f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
        kind = f"multipart/form-data; boundary={border}"
        path = json.loads(get(urllib.request.Request(f"{self.address}/upload", body, {"Content-Type": kind})))[0]
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def get(request) -> bytes:
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def post(address: str, content: dict) -> None:
    get(urllib.request.Request(address, json.dumps(content).encode(), {"Content-Type": "application/json"}))


def resident(process: subprocess.Popen) -> float:
    """The resident set size of a process, in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024  # pyright: ignore


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--requests", type=int, default=50)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    main(options.run, options.requests, options.threads, options.rounds)
