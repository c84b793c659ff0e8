"""waitress's request parser, stricter, and aware of WebSocket upgrades."""

import re
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest

REQUEST_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Z]+ [\x21-\x7e\x80-\xff]+ HTTP/([0-9]\.[0-9])")
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
PADDED_OR_FOLDED = re.compile(rb"[ \t]{64}|\r\n[ \t]")
CHUNK_LINE_BYTES = 1024
TRAILER_BYTES = 8192
VERSIONS = (b"1.0", b"1.1")


class UnsupportedVersion(BadRequest):  # type: ignore[misc]
    code, reason = 505, "HTTP Version Not Supported"


def inspect(head: bytes) -> None:
    """Refuse a head that waitress would accept or choke on; raises ParsingError.

    waitress's own patterns take seconds on a long malformed request line or on long runs of
    blanks, in the thread that serves everybody, so those never get there. Folded lines are
    refused as RFC 9112 5.2 allows.
    """
    line = head.partition(b"\r\n")[0]
    if REQUEST_LINE.fullmatch(line) is None:
        raise ParsingError("The request line is not valid HTTP/1.1.")
    if CONTROL.search(head) is not None:
        raise ParsingError("The request's head holds a control character.")
    if PADDED_OR_FOLDED.search(head) is not None:
        raise ParsingError("A header is folded or padded.")


def tokens(value: str) -> frozenset[str]:
    """The lower-cased members of a comma-separated header."""
    return frozenset(part.strip().lower() for part in value.split(","))


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """One request; `is_upgrade` when it asks for a WebSocket, then `behind` holds what followed it."""

    error: Any
    body_rcv: Any
    is_upgrade = False
    behind = b""
    path = ""  # waitress logs it for requests so malformed that they have none

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        self._bound_framing()
        if self.error is not None:
            self.completed = True
        if self.completed:
            # waitress would answer 100 Continue to a request without a body, or to one just refused,
            # and then read the next request into this one.
            self.expect_continue = False
        if self.completed and self.error is None and self._asks_for_upgrade():
            self.is_upgrade, self.behind = True, bytes(data[consumed:])
            return len(data)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        try:
            inspect(header_plus)
            super().parse_header(header_plus)
        except ValueError:  # a bad authority in the target, or a length of thousands of digits
            raise ParsingError("The request cannot be parsed.") from None
        if self.version.encode() not in VERSIONS:
            self.error = UnsupportedVersion("This server speaks HTTP/1.1.")
        if self._has_ambiguous_framing():
            raise ParsingError("Transfer-Encoding does not go with Content-Length or HTTP/1.0.")

    def _has_ambiguous_framing(self) -> bool:
        """Whether two servers could disagree where this request ends (RFC 9112 6.1)."""
        if self.chunked:
            return "CONTENT_LENGTH" in self.headers
        return "TRANSFER_ENCODING" in self.headers

    def _bound_framing(self) -> None:
        """Chunk lines and trailers are joined byte by byte by waitress: keep them short."""
        if not self.chunked or self.body_rcv is None or self.error is not None:
            return
        if len(self.body_rcv.control_line) > CHUNK_LINE_BYTES or len(self.body_rcv.trailer) > TRAILER_BYTES:
            self.error = BadRequest("A chunk's size line or the trailer is too long.")

    def _asks_for_upgrade(self) -> bool:
        return (
            "UPGRADE" in self.headers
            and self.version == "1.1"
            and self.body_rcv is None
            and self.command == "GET"
            and "websocket" in tokens(self.headers["UPGRADE"])
            and "upgrade" in tokens(self.headers.get("CONNECTION", ""))
        )
