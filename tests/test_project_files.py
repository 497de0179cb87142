"""Files for continuous integration, containers and contributors are valid and name what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
OF_EXTRAS = ["pyarrow==21"]
YAML = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / ".pre-commit-config.yaml"]


def lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_oldest_versions_are_those_that_requirements_declare():
    declared = [re.match(r"[\w.-]+>=[\w.]+", line) for line in lines("requirements.txt")]
    assert all(declared)
    oldest = [match[0].replace(">=", "==") for match in declared]
    assert lines("constraints/oldest.txt") == [*oldest, *OF_EXTRAS]


def test_the_newest_versions_are_of_the_same_packages_and_not_older():
    oldest, newest = (
        dict(line.split("==") for line in lines(f"constraints/{age}.txt")) for age in ("oldest", "newest")
    )
    assert list(newest) == list(oldest)[: -len(OF_EXTRAS)]
    for name, version in newest.items():
        assert [int(part) for part in version.split(".")] >= [int(part) for part in oldest[name].split(".")], name
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert "constraints/newest.txt" in workflow


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_files_of_continuous_integration_are_yaml(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_the_workflow_runs_targets_and_versions_that_exist():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = {target for command in commands for target in re.findall(r"make ([a-z-]+)", command)}
    assert targets >= {"check", "test", "floor", "docs", "wheel"}
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for version in jobs["test"]["strategy"]["matrix"]["python"]:
        assert f"Python :: {version}" in project


def test_the_image_copies_files_that_exist_and_that_are_not_ignored():
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    }
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert {"captioner", "configs", "examples", "pyproject.toml"} <= names <= kept
    assert all((ROOT / name).exists() for name in names)


def test_the_development_container_is_json():
    assert json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))["image"]
