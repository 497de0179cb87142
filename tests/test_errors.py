"""Optional packages: a missing or a broken one is an error of one line that says what to do."""

from __future__ import annotations

import pytest

from captioner.errors import UserError, library

BROKEN = {
    'raise ImportError("it requires NumPy 2.0 or newer, found 1.26.0")': "it requires NumPy 2.0 or newer",
    "import a_package_that_nobody_has": "No module named 'a_package_that_nobody_has'",
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_package_that_cannot_be_imported_is_named_with_the_reason(tmp_path, monkeypatch, code):
    (tmp_path / "broken_package.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as caught:
        library("broken_package", "data.kind=hf", "hf")
    text = str(caught.value)
    assert text.startswith("data.kind=hf needs broken_package, which is installed but cannot be imported (")
    assert BROKEN[code] in text
    assert "pip install --upgrade broken_package" in text


def test_a_package_of_which_an_empty_folder_is_left_is_missing(tmp_path, monkeypatch):
    (tmp_path / "left_package").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="the web page needs left_package, which is not installed; run pip install"):
        library("left_package", "the web page", "serve")


def test_a_package_that_is_missing_is_named_with_the_command():
    with pytest.raises(UserError, match=r"^hf:// needs no_such_package, which is not installed; run pip install .*hub"):
        library("no_such_package", "hf://", "hub")
