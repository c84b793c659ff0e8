"""`jarvis events`: tail, search, verify, export."""

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jarvis.events import actions, cli, store
from jarvis.kernel.console import Console
from jarvis.kernel.errors import Denied, Invalid, Usage
from tests.commandline import Start, as_cli, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def jarvis(ctx, settings, clock):
    return lambda line, **more: run(cli, line, Start(more.pop("by", None) or as_cli(ctx), settings, clock), **more)


def test_tail_shows_the_newest_last(jarvis, record):
    record("task.retried", name="first")
    record("task.failed", name="second", attempts=2, error="no room")
    lines = jarvis("events tail --count 2").out.splitlines()
    assert lines[0].split() == ["AT", "TYPE", "ACTOR", "WHAT"]
    assert lines[1].startswith("2026-11-23 02:46:00Z  task.retried")
    assert lines[2].endswith("second gave up after 2 attempts: no room")


def test_json_is_a_page_newest_first(jarvis, record):
    record("task.retried", name="first")
    record("task.failed", name="second")
    page = jarvis("events tail --type task. --count 1", is_json=True).json
    assert [item["type"] for item in page["items"]] == ["task.failed"]
    assert page["next"] == str(page["items"][0]["seq"])


def test_search_finds_words_and_prefixes(jarvis, record):
    record("bug.recurred", title="Tide tables fail")
    assert "Tide tables fail happened again" in jarvis("events search tide tab*").out
    assert jarvis("events search nothing-like-it").out == "Nothing like that is recorded.\n"
    with pytest.raises(Invalid):
        jarvis("events search '\"'")


def test_export_is_one_json_object_a_line(jarvis, record):
    record("bug.recurred", title="Tide\ntables")
    lines = jarvis("events export --type bug.").out.splitlines()
    assert [json.loads(line)["data"] for line in lines] == [{"title": "Tide\ntables"}]


def test_as_a_user_only_their_threads_are_seen(jarvis, as_user, thread_of, record):
    record("task.failed", name="secret")
    thread_of("alice")
    found = jarvis("events tail", by=as_user("alice"), is_json=True).json["items"]
    assert [item["type"] for item in found] == ["thread.created"]
    with pytest.raises(Denied):
        jarvis("events verify", by=as_user("alice"))


def test_verify_tells_count_and_head(jarvis):
    ran = jarvis("events verify", is_json=True)
    assert ran.code == 0
    assert ran.json["ok"] is True
    assert ran.json["count"] == ran.json["head_seq"] > 0
    assert len(ran.json["head_hash"]) == 64
    assert "The chain is intact" in jarvis("events verify").out


def test_verify_names_what_was_changed_and_fails(jarvis, ctx, record):
    record("task.failed", name="backup")
    with ctx.db.write() as tx:
        tx.run("UPDATE events SET actor = 'somebody else' WHERE type = 'task.failed'")
    ran = jarvis("events verify")
    assert ran.code == 1
    assert "The chain is broken: 1 problems" in ran.out
    assert "one was changed or removed" in ran.out


def test_a_count_that_is_none_is_a_usage_error(jarvis):
    with pytest.raises(Usage):
        jarvis("events tail --count many")


def test_what_happened_cannot_steer_the_terminal(jarvis, record):
    record("bug.recurred", title="\x1b[31mred\x1b[0m\nforged line")
    assert "\x1b" not in jarvis("events tail --count 1").out
    assert len(jarvis("events tail --count 1").out.splitlines()) == 2


def test_a_tail_gives_what_comes_and_nothing_twice(ctx, record):
    tail = actions.Tail(ctx.db, store.Filter(type="task."), store_end(ctx))
    assert tail.step(0) == []
    record("task.failed", name="one")
    record("bug.recurred", title="not asked for")
    record("task.retried", name="two")
    assert [event.type for event in tail.step(10)] == ["task.failed", "task.retried"]
    assert tail.step(0) == []


def test_following_sees_what_another_process_records(settings, ctx, clock):
    """The follower sleeps for an hour at a time: only being told can wake it."""
    out, wrote = io.StringIO(), threading.Event()

    class Telling(io.StringIO):
        def write(self, text):
            out.write(text)
            if "login_failed" in text:
                wrote.set()
                raise KeyboardInterrupt
            if "thread.created" in text:
                ready.set()
            return len(text)

    ready = threading.Event()
    with ctx.db.write() as tx:
        tx.record("thread.created", "thread/1", {"title": "begin"})

    def follow():
        acting = as_cli(ctx)
        args = dict.fromkeys(("--type", "--actor", "--trace", "--thread", "--since", "--until"))
        args |= {"verify": False, "export": False, "search": False, "--follow": True, "--count": "1"}
        with pytest.raises(KeyboardInterrupt):
            cli.run(Start(acting, settings, clock), args, Console(False, Telling(), io.StringIO(), io.StringIO()))
        ctx.db.close()

    thread = threading.Thread(target=follow)
    thread.start()
    assert ready.wait(10)
    subprocess.run(
        [sys.executable, "-c", RECORD, str(settings.jarvis_home)],
        check=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        timeout=30,
    )
    assert wrote.wait(10)
    thread.join(10)
    assert not thread.is_alive()
    assert "a sign-in as somebody failed" in out.getvalue()


RECORD = """
import pathlib, sys
from jarvis import app
from jarvis.kernel import config, registry
from jarvis.kernel.clock import system_clock
settings = config.load({"JARVIS_HOME": sys.argv[1]}, None, pathlib.Path("/"))
ctx = app.make_context(settings, system_clock, registry.Registry())
with ctx.db.write() as tx:
    tx.record("auth.login_failed", "user/somebody")
"""


def store_end(ctx):
    with ctx.db.read() as tx:
        return store.newest_seq(tx)
