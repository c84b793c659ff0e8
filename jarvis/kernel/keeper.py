"""The process between Jarvis and a program: it owns every descendant and leaves none behind.

Jarvis starts it as `python -c SOURCE`, so it imports nothing but the standard library. It is the
subreaper of the command: whatever the command starts, in whatever group or session, and whoever
dies in between, stays below it in /proc and is found there. It ends everything when the command
exits, when the time is up, or when its standard input closes: that is what Jarvis's death looks like.

Out of its reach is only what is no descendant: work handed to another daemon (systemd-run, at,
cron, a container engine), and what runs as another user, where the kernel refuses the signal.

In: a line of JSON with argv, cwd, timeout and grace; for what is caged also rlimits (name → number), landlock (read,
write, ports), memory (bytes of all processes together), processes, and listener (a descriptor of ours that becomes its
third). Out: a line with the leader's pid and start,
and at the end a line with exit, signal, reason, killed and left. The program writes to our standard error.
"""

import contextlib
import json
import os
import select
import signal
import stat
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself takes longer to import than all the rest
    from typing import Any

PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
KILL_SECONDS = 5.0
PASSES = 200
SPARE = 8
"""So many processes more than are allowed may begin, so that it is seen that the limit was broken."""
LOOK_SECONDS = 0.02
"""How often what is caged is counted and weighed: a fork bomb is stopped before it is many."""
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ = 1 | 1 << 2 | 1 << 3  # execute, read files, read directories
FILE_ONLY = 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
ACCESS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Landlock's rights on files by the version of its interface: linux/landlock.h."""
BIND_TCP, CONNECT_TCP = 1, 2
NEWUSER, NEWNET = 0x10000000, 0x40000000


def main() -> None:
    """Run one command as told on standard input, and report."""
    spec = json.loads(_line())
    _become_subreaper()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    fence = _fence(spec.get("processes", 0))
    leader = _start(spec, fence)
    _report(pid=leader, started=started_at(leader))
    limits = (spec.get("memory", 0), spec.get("processes", 0))
    reason, status = _watch(leader, woken, time.monotonic() + spec["timeout"], limits)
    killed, status = _end(leader, status, spec["grace"])
    left = 0 if _is_childless() else len(descendants())
    if fence:
        with contextlib.suppress(OSError):
            os.rmdir(fence)  # noqa: PTH106 — as little imported as can be
    code = os.waitstatus_to_exitcode(status) if status is not None else None
    is_signal = code is not None and code < 0
    _report(
        exit=None if is_signal else code,
        signal=-code if is_signal and code is not None else None,
        reason=reason,
        killed=killed,
        left=left,
    )


def _line() -> bytes:
    """The first line of standard input, and not a byte more."""
    found = b""
    while not found.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(70)
        found += byte
    return found


def _become_subreaper() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _fence(processes: int) -> str:
    """A control group that holds so many processes, where we may make one: root knows no RLIMIT_NPROC."""
    for top in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if processes else ():
        path = f"{top}/jarvis-{os.getpid()}"
        try:
            os.mkdir(path)  # noqa: PTH102
        except OSError:
            continue
        try:
            with open(f"{path}/pids.max", "w") as file:
                file.write(str(processes + SPARE))
            return path
        except OSError:
            os.rmdir(path)  # noqa: PTH106
    return ""


def _start(spec: "dict[str, Any]", fence: str) -> int:
    heeded = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)
    signal.pthread_sigmask(signal.SIG_BLOCK, heeded)  # one that comes before the child heeds it must wait
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, heeded)
        return pid
    try:
        os.setsid()
        for name in heeded:
            signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, heeded)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        if "listener" in spec:
            os.dup2(spec["listener"], 3)
        os.closerange(4 if "listener" in spec else 3, 256)
        os.chdir(spec["cwd"])
        if fence:
            with open(f"{fence}/cgroup.procs", "w") as file:
                file.write("0")
        _confine(spec)
        os.execv(spec["argv"][0], spec["argv"])  # noqa: S606 — exactly what we were told
    except OSError as error:
        os.write(2, f"cannot start in {spec['cwd']}: {error.strerror}\n".encode())
    finally:
        os._exit(126)


def _confine(spec: "dict[str, Any]") -> None:
    """Take from this process what the cage does not give it; raises OSError when that cannot be done."""
    import resource

    for name, number in spec.get("rlimits", {}).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (number, number))
    if "landlock" in spec:
        landlock(**spec["landlock"])


