"""The one place where an exception becomes an HTTP answer."""

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from jarvis.kernel.errors import FieldError, JarvisError, MethodNotAllowed
from jarvis.web.routes import Reply

log = logging.getLogger(__name__)

ADVICE = {
    400: "Go back and try again. If a link on one of these pages brought you here, tell an admin.",
    403: "Ask an admin for the right to do this, or sign in as somebody who has it.",
    404: "Check the address, or go on from the menu. What belongs to somebody else is not shown either.",
    405: "Go back to the page you came from and use its buttons.",
    409: "Go back and reload the page to see how things stand now.",
    413: "Send less at once.",
    422: "Go back, mend what is named above and send it again.",
    429: "Wait a moment, then try again.",
    500: "Try once more. If it happens again, give an admin the id below: it finds the log line and the events.",
    503: "Wait a moment and reload. On the host, jarvis doctor says what is wrong.",
}


class WrongMethod(MethodNotAllowed):
    """The address exists; `allow` lists the methods it takes."""

    def __init__(self, allow: str) -> None:
        super().__init__("This address does not take that method.")
        self.allow = allow


@dataclass(frozen=True, slots=True)
class FaultPage:
    """What a person is told when something did not work."""

    status: int
    title: str
    detail: str
    advice: str
    trace_id: str
    faults: tuple[FieldError, ...]


def known(error: Exception) -> JarvisError:
    """The error itself when it may be shown, else one that says nothing of it."""
    return error if isinstance(error, JarvisError) else JarvisError()


def problem(error: Exception, trace_id: str) -> dict[str, Any]:
    """RFC 9457: what happened, safe for anybody to read."""
    said = known(error)
    shown: dict[str, Any] = {
        "type": f"about:blank#{said.code}" if said.code != "internal" else "about:blank",
        "title": said.title,
        "status": said.status,
        "detail": str(said),
        "trace_id": trace_id,
    }
    if said.fields:
        shown["errors"] = [{"field": f.field, "message": f.message} for f in said.fields]
    return shown


def page(error: Exception, trace_id: str) -> FaultPage:
    """The same for a person."""
    said = known(error)
    advice = ADVICE.get(said.status, "Go back and try again.")
    detail = "" if str(said) == said.title else str(said)
    return FaultPage(said.status, said.title, detail, advice, trace_id, said.fields)


def headers_of(error: Exception) -> dict[str, str]:
    """Headers that go with an error: when to come back, how to sign in, what is taken instead."""
    headers = {"Cache-Control": "no-store"}
    said = known(error)
    if said.retry_after_seconds is not None:
        headers["Retry-After"] = str(said.retry_after_seconds)
    elif said.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers["Retry-After"] = "5"
    if said.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(said, WrongMethod):
        headers["Allow"] = said.allow
    return headers


def as_problem(error: Exception, trace_id: str) -> Reply:
    """The error as application/problem+json."""
    body = json.dumps(problem(error, trace_id), ensure_ascii=False).encode("utf-8", "replace")
    return Reply(known(error).status, body, {"Content-Type": "application/problem+json"} | headers_of(error))


def report(error: Exception, method: str, path: str) -> None:
    """Log what nobody expected, with its traceback; expected refusals are not the log's business."""
    if not isinstance(error, JarvisError):
        log.error("%s %s failed", method, path, exc_info=error)
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s %s: %s", method, path, error)
