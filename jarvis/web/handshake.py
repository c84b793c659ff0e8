"""The opening handshake of RFC 6455, taken from a WSGI request."""

import logging
from dataclasses import dataclass
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from jarvis.kernel.errors import Malformed
from jarvis.web.parser import tokens
from jarvis.web.upgrade import ENVIRON_KEY, Adopt

FIELDS = ("Connection", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol")
log = logging.getLogger(__name__)


class BadHandshake(Malformed):
    """The request does not open a WebSocket; answer with these headers besides."""

    headers = (("Sec-WebSocket-Version", "13"),)


@dataclass(frozen=True, slots=True)
class Handshake:
    """What to answer, and how to have it written; `is_html` when the HTML subprotocol was agreed on."""

    response: bytes
    is_html: bool
    upgrade: Any  # Callable[[Adopt], None], as the server put it into the environment

    def hand_over(self, adopt: Adopt) -> None:
        self.upgrade(adopt)


def _header(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


def prepare(environ: dict[str, Any], html_subprotocol: str) -> Handshake:
    """Check the request; raises BadHandshake. Extensions are never agreed on: one encoding serves all."""
    upgrade = environ.get(ENVIRON_KEY)
    if upgrade is None:
        raise BadHandshake("This address speaks WebSocket: send an upgrade request.")
    offered = tokens(environ.get(_header("Sec-WebSocket-Protocol"), ""))
    is_html = html_subprotocol.lower() in offered
    headers = Headers()
    for name in FIELDS:
        if _header(name) in environ:
            headers[name] = environ[_header(name)]
    protocol = ServerProtocol(logger=log)
    response = protocol.accept(Request(environ.get("REQUEST_URI", "/"), headers))
    if response.status_code != 101:
        raise BadHandshake(f"The WebSocket handshake failed: {protocol.handshake_exc}.")
    if is_html:
        response.headers["Sec-WebSocket-Protocol"] = html_subprotocol
    return Handshake(response.serialize(), is_html, upgrade)
