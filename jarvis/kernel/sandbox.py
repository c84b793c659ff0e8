"""Running a program in a cage: only these paths, no network, bounded in time, memory, processes and output.

bubblewrap gives it namespaces of its own; Landlock, where there is no bubblewrap, takes rights from the process
itself. Landlock alone shuts the network by a namespace where it may make one, else TCP only; and other processes of
the same user stay visible in /proc.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jarvis.kernel.errors import Unavailable
from jarvis.kernel.keeper import SPARE
from jarvis.kernel.programs import MARK, Program

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc")
"""What programs need to start: readable, never writable."""
HIDDEN_IN_ETC = ("shadow", "gshadow", "shadow-", "gshadow-", "ssh", "ssl/private", "sudoers", "sudoers.d", "jarvis")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
APART = ("--unshare-user-try", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--die-with-parent")
"""Namespaces of its own. Not for its host name and control group: it may change neither, and a service that may make
fewer kinds of namespaces is the better contained one."""
OVERFLOW = 4
"""A program that writes so many times what is kept is ended: nobody will read it."""


@dataclass(frozen=True, slots=True)
class Cage:
    """What a program gets, and no more. Zero means no limit of that kind."""

    cwd: Path
    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 60.0
    memory_bytes: int = 1 << 30
    processes: int = 64
    file_bytes: int = 1 << 30
    output_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended. `killed_for` is "", "timeout", "memory", "processes", "output", "cancelled" or "lost"."""

    exit_code: int | None
    killed_for: str
    output: bytes
    """Both ends of what it wrote, errors among it."""
    left_out_bytes: int
    kind: str

    @property
    def is_ok(self) -> bool:
        return self.exit_code == 0 and not self.killed_for


@dataclass(slots=True)
class Ends:
    """The first and the last half of what may be kept."""

    most: int
    first: bytearray = field(default_factory=bytearray)
    last: bytearray = field(default_factory=bytearray)
    total: int = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        room = self.most // 2 - len(self.first)
        self.first += data[: max(0, room)]
        self.last += data[max(0, room) :]
        del self.last[: max(0, len(self.last) - self.most // 2)]

    @property
    def left_out(self) -> int:
        return self.total - len(self.first) - len(self.last)


def kinds() -> tuple[str, ...]:
    """The cages that really work on this host, the best first; each is tried."""
    return tuple(kind for kind in ("bwrap", "landlock") if _works(kind))


def choose(setting: str) -> str:
    """The cage for a setting of auto, bwrap, landlock or none. Raises Unavailable when there is none."""
    if setting == "none":
        return "none"
    found = kinds()
    if setting == "auto" and found:
        return found[0]
    if setting in found:
        return setting
    raise Unavailable(
        "Neither bubblewrap nor Landlock works on this host: install bubblewrap, or set EXEC_HOST_SANDBOX=none if you"
        " mean to run without a cage."
        if setting == "auto"
        else f"EXEC_HOST_SANDBOX={setting} does not work on this host."
    )


def _works(kind: str) -> bool:
    if kind == "landlock":
        import ctypes

        return int(ctypes.CDLL(None).syscall(444, None, 0, 1)) >= 1
    program = shutil.which("bwrap")
    if program is None:
        return False
    command = [program, *APART, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run(
    argv: list[str],
    cage: Cage,
    kind: str,
    *,
    is_cancelled: Callable[[], bool] = lambda: False,
    on_output: Callable[[bytes], None] = lambda data: None,
    listener: int | None = None,
) -> Outcome:
    """Run argv[0], an absolute path, to its end; nothing is left of it afterwards. Not to be called inside a write.

    `listener`, a socket, is its third descriptor: the only way in, as the cage shuts the network.
    """
    ends, overflow = Ends(cage.output_bytes), cage.output_bytes * OVERFLOW

    def take(data: bytes) -> None:
        ends.add(data)
        on_output(data)

    mark = f"cage.{secrets.token_hex(8)}"
    program = Program(
        _wrapped(argv, cage) if kind == "bwrap" else list(argv),
        Path("/") if kind == "bwrap" else cage.cwd,
        {**cage.env, MARK: mark},
        cage.seconds,
        take,
        lambda: is_cancelled() or ends.total > overflow,
        limits=_limits(cage, kind),
        listener=listener,
    )
    found = program.run()
    reasons = {"exit": "", "stop": "output" if ends.total > overflow else "cancelled"}
    output = bytes(ends.first + ends.last)
    return Outcome(found.exit_code, reasons.get(found.reason, found.reason), output, ends.left_out, kind)


def _limits(cage: Cage, kind: str) -> dict[str, Any]:
    rlimits = {"CORE": 0, "CPU": max(1, int(cage.seconds) + 1), "NOFILE": 1024}
    rlimits |= {"FSIZE": cage.file_bytes} if cage.file_bytes else {}
    if cage.processes and os.geteuid() != 0:  # it counts all of a user's threads, and does not bind root
        rlimits["NPROC"] = _own_threads() + cage.processes + SPARE
    limits: dict[str, Any] = {"rlimits": rlimits, "memory": cage.memory_bytes}
    # bubblewrap adds two processes of its own: one outside, and the init of the namespace
    limits["processes"] = cage.processes + (2 if kind == "bwrap" else 0) if cage.processes else 0
    if kind == "landlock":
        system = [path for path in SYSTEM if Path(path).exists()]
        read = [*system, "/proc", *map(str, cage.read)]
        limits["landlock"] = {"read": read, "write": [*map(str, cage.write), *DEVICES], "ports": []}
    return limits


def _own_threads() -> int:
    """How many threads this user runs on the host now."""
    count = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and entry.stat().st_uid == os.geteuid():
                count += len(os.listdir(entry / "task"))
    return count


def _wrapped(argv: list[str], cage: Cage) -> list[str]:
    """The bubblewrap command around a program: a root of its own with only what the cage gives."""
    program = shutil.which("bwrap")
    assert program is not None
    words = [program, *APART, "--new-session", "--proc", "/proc", "--dev", "/dev"]
    words += ["--tmpfs", "/tmp", "--clearenv"]  # noqa: S108 — its own
    for top in map(Path, SYSTEM):
        is_link = top.is_symlink()
        words += ["--symlink", str(top.readlink()), str(top)] if is_link else ["--ro-bind-try", str(top), str(top)]
    for name in HIDDEN_IN_ETC:
        hidden = Path("/etc") / name
        if hidden.is_dir():
            words += ["--tmpfs", str(hidden)]
        elif hidden.exists():
            words += ["--ro-bind", "/dev/null", str(hidden)]
    for path in cage.read:
        words += ["--ro-bind", str(path), str(path)]
    for path in cage.write:
        words += ["--bind", str(path), str(path)]
    for name, value in cage.env.items():
        words += ["--setenv", name, value]
    return [*words, "--chdir", str(cage.cwd), "--", *argv]
