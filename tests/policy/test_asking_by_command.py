"""`jarvis ask` when a call has to be approved, and when another provider answers."""

import pytest

from jarvis import cli
from jarvis.bugs import store as bugs
from jarvis.policy import store


@pytest.fixture
def jarvis(capsys, settings, monkeypatch):
    """jarvis("ask", …) → (exit code, standard output, standard error), without a server."""
    monkeypatch.setenv("JARVIS_HOME", str(settings.jarvis_home))

    def run(*words):
        code = cli.main(words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_what_waits_is_named_with_what_to_do(jarvis, ctx):
    code, out, err = jarvis("ask", "--new-thread", "file a bug that the tide is late")
    with ctx.db.read() as tx:
        (waiting,) = store.newest_approvals(tx, 5, "pending")
        assert bugs.newest(tx, bugs.Filter(), 5) == []
    assert (code, out) == (75, "I will file the bug “The tide is late” in your name.\n")
    assert f"bugs.create needs an admin's approval: jarvis approval show {waiting.id}" in err
    assert "goes on when that is decided" in err


def test_another_provider_is_named(jarvis, monkeypatch):
    monkeypatch.setenv("PRIMARY_PROVIDER", "openai")
    code, out, err = jarvis("ask", "--new-thread", "is there enough disk?")
    assert (code, "Disk" in out) == (0, True)
    assert "answered by the built-in operator, as openai did not answer" in err
