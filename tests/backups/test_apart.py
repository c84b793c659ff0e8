"""A server's backups are made in a process of their own, which gives way to others and ends with the server."""

import json
import os
import subprocess
import sys
import time

import apsw
import pytest

from jarvis.archive import launch
from jarvis.backups import actions, apart, packing
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.registry import StatusPart


@pytest.fixture
def server(ctx):
    """A context such as a server's, by its registry."""
    ctx.registry.add(StatusPart("checks", lambda ctx: {}))
    return ctx.traced()


def test_a_server_makes_the_same_backup_elsewhere(server, monkeypatch):
    def refuse(*args, **more):
        raise AssertionError("made in the server itself")

    monkeypatch.setattr(packing, "make", refuse)
    made = actions.snapshot(server, "interval")
    assert json.loads(made.counts)["users"] == 5
    assert actions.verify(server, made.id).problem is None


def test_what_went_wrong_there_is_said_here(server, tmp_path):
    with pytest.raises(Unavailable, match=r"not a database|damaged"):
        (tmp_path / "no.db").write_bytes(b"no database at all " * 100)
        apart.make(tmp_path / "no.db", tmp_path, 10)
    with pytest.raises(Unavailable):
        apart.make(tmp_path / "missing.db", tmp_path, 10)


@pytest.mark.parametrize("told", [b"", b"{}", b"[]", b'{"contents": {"head": []}}'])
def test_an_answer_that_is_none_is_no_backup(told):
    with pytest.raises(Unavailable, match="did not say"):
        apart._made(told)


def test_it_gives_way_to_everybody_else(monkeypatch, settings, tmp_path, capsys):
    nice = []
    monkeypatch.setattr(os, "nice", nice.append)
    assert apart.main([launch.BACKUP, str(os.getppid()), str(settings.app_db), str(tmp_path), "10"]) == 0
    assert json.loads(capsys.readouterr().out)["contents"]["counts"]["users"] == 5
    assert sum(nice) == apart.PACKING_NICE
    assert nice[0] < apart.PACKING_NICE, "the copy has to end soon: a log grows meanwhile"


def test_started_by_somebody_who_is_gone_it_does_nothing(settings, tmp_path):
    assert (
        apart.main([launch.BACKUP, "1" if os.getppid() != 1 else "2", str(settings.app_db), str(tmp_path), "10"]) == 69
    )
    assert list(tmp_path.glob("copy.db*")) == []


@pytest.mark.parametrize("words", [[], ["x", "a", "b", "1"], ["1", "a", "b", "x"], ["1", "a", "b", "1", "2"]])
def test_typed_by_hand_it_says_what_to_type(words, capsys):
    assert apart.main([launch.BACKUP, *words]) == 64
    assert "jarvis backup create" in capsys.readouterr().err


def test_it_ends_with_whoever_started_it(tmp_path):
    """Its parent is killed while it waits for a database that somebody else has locked: it must not stay."""
    source = tmp_path / "locked.db"
    holder = apsw.Connection(str(source))
    holder.execute("CREATE TABLE x (y); BEGIN EXCLUSIVE")
    words, environ, _ = apart.command()
    code = (
        "import os, subprocess, time;"
        f"told = [str(os.getpid()), {str(source)!r}, {str(tmp_path)!r}, '1'];"
        f"child = subprocess.Popen({words!r} + told, env={environ!r});"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    until(lambda: (tmp_path / "copy.db").exists())
    assert _runs(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not _runs(child), 5.0)  # by itself it would wait for twice as long
    holder.close()


def until(is_so, seconds=30.0):
    """Look until it is so: nobody tells us of a grandchild's doings."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
