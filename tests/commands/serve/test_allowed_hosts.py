"""The page is answered under this machine's names only."""

from __future__ import annotations

import pytest

from captioner.commands.serve import Allowed
from captioner.commands.serve.allowed_hosts import AllowedHosts
from captioner.commands.serve.web_page import start

OWN = ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"]
FOREIGN = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.5", "", "["]


MALFORMED = [
    *("localhost:80:evil.example", "localhost:evil.example", "localhost:80evil.example", "localhost:80@evil.example"),
    *("localhost:8\n0", "localhost\n", "user@localhost", "localhost/", "localhost,evil.example", ":80", "::1"),
    *(
        "[::1]evil.example",
        "[::1",
        "::1]",
        "[localhost]",
        "[127.0.0.1]",
        "[::1]:80:90",
        "[[::1]]",
        "[::1]]",
        "[]",
        "[:",
    ),
]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_name_with_anything_else_than_a_port_behind_it_is_refused(host):
    hosts = AllowedHosts(lambda *_: None, host)  # pyright: ignore[reportArgumentType]
    assert [header for header in MALFORMED if hosts.allows(header)] == []


@pytest.mark.parametrize("port", ["", ":7860"])
def test_names_of_this_machine_are_allowed_and_others_are_not(port):
    hosts = AllowedHosts(lambda *_: None, "127.0.0.1")  # pyright: ignore[reportArgumentType]
    assert all(hosts.allows(name + port) for name in OWN)
    assert not any(hosts.allows(name + port) for name in FOREIGN)
    named = AllowedHosts(lambda *_: None, "Lab.example")  # pyright: ignore[reportArgumentType]
    assert named.allows(f"lab.example{port}")
    assert not named.allows(f"evil.example{port}")


def test_a_page_that_listens_everywhere_is_reached_by_address_and_not_by_foreign_names():
    hosts = AllowedHosts(lambda *_: None, "0.0.0.0")  # pyright: ignore[reportArgumentType]
    assert all(map(hosts.allows, ["192.168.1.5:7860", "[fe80::1]:7860", *OWN]))
    assert not any(map(hosts.allows, ["evil.example", "192.168.1.5.evil.example", "", "["]))


class Page:
    """Records how it is launched."""

    def launch(self, **options):
        self.options = options


def test_the_page_is_launched_with_an_application_that_refuses_foreign_names():
    pytest.importorskip("gradio.blocks")  # an empty folder named gradio can be imported too
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    page = Page()
    start(page, Allowed(), "127.0.0.1", None)

    async def answer(request):
        return PlainTextResponse("captions")

    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])], **page.options["app_kwargs"])
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        assert client.get("/").text == "captions"
        for ask in (client.get, client.post):
            refused = ask("/", headers={"host": "evil.example:7860"})
            assert (refused.status_code, "captions" in refused.text) == (421, False)
