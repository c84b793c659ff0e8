"""What the pages say to type works as they say."""

import re
import shutil
import sqlite3

import pytest

from docs import generate
from tests.docs.reading import PAGES, fences, missing, name_of, saved, steps, without_fences

KINDS = {"console", "console server", "console host", "text", "python", "sql"}
"""What is typed on a host with systemd is tried in tests/deploy."""


@pytest.mark.parametrize("page", [page for page in PAGES if steps(page)], ids=name_of)
def test_a_page_can_be_followed(page, make_shell):
    if any("curl " in step.command for step in steps(page)) and shutil.which("curl") is None:
        pytest.skip("there is no curl")
    shell = make_shell()
    for name, text in saved(page).items():
        (shell.folder / name).write_text(shell.here(text))
    for step in steps(page):
        fault = shell.fault(step)
        assert not fault, fault
    assert types_recorded(shell.home) <= types_documented()


def types_recorded(home):
    """The types of event that following a page left in its home."""
    if not (home / "jarvis.db").exists():
        return set()
    connection = sqlite3.connect(home / "jarvis.db")
    try:
        return {kind for (kind,) in connection.execute("SELECT DISTINCT type FROM events")}
    finally:
        connection.close()


def types_documented():
    return set(re.findall(r"^\| `([\w.]+)`", generate.events(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_whether_it_is_run(page):
    assert {fence.kind for fence in fences(page)} <= KINDS
    indented = re.findall(
        r"^(?: {4}|\t)(?:\$ |jarvis |make |python3? ).*", without_fences(page.read_text("utf-8")), re.M
    )
    assert not indented, "commands stand in a fenced block"


def test_expected_lines_stand_in_order_and_may_leave_things_out():
    printed = "one 1\ntwo 2\nthree 3\n"
    assert missing(("one …", "three 3"), printed) is None
    assert missing(("…", "two 2", "…"), printed) is None
    assert missing(("three 3", "one 1"), printed) == "one 1"
    assert missing(("two",), printed) == "two"
