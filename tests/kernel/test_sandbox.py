"""The cage against what is meant to get out of it, in bubblewrap and in Landlock."""

import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from jarvis.kernel import sandbox
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.programs import MARK, marked
from jarvis.kernel.sandbox import Cage

WORKING = sandbox.kinds()
PYTHON = os.path.realpath(sys.executable)
PREFIX = Path(sys.base_prefix)


@pytest.fixture(params=["bwrap", "landlock"])
def kind(request):
    if request.param not in WORKING:
        pytest.skip(f"{request.param} does not work on this host")
    return request.param


@pytest.fixture
def place(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    return inside


def cage(place, **changes):
    given = {"cwd": place, "read": (PREFIX,), "write": (place,), "env": {"PATH": "/usr/bin:/bin"}, "seconds": 30.0}
    return Cage(**given | changes)


def python(code, place, kind, **changes):
    more = {name: changes.pop(name) for name in ("is_cancelled",) if name in changes}
    return sandbox.run([PYTHON, "-I", "-S", "-c", code], cage(place, **changes), kind, **more)


def test_it_runs_and_says_how_it_ended(place, kind):
    found = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", place, kind)
    assert (found.exit_code, found.killed_for, found.kind) == (3, "", kind)
    assert set(found.output.split()) == {b"out", b"err"}


def test_it_writes_where_it_may_and_nowhere_else(place, kind, tmp_path):
    code = f"""
open({str(place / "mine")!r}, "w").write("x")
for path in ({str(tmp_path / "outside")!r}, "/etc/jarvis-test", "/usr/jarvis-test"):
    try:
        open(path, "w").write("x")
        print("wrote", path)
    except OSError as error:
        print("refused")
"""
    found = python(code, place, kind)
    assert found.output.split()[-2:] == [b"refused"] * 2, found.output  # a /tmp of its own may be written
    assert (place / "mine").read_text() == "x"
    assert not (tmp_path / "outside").exists()


def test_it_does_not_see_what_it_was_not_given(place, kind, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (place / "link").symlink_to(tmp_path / "secret")
    code = f"""
for path in ({str(tmp_path / "secret")!r}, {str(place / "link")!r}, {str(place / "../secret")!r}, "/root/.bashrc"):
    try:
        print(open(path).read()[:6])
    except OSError:
        print("refused")
"""
    assert python(code, place, kind).output.split() == [b"refused"] * 4


def test_it_reaches_no_network(place, kind):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"""
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), 2)
    print("connected")
except OSError:
    print("refused")
"""
        assert python(code, place, kind).output.split() == [b"refused"]


def test_it_sees_no_environment_but_its_own(place, kind, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "planted")
    code = "import os; print(sorted(n for n in os.environ if n not in ('PWD', 'LC_CTYPE')))"
    said = python(code, place, kind).output.decode()
    assert "GITHUB_TOKEN" not in said
    assert "PATH" in said


def test_endless_output_ends_it_and_both_ends_are_kept(place, kind):
    code = "import sys\nprint('FIRST')\nwhile True: sys.stdout.write('x' * 65536)"
    found = python(code, place, kind, output_bytes=10_000)
    assert found.killed_for == "output"
    assert found.output.startswith(b"FIRST")
    assert len(found.output) <= 10_000
    assert found.left_out_bytes > 0


def test_time_is_up(place, kind):
    assert python("while True: pass", place, kind, seconds=0.5).killed_for == "timeout"


def test_memory_is_bounded_over_all_its_processes(place, kind):
    code = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        hold = bytearray(60_000_000)
        for n in range(0, len(hold), 4096): hold[n] = 1
        time.sleep(60)
time.sleep(60)
"""
    assert python(code, place, kind, memory_bytes=150_000_000).killed_for == "memory"


def test_a_fork_bomb_is_stopped(place, kind):
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    assert python(code, place, kind, processes=20).killed_for == "processes"


def test_detached_children_do_not_outlive_it(place, kind):
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 10)
        time.sleep(600)
    os._exit(0)
"""
    before = set(sleeping())
    assert python(code, place, kind).exit_code == 0
    assert set(sleeping()) <= before


def sleeping():
    """Processes of this test that sit in a detached Python."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"time.sleep(600)" in entry.read_bytes() and entry.parent.name != str(os.getpid()):
                yield entry.parent.name
        except OSError:
            continue


def test_somebody_may_stop_it(place, kind):
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    assert python("import time; time.sleep(60)", place, kind, is_cancelled=stop.is_set).killed_for == "cancelled"


def test_it_gains_no_privilege(place, kind):
    code = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('NoNewPrivs')][0])"
    assert python(code, place, kind).output.split() == [b"1"]


def test_a_large_file_is_cut_off(place, kind):
    code = "f = open('big', 'wb')\nwhile True: f.write(b'x' * 65536)"
    python(code, place, kind, file_bytes=1_000_000)
    assert (place / "big").stat().st_size <= 1_000_000


def test_without_a_cage_it_runs_when_that_is_meant(place):
    assert sandbox.choose("none") == "none"
    assert python("print('free')", place, "none").output == b"free\n"


def test_a_cage_that_does_not_work_is_refused(monkeypatch):
    monkeypatch.setattr(sandbox, "kinds", lambda: ())
    for setting in ("auto", "bwrap", "landlock"):
        with pytest.raises(Unavailable):
            sandbox.choose(setting)


def test_nothing_is_left_of_anything():
    assert marked("cage.") == []
    assert MARK
