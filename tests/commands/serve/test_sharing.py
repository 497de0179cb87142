"""`--share` opens no tunnel: it says how to forward the port, or uses the notebook's own proxy and answers under its name."""

from __future__ import annotations

import sys
from types import ModuleType

from captioner.commands.serve import sharing
from captioner.commands.serve.allowed_hosts import AllowedHosts


class Colab(ModuleType):
    """What `google.colab.output` does in a notebook of Colab."""

    def __init__(self):
        super().__init__("google.colab.output")
        self.shown: list[int] = []

    def eval_js(self, code: str) -> str:
        assert code == "google.colab.kernel.proxyPort(7861)"
        return "https://abc-7861-colab.example/"

    def serve_kernel_port_as_iframe(self, port: int, **_: int) -> None:
        self.shown.append(port)


def test_a_port_is_forwarded_by_ssh():
    line = sharing.how_to_forward(7861)
    assert "ssh -N -L 7861:127.0.0.1:7861 USER@" in line
    assert line.endswith("open http://127.0.0.1:7861")


def test_colab_is_used_in_its_notebooks_alone(monkeypatch):
    package = ModuleType("google.colab")
    package.output = Colab()
    monkeypatch.setitem(sys.modules, "google", ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    assert sharing.colab() is None, "a shell of Colab cannot show a page in a cell"
    monkeypatch.setattr(sharing, "in_jupyter", lambda: True)
    assert sharing.colab() is package.output
    monkeypatch.setitem(sys.modules, "google.colab", None)
    assert sharing.colab() is None


def test_in_colab_the_page_is_answered_under_the_proxy_s_name_too():
    also: set[str] = set()
    hosts = AllowedHosts(lambda *_: None, "127.0.0.1", also)  # pyright: ignore[reportArgumentType]
    assert not hosts.allows("abc-7861-colab.example")
    output = Colab()
    sharing.show_in_colab(output, 7861, also)
    assert output.shown == [7861]
    assert hosts.allows("abc-7861-colab.example")
    assert not hosts.allows("evil.example")