def landlock(read: "list[str]", write: "list[str]", ports: "list[int]") -> None:
    """Only these paths from here on, and no TCP but to these ports: for this process and all that it starts."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *words: object) -> int:
        found: int = libc.syscall(number, *words)
        if found < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"Landlock: {os.strerror(code)}")
        return found

    if not ports and libc.unshare(NEWNET) != 0:
        libc.unshare(NEWUSER | NEWNET)  # where neither may be had, TCP at least is shut below
    version = call(CREATE_RULESET, None, 0, 1)
    files = ACCESS[min(version, max(ACCESS))]
    net = BIND_TCP | CONNECT_TCP if version >= 4 else 0
    scoped = 3 if version >= 6 else 0  # no signals and no abstract sockets out of the cage
    attributes = struct.pack("=QQQ", files, net, scoped)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = call(CREATE_RULESET, ctypes.c_char_p(attributes), len(attributes), 0)
    for path, rights in [*((p, READ & files) for p in read), *((p, files) for p in write)]:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed = rights if stat.S_ISDIR(os.stat(fd).st_mode) else rights & FILE_ONLY  # noqa: PTH116 — a descriptor
        call(ADD_RULE, rules, 1, ctypes.c_char_p(struct.pack("=Qi", allowed, fd)), 0)
        os.close(fd)
    for port in ports if net else ():
        call(ADD_RULE, rules, 2, ctypes.c_char_p(struct.pack("=QQ", net, port)), 0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")
    call(RESTRICT_SELF, rules, 0)


def _watch(leader: int, woken: int, deadline: float, limits: "tuple[int, int]") -> "tuple[str, int | None]":
    """Wait for the program, the deadline, a limit or the end of whoever started us: why, and the leader's status."""
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(woken, select.POLLIN)
    while True:
        left = min(deadline - time.monotonic(), LOOK_SECONDS if any(limits) else 3600)
        ready = {fd for fd, _ in poll.poll(max(0, left) * 1000)}
        if woken in ready:
            _drain(woken)
        status = _reap(leader)
        if status is not None:
            return "exit", status
        if 0 in ready:
            return "stop", None
        broken = _broken(*limits) if any(limits) else ""
        if broken:
            return broken, None
        if time.monotonic() >= deadline:
            return "timeout", None


def _broken(memory: int, processes: int) -> str:
    """Which limit everything below us has broken together, or ""."""
    found = descendants()
    if processes and len(found) > processes:
        return "processes"
    return "memory" if memory and sum(map(_resident, found)) > memory else ""


def _resident(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 21 else 0


def _drain(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass


def _reap(leader: int, status: "int | None" = None) -> "int | None":
    """Collect whoever has died below us; the leader's status, when it is known."""
    while True:
        try:
            pid, found = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == leader:
            status = found


def _end(leader: int, status: "int | None", grace: float) -> "tuple[int, int | None]":
    """Ask everything below us to end, then make it: how many there were, and the leader's status."""
    known = set(descendants())
    for pid in known:
        _signal(pid, signal.SIGTERM)
        _signal(pid, signal.SIGCONT)
    deadline = time.monotonic() + grace
    while descendants() and time.monotonic() < deadline:
        time.sleep(0.02)
        status = _reap(leader, status)
    deadline = time.monotonic() + KILL_SECONDS
    while time.monotonic() < deadline:
        found = _stop_all()
        known |= found
        for pid in found:
            _signal(pid, signal.SIGKILL)
        status = _reap(leader, status)
        if _is_childless():
            break
        time.sleep(0.01)
    return len(known), _reap(leader, status)


def _is_childless() -> bool:
    """Whether nothing is left below us: orphans become our children, so the kernel knows.

    /proc alone misses one whose parent dies while it is read.
    """
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _stop_all() -> "set[int]":
    """Freeze everything below us, again until nothing new appears: what is frozen does not fork."""
    frozen: set[int] = set()
    for _ in range(PASSES):
        fresh = set(descendants()) - frozen
        if not fresh:
            break
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        frozen |= fresh
    return frozen


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def descendants() -> "list[int]":
    """Every living process below this one."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields and fields[0] not in "ZX":
                children.setdefault(int(fields[1]), []).append(int(name))
    found, level = [], children.get(os.getpid(), [])
    while level:
        found += level
        level = [child for pid in level for child in children.get(pid, [])]
    return found


def _stat(pid: int) -> "list[str]":
    """State, parent and the rest of /proc/PID/stat; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def started_at(pid: int) -> int:
    """When a process began, in clock ticks since boot; 0 when it is gone. With the pid, it tells it from all others."""
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def _report(**said: object) -> None:
    os.write(1, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    main()
