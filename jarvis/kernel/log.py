"""Log lines on standard error: one line each, as text or JSON, with trace ids and no secrets."""

import contextvars
import json
import logging
import re
import sys

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.secrets import Redactor

trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="")
"""The trace id of what this thread is doing, for its log lines."""

CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]"
)


def escape_control(text: str) -> str:
    """Make control, bidirectional and invisible characters visible; line ends and tabs stay."""
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str) -> str:
    """Text as a single line that no input can forge another with."""
    return escape_control(text).replace("\n", "\\n")


class Lines(logging.Formatter):
    """Formats a record as one line of text or JSON. In text a traceback follows, indented."""

    def __init__(self, style: str, redactor: Redactor) -> None:
        super().__init__()
        self._json = style == "json"
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """One record, without secrets; what it says cannot look like another record."""
        message = self._redactor.text(record.getMessage())
        raised = self._redactor.text(self.formatException(record.exc_info)) if record.exc_info else ""
        at = rfc3339(int(record.created * 1_000_000))
        name = record.name.removeprefix("jarvis.")
        if self._json:
            line = {"time": at, "level": record.levelname, "logger": name, "message": message}
            line |= {"traceback": raised} if raised else {}
            line |= {"trace_id": trace.get()} if trace.get() else {}
            return escape_control(json.dumps(line, ensure_ascii=False))  # \\uXXXX is JSON's own escape
        mark = f" [{trace.get()}]" if trace.get() else ""
        text = one_line(message) + (escape_control("\n" + raised).replace("\n", "\n    ") if raised else "")
        return f"{at} {record.levelname} {name}{mark}: {text}"


def configure(level: str, style: str, redactor: Redactor) -> None:
    """Send every log line of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(style, redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.raiseExceptions = False  # a closed standard error must not take a request down
