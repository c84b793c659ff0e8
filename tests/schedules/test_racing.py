"""However many passes race, in threads, in processes or killed half-way, an instant is handed over once."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

from jarvis.kernel.clock import SECOND
from jarvis.schedules.actions import dispatching
from tests.schedules.conftest import Bench

ROOT = Path(__file__).parents[2]
TICKS = """
import sys
from pathlib import Path
from jarvis import app
from jarvis.schedules.actions import dispatching
from tests.conftest import StillClock, make_settings
clock = StillClock(int(sys.argv[2]))
ctx = app.make_context(make_settings(Path(sys.argv[1])), clock, app.make_registry())
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    dispatching.tick(ctx)
    clock.step(60)
"""


def once_each(bench: Bench) -> int:
    """How many instants were handed over, after checking that each was so once and has its task and its event."""
    with bench.ctx.db.read() as tx:
        count = tx.one(int, "SELECT count(*) FROM dispatches WHERE task_id IS NOT NULL") or 0
        assert (
            tx.one(int, "SELECT count(DISTINCT schedule_id || due_at) FROM dispatches WHERE task_id IS NOT NULL")
            == count
        )
        assert tx.one(int, "SELECT count(*) FROM events WHERE type = 'schedule.trigger'") == count
        assert tx.one(int, "SELECT count(*) FROM tasks t JOIN dispatches d ON d.task_id = t.id") == count
        assert tx.one(int, "SELECT count(*) FROM tasks") == count
    return count


def test_racing_threads(bench: Bench) -> None:
    schedules = [bench.make(overlap="queue") for _ in range(40)]
    together = threading.Barrier(6)

    def race() -> None:
        together.wait()
        for _ in range(3):
            dispatching.tick(bench.ctx)
        bench.ctx.db.close()

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert once_each(bench) == 40
    for schedule in schedules:
        bench.check_balance(schedule)


def ticker(bench: Bench, home: Path, ticks: int) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", TICKS, str(home), str(bench.clock.now), str(ticks)]
    return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def start_together(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()


def end(process: subprocess.Popen[bytes]) -> int:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    return process.wait(60)


def test_racing_processes(bench: Bench, home: Path) -> None:
    schedules = [bench.make(overlap="allow") for _ in range(20)]
    processes = [ticker(bench, home, 5) for _ in range(3)]
    start_together(processes)
    assert [end(process) for process in processes] == [0, 0, 0]
    assert once_each(bench) == 20 * 5
    bench.clock.step(4 * 60)
    for schedule in schedules:
        bench.check_balance(schedule)


def test_killed_passes_lose_and_double_nothing(bench: Bench, home: Path) -> None:
    rounds = 60 if os.environ.get("JARVIS_PROOF") else 4
    schedules = [bench.make(overlap="allow", catchup="all", max_catchup=1000, grace_seconds=10**7) for _ in range(150)]
    chance = random.Random(rounds)
    for _ in range(rounds):
        process = ticker(bench, home, 3)
        start_together([process])
        stopper = threading.Timer(chance.uniform(0.0, 0.4), process.send_signal, (signal.SIGKILL,))
        stopper.start()
        end(process)
        stopper.cancel()
        bench.clock.step(180)
    bench.tick()
    due = (bench.clock.now - schedules[0].created_at) // (60 * SECOND) + 1
    assert once_each(bench) == 150 * due
    for schedule in schedules[:20]:
        assert bench.check_balance(schedule).due == due
