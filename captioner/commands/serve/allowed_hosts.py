"""Refuses requests under a name that is not this machine's, by which another site could read the page (DNS rebinding)."""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from ipaddress import ip_address
from typing import Any

_EVERYWHERE = ("0.0.0.0", "::")
_HERE = {"localhost", "127.0.0.1", "::1"}
_HOST = re.compile(r"(?:\[(?P<in_brackets>[0-9a-f.]*:[0-9a-f.:]*)\]|(?P<bare>[^:\[\]]+))(?::[0-9]*)?", re.IGNORECASE)

Message = MutableMapping[str, Any]


class AllowedHosts:
    """An ASGI application that answers requests to allowed hosts only, and others with status 421.

    Allowed are localhost, 127.0.0.1, [::1] and the address that the page listens on. If that is every address of the machine, any
    address in numbers is allowed, which no other site can pretend to be, and the machine's name.

    Args:
        app: answers the requests.
        host: what `--host` says.
        also: other names, such as that of a proxy; names that are added later count too.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], host: str, also: Collection[str] = ()):
        self.app, self.everywhere, self.also = app, host in _EVERYWHERE, also
        own = {socket.gethostname().lower(), socket.getfqdn().lower()} if self.everywhere else {host.lower()}
        self.names = _HERE | own

    async def __call__(self, scope: Message, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        if scope["type"] not in ("http", "websocket") or self.allows(_header(scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            text = b"this page is not served under that name; open it at the address that captioner serve printed"
            headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
            await send({"type": "http.response.start", "status": 421, "headers": headers})
            await send({"type": "http.response.body", "body": text})

    def allows(self, header: str) -> bool:
        """Is this value of the Host header one of the allowed names, with or without a port?"""
        parts = _HOST.fullmatch(header)
        if parts is None:
            return False
        name = (parts["in_brackets"] or parts["bare"]).lower()
        return name in self.names or name in self.also or (self.everywhere and _is_address(name))


def _header(scope: Message) -> str:
    """The Host header; empty if there is none, or more than one."""
    values = [value for name, value in scope["headers"] if name == b"host"]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
