"""Killed at any instruction: what was acknowledged is there afterwards, and the log's chain is whole."""

import os
import random
import threading
from collections.abc import Callable

import pytest

from jarvis.kernel import events
from jarvis.kernel.db import Database

KILLS = 400 if os.environ.get("JARVIS_PROOF") == "1" else 20

WRITER = """
import sys, threading
from pathlib import Path
from jarvis.kernel.clock import system_clock
from jarvis.kernel.db import Database
from jarvis.kernel.ids import Ids
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.wake import Wake

db = Database.open(Path(sys.argv[1]), system_clock, Ids(system_clock), Redactor(), Wake())

def work(worker):
    n = 0
    while True:
        with db.write() as tx:
            tx.run("INSERT INTO rows (word) VALUES (:word)", word=f"{sys.argv[2]}.{worker}.{n}")
            tx.record("row.added", f"{sys.argv[2]}.{worker}.{n}")
            with db.write() as inner:
                inner.run("UPDATE rows SET word = word || '!' WHERE word = :word", word=f"{sys.argv[2]}.{worker}.{n}")
        sys.stdout.write(f"{sys.argv[2]}.{worker}.{n}\\n")
        sys.stdout.flush()
        n += 1

for worker in range(2):
    threading.Thread(target=work, args=(worker,), daemon=True).start()
sys.stdin.readline()
"""


def test_every_acknowledged_row_survives_kill_9(store: Database, child: Callable) -> None:
    """Each round kills a process with two writing threads after a random number of acknowledgements."""
    store.close()
    chance = random.Random(20_261_123)
    acknowledged: list[str] = []
    for round_number in range(KILLS):
        writer = child(WRITER, store.path, round_number)
        heard = [writer.line() for _ in range(chance.randrange(1, 60))]
        threading.Event().wait(chance.random() * 0.004)  # not to wait for anything: to kill at odd moments
        writer.process.kill()
        heard += writer.process.communicate()[0].split("\n")[:-1]
        acknowledged += heard
    with store.read() as tx:
        words = tx.all(str, "SELECT word FROM rows ORDER BY n")
        subjects = tx.all(str, "SELECT subject FROM events ORDER BY seq")
        verdict = events.verify(tx)
    assert set(acknowledged) <= {word.removesuffix("!") for word in words}
    assert all(word.endswith("!") for word in words), "a transaction was half applied"
    assert [word.removesuffix("!") for word in words] == subjects
    assert verdict.problems == ()
    assert verdict.count == len(subjects) >= len(acknowledged)
    with store.write() as tx:
        assert tx.all(str, "PRAGMA integrity_check") == ["ok"]


@pytest.mark.parametrize("moment", ["inside", "before"])
def test_a_transaction_that_was_not_committed_leaves_nothing(store: Database, child: Callable, moment: str) -> None:
    store.close()
    code = WRITER.split("def work")[0] + (
        """
with db.write() as tx:
    tx.run("INSERT INTO rows (word) VALUES ('lost')")
    tx.record("row.added", "lost")
    print("written", flush=True)
    sys.stdin.readline()
"""
        if moment == "inside"
        else "print('open', flush=True); sys.stdin.readline()"
    )
    writer = child(code, store.path, 0)
    writer.line()
    writer.process.kill()
    writer.process.wait()
    with store.write() as tx:
        assert tx.all(str, "SELECT word FROM rows") == []
        assert events.verify(tx).count == 0
