"""Configs of the package by their names, from any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner import builder
from captioner.errors import UserError
from captioner.readers import find_config
from tests.helpers import CONFIGS

NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "base")


@pytest.mark.parametrize("name", NAMES)
def test_a_config_of_the_package_is_found_by_name_in_any_folder(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()  # a folder of the same name is no config
    monkeypatch.chdir(tmp_path)
    for given in (name, f"{name}.yaml", f"configs/{name}", f"configs/{name}.yaml"):
        assert builder.read(Path(given)) == builder.read(CONFIGS / f"{name}.yaml")


def test_a_config_of_the_user_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = (CONFIGS / "pascal_soft.yaml").read_text(encoding="utf-8") + "log: {samples: 7}\n"
    (tmp_path / "drawn.yaml").write_text(own, encoding="utf-8")
    assert builder.read(Path("drawn.yaml")).log.samples == 7
    base = (CONFIGS / "base.yaml").read_text(encoding="utf-8") + "log: {group: mine}\n"
    (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
    assert builder.read(Path("drawn.yaml")).log.group == "mine"


def test_elsewhere_a_name_is_not_looked_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for missing in ("other/drawn.yaml", "drwan", "configs/drwan.yaml", tmp_path / "drawn.yaml"):
        with pytest.raises(UserError, match=r"no config at .*; check the path; this program has base, .*drawn"):
            find_config(Path(missing))
