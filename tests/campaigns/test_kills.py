"""Commands that are killed at any file operation or moment go on when they are started again, and end as if never killed.

CAPTIONER_KILLS is the number of kills over all commands; without it 300.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from captioner.files import UNFINISHED
from tests.campaigns.forks import Ended, command, fresh, leftovers, start
from tests.helpers import DRAWN, tiny_settings

pytestmark = pytest.mark.campaign

KILLS = int(os.environ.get("CAPTIONER_KILLS", 300))
TRAIN = ["run.epochs=4", "run.save_minutes=0"]
SMALL = ["search.max_length=6"]
EARLIER = ["search.kind=beam", "search.beams=4"]
"""An earlier evaluation was decoded with these."""
RESULTS = ("results.json", "scores.json", "report.html")


@pytest.fixture(scope="session")
def templates(pictures, tmp_path_factory) -> Path:
    """A folder for each command: what is there before it starts."""
    root = tmp_path_factory.mktemp("campaign")
    for name in ("train", "store", "caption", "compare", "evaluate"):
        (root / name).mkdir()
    (root / "caption" / "photos").mkdir()
    photos = sorted((pictures / "images").glob("val_*.png"))[:5]
    for photo in photos:
        (root / "caption" / "photos" / photo.name).write_bytes(photo.read_bytes())
    run = tiny_settings(pictures, Path("run")) + SMALL + ["run.epochs=1"]
    for name in ("caption", "evaluate"):
        assert command(["train", str(DRAWN), *run], root / name).status == 0
    assert command(["evaluate", "run", "--no-java", *EARLIER], root / "evaluate").status == 0
    return root


def arguments(name: str, pictures: Path) -> list[str]:
    settings = tiny_settings(pictures, Path("run")) + SMALL
    return {
        "train": ["train", str(DRAWN), *settings, *TRAIN],
        "store": ["train", str(DRAWN), *settings, "run.epochs=1", "encoder.frozen=true"],
        "evaluate": ["evaluate", "run", "--no-java"],
        "caption": ["caption", "photos", "--model", "run", "--csv", "out/table.csv", "--json", "out/words.json",
                    "--sheet", "sheets", "--page", "out/page.html"],
        "compare": ["compare", str(DRAWN), *[one for one in settings if not one.startswith("run.folder")], "run.epochs=1",
                    "--attention", "soft:additive,hard:additive", "--seeds", "1", "--folder", "compared"],
    }[name]  # fmt: skip


def summary(folder: Path) -> dict[str, str]:
    """A digest of each result, without times."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name in (".lock", "times.json"):
            continue
        if path.suffix == ".safetensors":
            content = _weights(path)
        elif path.name == "log.jsonl":
            content = _log(path)
        elif path.name == "photos.jsonl":
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            content = json.dumps(sorted(json.dumps(line, sort_keys=True) for line in lines)).encode()
        elif path.suffix == ".json":
            content = json.dumps(_without_times(json.loads(path.read_text(encoding="utf-8"))), sort_keys=True).encode()
        elif path.suffix in (".csv", ".yaml", ".html", ".bin", ".png") and "compar" not in path.name:
            content = path.read_bytes()
        else:
            content = b""
        digests[name] = hashlib.sha256(content).hexdigest()[:12]
    return digests


def _weights(path: Path) -> bytes:
    with safe_open(path, "pt") as file:
        return b"".join(key.encode() + file.get_tensor(key).numpy().tobytes() for key in sorted(file.keys()))


def _log(path: Path) -> bytes:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return json.dumps([_without_times(line) for line in lines if line["kind"] != "start"], sort_keys=True).encode()


TIMES = {
    "time",
    "seconds",
    "date",
    "milliseconds",
    "photos_per_second",
    "training seconds",
    "minutes",
    "step_ms",
    "word_ms",
}


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(item) for name, item in value.items() if name not in TIMES}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def finish(name: str, folder: Path, pictures: Path) -> Ended:
    ended = command(arguments(name, pictures), folder)
    assert finished(ended), ended.output
    return ended


def finished(ended: Ended) -> bool:
    """A run that was complete before the kill is not trained again, which is said with status 2."""
    return ended.status == 0 or "is a finished run" in ended.output


