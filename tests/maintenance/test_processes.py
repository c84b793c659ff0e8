"""Nothing a command starts outlives it, whatever it does; and nothing it does holds us up."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jarvis.kernel import programs
from jarvis.kernel.db import Database
from jarvis.maintenance import commands
from jarvis.maintenance.commands import MARK, Command
from jarvis.maintenance.output import Output


@pytest.fixture
def run(tmp_path):
    """Run a command; its outcome and its output. Afterwards nothing with its mark may live."""
    marks = []

    def go(text, timeout=15.0, is_cancelled=lambda: False):
        mark = f"test.{os.getpid()}.{time.monotonic_ns()}"
        marks.append(mark)
        output = Output(tmp_path / f"{len(marks)}.log", lambda text: text)
        environment = {"PATH": os.environ["PATH"], MARK: mark}
        outcome = Command(text, tmp_path, environment, timeout, output, is_cancelled, lambda sign: None).run()
        return outcome, output.close()

    yield go
    assert [pid for mark in marks for pid in commands.marked(mark)] == []


def python(code):
    return f"{sys.executable} -c '{code}'"


def test_the_exit_code_is_the_commands(run):
    assert run("exit 7")[0] == commands.Outcome("exit", 7, 0, 0)


def test_a_signal_is_told_as_a_shell_tells_it(run):
    assert run("kill -SEGV $$")[0].exit_code == 128 + signal.SIGSEGV


def test_standard_input_is_empty(run):
    assert run("cat; echo done")[1].head == "done\n"


def test_a_child_left_behind_is_ended(run):
    outcome, _ = run("sleep 600 & echo started")
    assert (outcome.exit_code, outcome.killed) == (0, 1)


def test_children_in_sessions_of_their_own_are_ended(run):
    outcome, _ = run("setsid sleep 600 & (setsid setsid sleep 601 &) ; (sleep 602 &) & exit 0")
    assert outcome.exit_code == 0
    assert outcome.left == 0


def test_a_daemon_that_forgets_where_it_came_from_is_ended(run):
    code = (
        "import os, time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "os.closerange(0, 3)\n"
        'os.execve("/bin/sleep", ["sleep", "600"], {})\n'
    )
    outcome, _ = run(python(code))
    assert (outcome.exit_code, outcome.left) == (0, 0)
    assert not sleepers("600")


def sleepers(argument):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", argument.encode()]:
                found.append(int(entry.name))
    return found


def test_the_time_is_up_for_what_ignores_being_asked(run, monkeypatch):
    monkeypatch.setattr(programs, "GRACE_SECONDS", 0.2)
    outcome, _ = run("trap '' TERM; while :; do sleep 600; done", timeout=0.3)
    assert (outcome.reason, outcome.exit_code, outcome.left) == ("timeout", 137, 0)


def test_a_stop_ends_everything(run):
    began = time.monotonic()
    outcome, _ = run("sleep 600 & sleep 601", is_cancelled=lambda: time.monotonic() - began > 0.3)
    assert (outcome.reason, outcome.left) == ("stop", 0)


def test_a_command_that_kills_its_keeper_is_ended_all_the_same(run):
    outcome, _ = run("setsid sleep 603 & kill -9 $PPID; sleep 604")
    assert outcome.reason == "lost"
    assert not sleepers("603")
    assert not sleepers("604")


def test_endless_output_is_bounded_in_memory_disk_and_time(run, tmp_path):
    outcome, ends = run("yes what a day", timeout=1.5)
    assert outcome.reason == "timeout"
    assert ends.total_bytes > 1_000_000
    assert sum(path.stat().st_size for path in tmp_path.glob("*.*")) < 600_000
    assert ends.head.startswith("what a day\n")
    assert ends.tail.endswith("what a day\n")


def test_endless_output_without_a_line_end_is_bounded_too(run, tmp_path):
    _, ends = run("yes | tr -d '\\n'", timeout=1.0)
    assert ends.total_lines <= 1  # the shell may still say "Terminated"
    assert sum(path.stat().st_size for path in tmp_path.glob("*.*")) < 600_000


def test_a_tree_that_keeps_growing_is_ended(run, monkeypatch):
    """A fork bomb kept small: each process starts another and ends, so that the pids never stand still."""
    monkeypatch.setattr(programs, "GRACE_SECONDS", 0.2)
    code = (
        "import os, time, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "width = [os.fork() for _ in range(3)]\n"  # eight processes
        "end = time.monotonic() + 30\n"
        "while time.monotonic() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid(); time.sleep(0.005)\n"
    )
    outcome, _ = run(f"{python(code)}; sleep 605", timeout=1.0)
    assert (outcome.reason, outcome.left) == ("timeout", 0)


def test_when_jarvis_dies_its_commands_die_with_it(tmp_path):
    program = (
        "import os, sys; from pathlib import Path\n"
        "from jarvis.maintenance.commands import MARK, Command\n"
        "from jarvis.maintenance.output import Output\n"
        "place = Path(sys.argv[1])\n"
        "output = Output(place / '1.log', lambda text: text)\n"
        "environment = {'PATH': os.environ['PATH'], MARK: 'test.orphan'}\n"
        "Command('(setsid sleep 606 &); echo up; sleep 607', place, environment, 60, output,"
        " lambda: False, lambda sign: print(sign, flush=True)).run()\n"
    )
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert child.stdout is not None
    assert len(child.stdout.readline().split()) == 3
    child.kill()
    child.wait()
    child.stdout.close()
    assert gone(lambda: sleepers("606") + sleepers("607") + commands.marked("test.orphan"))


def gone(find, seconds=10.0):
    """Whether nothing is found any more, before long."""
    waiting, deadline = threading.Event(), time.monotonic() + seconds
    while find() and time.monotonic() < deadline:
        waiting.wait(0.02)
    return not find()


def test_what_a_dead_keeper_left_is_found_by_its_mark_and_nothing_else_is_touched():
    marked = subprocess.Popen(["sleep", "608"], env={MARK: "run_x.1", "PATH": "/bin:/usr/bin"})
    other = subprocess.Popen(["sleep", "609"], env={MARK: "run_x.10", "PATH": "/bin:/usr/bin"})
    try:
        stale = f"{programs._boot()} {other.pid} 1"
        assert commands.end_marked("run_x.1", stale) == 1
        assert marked.wait(5) == -9
        assert other.poll() is None, "a pid is believed with its start only"
    finally:
        other.kill()
        other.wait()


def test_no_command_starts_inside_a_write(ctx: "object", tmp_path):
    db: Database = ctx.db
    command = programs.Program(["/bin/true"], tmp_path, {MARK: "x"}, 1, lambda data: None, lambda: False)
    with pytest.raises(RuntimeError, match="inside a write"), db.write():
        command.run()
