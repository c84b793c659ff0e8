"""Log lines: one a record, honest about control characters, without secrets, valid JSON."""

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.kernel import log
from jarvis.kernel.log import Lines, escape_control, one_line
from jarvis.kernel.secrets import MASK, Redactor

SECRET = "hunter2hunter2"


def record(message: str, *args: object, exc_info: object = None) -> logging.LogRecord:
    made = logging.LogRecord("jarvis.kernel.db", logging.WARNING, "f.py", 1, message, args, exc_info)  # type: ignore[arg-type]
    made.created = 1_800_000_000.5
    return made


def line(style: str, message: str, *args: object, exc_info: object = None) -> str:
    return Lines(style, Redactor([SECRET])).format(record(message, *args, exc_info=exc_info))


def raised() -> object:
    try:
        raise ValueError(f"bad {SECRET}\n2027-01-01T00:00:00.000Z ERROR forged: line")
    except ValueError:
        return sys.exc_info()


class TestText:
    def test_time_level_place_and_message(self) -> None:
        assert line("text", "it is %s", "cold") == "2027-01-15T08:00:00.500Z WARNING kernel.db: it is cold"

    def test_a_trace_is_named(self) -> None:
        token = log.trace.set("trc_1")
        try:
            assert " kernel.db [trc_1]: x" in line("text", "x")
            assert json.loads(line("json", "x"))["trace_id"] == "trc_1"
        finally:
            log.trace.reset(token)

    def test_no_message_forges_a_line(self) -> None:
        shown = line("text", "name %s", "x\n2027-01-01T00:00:00.000Z ERROR forged: y\r\x1b[31m\u2028\u202e")
        assert len(shown.splitlines()) == 1
        assert r"x\n2027" in shown
        assert r"\u000d\u001b[31m\u2028\u202e" in shown

    def test_a_traceback_follows_indented_and_cannot_forge_one_either(self) -> None:
        first, *rest = line("text", "it failed", exc_info=raised()).splitlines()
        assert first.endswith("it failed")
        assert rest[0] == "    Traceback (most recent call last):"
        assert all(more.startswith("    ") for more in rest)


class TestJson:
    def test_one_valid_object_on_one_line(self) -> None:
        shown = line("json", "a\nb\x85\u2028\u2029\x7f\x9b“é”🙂", exc_info=raised())
        assert len(shown.splitlines()) == 1
        value = json.loads(shown)
        assert value["message"] == "a\nb\x85\u2028\u2029\x7f\x9b“é”🙂"
        assert value["traceback"].startswith("Traceback")
        assert (value["time"], value["level"], value["logger"]) == ("2027-01-15T08:00:00.500Z", "WARNING", "kernel.db")
        assert "“é”🙂" in shown

    def test_without_a_trace_there_is_no_key_for_it(self) -> None:
        assert "trace_id" not in json.loads(line("json", "x"))

    @given(st.text())
    def test_whatever_is_said_comes_back(self, message: str) -> None:
        shown = Lines("json", Redactor()).format(record("%s", message))
        assert len(shown.splitlines()) == 1
        assert json.loads(shown)["message"] == Redactor().text(message)
        shown.encode()


@pytest.mark.parametrize("style", ["text", "json"])
def test_secrets_are_masked_in_messages_arguments_and_tracebacks(style: str) -> None:
    shown = line(style, f"{SECRET} %s", SECRET, exc_info=raised())
    assert "hunter2" not in shown
    assert shown.count(MASK) == 3


@given(st.text())
def test_one_line_is_one_line_to_everybody(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert escape_control(escape_control(text)) == escape_control(text)


def test_ordinary_text_is_left_alone() -> None:
    assert escape_control("Grüße, 世界 👩‍👧 \t\n") == "Grüße, 世界 👩‍👧 \t\n"


class TestConfigure:
    @pytest.fixture(autouse=True)
    def keep_logging(self):
        root, raising = logging.getLogger(), logging.raiseExceptions
        handlers, level = list(root.handlers), root.level
        yield
        root.handlers[:], logging.raiseExceptions = handlers, raising
        root.setLevel(level)

    def test_everything_goes_to_standard_error_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        for _ in range(2):
            log.configure("INFO", "json", Redactor([SECRET]))
        logging.getLogger("jarvis.x").info("told %s", SECRET)
        logging.getLogger("jarvis.x").debug("not told")
        assert json.loads(written.getvalue())["message"] == f"told {MASK}"

    def test_a_closed_standard_error_takes_nothing_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        closed = io.StringIO()
        monkeypatch.setattr(sys, "stderr", closed)
        log.configure("INFO", "text", Redactor())
        closed.close()
        logging.getLogger("jarvis.x").warning("nobody hears")