def mixed(folder: Path, moment: int) -> list[str]:
    """A fault if files of the earlier evaluation lie beside those of the killed one, or some are missing without a mark."""
    there = {name: (folder / name).read_text(encoding="utf-8") for name in RESULTS if (folder / name).exists()}
    protocols = {name: "beam 4" in text for name, text in there.items() if name != "results.json"}
    captions = [entry["caption"] for entry in json.loads(there["results.json"])]
    page = there.get("report.html")
    wrong = len(set(protocols.values())) > 1 or (page is not None and not all(text in page for text in captions))
    lacking = "scores.json" not in there and not (folder / UNFINISHED).exists()
    return [f"{moment}: {sorted(there)} {protocols}"] if wrong or lacking else []


SHARES = {"train": 0.3, "store": 0.2, "evaluate": 0.15, "caption": 0.15, "compare": 0.2}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("how", ["operations", "clock"])
def test_a_killed_command_goes_on(name, how, templates, pictures, tmp_path):
    whole = fresh(templates / name, tmp_path / "whole")
    reference = finish(name, whole, pictures)
    expected, count = summary(whole), max(2, round(KILLS * SHARES[name] / 2))
    moments, chance = _moments(reference.operations, count, how), random.Random(0)
    faults = []
    for index, moment in enumerate(moments):
        folder = fresh(templates / name, tmp_path / "killed")
        at, after = (moment, None) if how == "operations" else (None, chance.uniform(0.02, reference.seconds))
        killed = command(arguments(name, pictures), folder, at, after)
        assert killed.status in (0, -signal.SIGKILL, -signal.SIGALRM), killed.output
        if name == "evaluate":
            faults += mixed(folder / "run" / "val", moment)
        if name in ("train", "store", "compare") and index % 3 == 0:  # a second kill before it may end
            command(arguments(name, pictures), folder, kill_at=chance.randint(1, 40))
        again = command(arguments(name, pictures), folder)
        found = summary(folder) if finished(again) else {}
        wrong = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        if wrong or leftovers(folder):
            faults.append((at or after, again.status, again.output[-300:], wrong, leftovers(folder)))
    assert not faults, f"{len(faults)} of {len(moments)}: {faults[:5]}"


def _moments(operations: int, count: int, how: str) -> list[int]:
    if how == "clock" or operations <= count:
        return list(range(1, (count if how == "clock" else operations) + 1))
    return sorted(random.Random(0).sample(range(1, operations + 1), count))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_a_signal_saves_and_the_run_goes_on(number, templates, pictures, tmp_path):
    whole = fresh(templates / "train", tmp_path / "whole")
    reference = finish("train", whole, pictures)
    expected, chance, faults = summary(whole), random.Random(number), []
    for _ in range(max(1, KILLS // 20)):
        folder = fresh(templates / "train", tmp_path / "stopped")
        after = chance.uniform(0.1, reference.seconds)
        stopped = command(arguments("train", pictures), folder, kill_after=after, send=getattr(signal, number))
        started = "training run on" in stopped.output  # a signal before ends the process, and there is nothing to save
        if (started and stopped.status not in (0, 130)) or stopped.seconds > after + 2:
            faults.append((after, stopped.status, stopped.output[-300:]))
        finish("train", folder, pictures)
        if summary(folder) != expected:
            faults.append((after, "other results"))
    assert not faults, faults[:5]


@pytest.mark.timeout(3600)
def test_of_two_starts_in_one_folder_one_trains(templates, pictures, tmp_path):
    """Their settings differ. The folder holds the settings and the weights of the same start; the other ends with status 2."""
    seeds = [[*arguments("train", pictures), f"run.seed={seed}"] for seed in (1, 2)]
    expected = []
    for seed in seeds:
        folder = fresh(templates / "train", tmp_path / "whole")
        assert command(seed, folder).status == 0
        expected.append(summary(folder))
    chance, faults = random.Random(0), []
    for _ in range(max(1, KILLS // 10)):
        folder = fresh(templates / "train", tmp_path / "both")
        running = [start(seeds[0], folder, name="first")]
        time.sleep(chance.choice([0, 0.01, 0.03, 0.1, 0.5]))
        running.append(start(seeds[1], folder, name="second"))
        ended = [one.wait() for one in running]
        if sorted(end.status for end in ended) != [0, 2]:
            faults.append([(end.status, end.output[-300:]) for end in ended])
        elif summary(folder) != expected[[end.status for end in ended].index(0)]:
            faults.append("other results")
    assert not faults, f"{len(faults)}: {faults[:5]}"
