"""What a process shows to others, what it starts, and how its parent writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jarvis.linelog import LineLog
from jarvis.process import Checkout, HeldArchive

ROOT = Path(__file__).parent.parent.parent

# As another account would start us: an exec makes a process dumpable, setuid alone does the reverse.
SECRETIVE = """
import ctypes, os, sys
sys.path.insert(0, sys.argv[1])
from jarvis.process import conceal
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
if sys.argv[2] == "conceal":
    assert conceal()
print("ready", flush=True)
sys.stdin.read()
"""
CURIOUS = """
import os, sys
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(0 if b"TOP_SECRET" in open(f"/proc/{sys.argv[1]}/environ", "rb").read() else 1)
"""


def is_read_by_another_process(conceal: str) -> bool:
    command = [sys.executable, "-c", SECRETIVE, str(ROOT), conceal]
    environ = {**os.environ, "TOP_SECRET": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout.readline() == b"ready\n"
        reader = [sys.executable, "-c", CURIOUS, str(process.pid)]
        seen = subprocess.run(reader, capture_output=True, timeout=30)
        process.stdin.close()
    assert seen.returncode == 0 or b"PermissionError" in seen.stderr, seen.stderr
    return seen.returncode == 0


def test_a_concealed_process_shows_its_environment_to_nobody_of_the_same_user():
    assert is_read_by_another_process("open")
    assert not is_read_by_another_process("conceal")


def test_the_worker_is_concealed(start):
    server = start()
    server.hear("READY=1")
    assert server.get("/dumpable") == "0"


def test_the_supervisor_is_concealed(tmp_path):
    code = (
        "import ctypes, sys; sys.path.insert(0, sys.argv[1]); from jarvis import supervisor;"
        "from jarvis.process import HeldArchive; supervisor.main([], HeldArchive(sys.argv[2]));"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    archive = tmp_path / "empty.py"
    archive.touch()
    ran = subprocess.run([sys.executable, "-c", code, str(ROOT), archive], capture_output=True, timeout=30)
    assert ran.stdout == b"0\n", ran.stderr


def test_the_supervisor_imports_little():
    code = "import sys, jarvis.supervisor; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    loaded = set(ran.stdout.split())
    ours = {name for name in loaded if name.partition(".")[0] == "jarvis"}
    names = ("archive", "archive.swap", "life", "lifeline", "linelog", "process", "signals", "supervisor", "systemd")
    names += ("takeover", "trial")
    assert ours == {"jarvis", *(f"jarvis.{name}" for name in names)}
    assert not loaded & {
        "logging",
        "subprocess",
        "asyncio",
        "argparse",
        "typing",
        "dataclasses",
        "pathlib",
        "threading",
    }


def test_a_held_archive_is_the_file_that_was_opened_until_resolved(tmp_path):
    path = tmp_path / "a.pyz"
    path.write_text("one")
    archive = HeldArchive(str(path))
    (tmp_path / "b.pyz").write_text("two")
    (tmp_path / "b.pyz").rename(path)
    assert os.pread(archive.fd, 10, 0) == b"one"
    archive.resolve()
    assert os.pread(archive.fd, 10, 0) == b"two"
    os.close(archive.fd)


def test_a_descriptor_handed_in_stays_its_owners(tmp_path):
    (tmp_path / "a.pyz").write_text("one")
    fd = os.open(tmp_path / "a.pyz", os.O_RDONLY)
    archive = HeldArchive(str(tmp_path / "a.pyz"), fd)
    archive.resolve()
    assert os.pread(fd, 10, 0) == b"one"
    os.close(fd)
    os.close(archive.fd)


def test_a_checkout_imports_nothing_from_where_it_was_started(tmp_path):
    checkout, hostile = Checkout(), tmp_path / "hostile"
    assert checkout.root == str(ROOT)
    for root, text in (
        (tmp_path / "ours", "import json, sys; print('ours', *sys.argv[1:])"),
        (hostile, "print('theirs')"),
    ):
        (root / "jarvis").mkdir(parents=True)
        (root / "jarvis" / "__init__.py").touch()
        (root / "jarvis" / "__main__.py").write_text(text)
    (hostile / "json.py").write_text("print('theirs')")
    checkout.root = str(tmp_path / "ours")
    ran = subprocess.run([*checkout.command(), "serve", "--port", "0"], cwd=hostile, capture_output=True, text=True)
    assert ran.stdout == "ours serve --port 0\n", ran.stderr


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def written(pipe, *, is_json: bool, text: str) -> str:
    LineLog(is_json=is_json, fd=pipe[1], wall=lambda: 1_795_401_891_120_999_000).warning(text)
    return os.read(pipe[0], 4096).decode()


def test_a_log_line_has_the_kernels_shape(pipe):
    line = written(pipe, is_json=False, text="worker 7 is grün")
    assert line == "2026-11-23T02:44:51.120Z WARNING supervisor: worker 7 is grün\n"


def test_control_and_bidi_characters_are_escaped(pipe):
    line = written(pipe, is_json=False, text="a\nb\x1b[31m\u202e\udc80")
    assert line.endswith("supervisor: a\\nb\\x1b[31m\\u202e\\udc80\n")


def test_a_json_line_is_one_object(pipe):
    line = written(pipe, is_json=True, text="a\nb")
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "time": "2026-11-23T02:44:51.120Z",
        "level": "WARNING",
        "logger": "supervisor",
        "message": "a\nb",
    }


def test_a_closed_log_is_survived():
    LineLog(fd=-1).error("nobody reads this")


def test_nohup_is_respected():
    code = (
        "import signal, sys; sys.path.insert(0, sys.argv[1]); from jarvis.signals import Signals;"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with Signals(signal.SIGHUP): sys.exit(signal.getsignal(signal.SIGHUP) != signal.SIG_IGN)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(ROOT)], timeout=30).returncode == 0
