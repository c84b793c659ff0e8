"""What the server answers by itself, when the application never saw the request."""

import json
from dataclasses import dataclass
from http import HTTPStatus

from jarvis.kernel import errors

SECURITY_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
TITLES = {
    400: errors.Malformed.title,
    413: errors.TooLarge.title,
    500: errors.JarvisError.title,
    503: errors.TryAgain.title,
}
DETAIL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served, in words that are safe to show to anybody."""

    status: int
    detail: str
    retry_after_seconds: int | None = None

    @property
    def status_line(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    def headers(self, trace_id: str) -> list[tuple[str, str]]:
        """The headers of the answer, without its length."""
        found = [("Content-Type", "application/problem+json"), ("X-Request-Id", trace_id), *SECURITY_HEADERS]
        if self.retry_after_seconds is not None:
            found.append(("Retry-After", str(self.retry_after_seconds)))
        return found

    def body(self, trace_id: str) -> bytes:
        """RFC 9457 problem details."""
        phrase = HTTPStatus(self.status).phrase
        problem = {
            "type": "about:blank",
            "title": TITLES.get(self.status, phrase),
            "status": self.status,
            "detail": self.detail[:DETAIL_CHARACTERS],
            "trace_id": trace_id,
        }
        return json.dumps(problem).encode()

    def response(self, trace_id: str) -> bytes:
        """The whole HTTP/1.1 answer; it ends the connection."""
        body = self.body(trace_id)
        fields = [*self.headers(trace_id), ("Content-Length", str(len(body))), ("Connection", "close")]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {self.status_line}\r\n{head}\r\n".encode("latin-1") + body
