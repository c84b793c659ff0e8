"""What can be learnt of the host without running a program or holding a right."""

import os
import platform
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jarvis import __version__
from jarvis.kernel.clock import SECOND, Clock, rfc3339, system_clock
from jarvis.system.disks import Disk, disks
from jarvis.system.processes import Port, Process, listening_ports, processes

KIB = 1024
MAX_READ = 256 * KIB
RESTART_NOTICE = Path("run/reboot-required")


@dataclass(frozen=True, slots=True)
class Load:
    """Runnable tasks averaged over 1, 5 and 15 minutes."""

    one: float
    five: float
    fifteen: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; `limit` is the control group's ceiling when it is lower than the machine's memory."""

    total: int
    available: int
    swap_total: int
    swap_free: int
    limit: int | None
    limit_used: int | None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A fact that this host does not give is None or empty, never a guess."""

    hostname: str
    os: str
    kernel: str
    architecture: str
    container: str
    python: str
    jarvis: str
    cpus: int
    cpus_usable: int
    cpu_model: str
    load: Load | None
    memory: Memory | None
    uptime_seconds: int | None
    boot_at: int | None
    now_at: int
    time_zone: str
    utc_offset_seconds: int
    disks: tuple[Disk, ...]
    processes: int | None
    by_memory: tuple[Process, ...]
    by_cpu: tuple[Process, ...]
    ports: tuple[Port, ...]
    reboot_required: bool


def facts(root: Path = Path("/"), clock: Clock = system_clock) -> HostFacts:
    """Everything known of this host now; `root` is where /proc and /etc are looked for."""
    proc = root / "proc"
    uptime = _uptime(proc)
    now = clock()
    seen = processes(proc, uptime)
    local = _local(now)
    return HostFacts(
        hostname=_hostname(),
        os=_os_name(root),
        kernel=f"{platform.system()} {platform.release()}".strip(),
        architecture=platform.machine(),
        container=_container(root),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        jarvis=__version__,
        cpus=os.cpu_count() or 1,
        cpus_usable=_usable_cpus(),
        cpu_model=_cpu_model(proc),
        load=_load(proc),
        memory=_memory(root),
        uptime_seconds=None if uptime is None else int(uptime),
        boot_at=_boot_at(proc),
        now_at=now,
        time_zone=local.tzname() or "unknown",
        utc_offset_seconds=_offset(local),
        disks=disks(proc),
        processes=seen.count,
        by_memory=seen.by_memory,
        by_cpu=seen.by_cpu,
        ports=listening_ports(proc),
        reboot_required=(root / RESTART_NOTICE).exists(),
    )


@dataclass(frozen=True, slots=True)
class Vital:
    """The few facts that are cheap enough to be read every few seconds; bytes, seconds."""

    load: Load | None
    cpus: int
    memory: Memory | None
    uptime_seconds: int | None
    worker_bytes: int | None
    """What this process holds in memory."""


def vital(root: Path = Path("/")) -> Vital:
    """How the host and this process are, without a look at other processes."""
    proc = root / "proc"
    uptime = _uptime(proc)
    return Vital(
        _load(proc), _usable_cpus(), _memory(root), None if uptime is None else int(uptime), _own_bytes(proc)
    )  # fmt: skip


def facts_data(root: Path = Path("/"), clock: Clock = system_clock) -> dict[str, Any]:
    """`facts` as JSON-able values, its instants as RFC 3339."""
    found = asdict(facts(root, clock))
    for name in ("boot_at", "now_at"):
        found[name] = None if found[name] is None else rfc3339(found[name])
    return found


def disk_data(root: Path = Path("/"), path: str = "") -> dict[str, Any]:
    """The disks alone; with a path, only the one that holds it, marked as such."""
    found = disks(root / "proc")
    if path:
        holder = _holder(found, Path(os.path.realpath(path)))
        found = (holder,) if holder else found
    return {"path": path, "disks": [asdict(disk) for disk in found]}


def read(path: Path) -> str:
    """A small file of the kernel's; empty when it is missing or may not be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_READ).decode("utf-8", "replace")
    except OSError:
        return ""


def _holder(found: tuple[Disk, ...], path: Path) -> Disk | None:
    holders = [disk for disk in found if path.is_relative_to(disk.mount)]
    return max(holders, key=lambda disk: len(disk.mount), default=None)


def _local(now: int) -> datetime:
    return datetime.fromtimestamp(now / SECOND).astimezone()


def _offset(local: datetime) -> int:
    offset = local.utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _attempt(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except OSError:
        return ""


def _hostname() -> str:
    return _attempt(socket.gethostname) or "unknown"


def _os_name(root: Path) -> str:
    for name in ("etc/os-release", "usr/lib/os-release"):
        match = re.search(r'^PRETTY_NAME="?([^"\n]{1,100})', read(root / name), re.MULTILINE)
        if match:
            return match[1]
    return sys.platform


def _container(root: Path) -> str:
    """The kind of container, as far as it leaves a sign."""
    named = read(root / "run/systemd/container").strip()
    if named:
        return named
    if (root / ".dockerenv").exists():
        return "docker"
    return "podman" if (root / "run/.containerenv").exists() else ""


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model(proc: Path) -> str:
    match = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.{1,100})$", read(proc / "cpuinfo"), re.MULTILINE)
    return " ".join(match[1].split()) if match else ""


def _load(proc: Path) -> Load | None:
    parts = read(proc / "loadavg").split()
    try:
        return Load(*(float(part) for part in parts[:3]))
    except (TypeError, ValueError):
        return None


def _uptime(proc: Path) -> float | None:
    match = re.match(r"(\d{1,10}(?:\.\d{1,3})?)\s", read(proc / "uptime"))
    return float(match[1]) if match else None


def _own_bytes(proc: Path) -> int | None:
    match = re.search(r"^VmRSS:\s+(\d+) kB$", read(proc / "self/status"), re.MULTILINE)
    return int(match[1]) * KIB if match else None


def _boot_at(proc: Path) -> int | None:
    match = re.search(r"^btime (\d{1,11})$", read(proc / "stat"), re.MULTILINE)
    return int(match[1]) * SECOND if match else None


def _memory(root: Path) -> Memory | None:
    lines = re.findall(r"^(\w+):\s+(\d+) kB$", read(root / "proc/meminfo"), re.MULTILINE)
    table = {name: int(value) * KIB for name, value in lines}
    if "MemTotal" not in table:
        return None
    available = table.get("MemAvailable", table.get("MemFree", 0))
    limit, used = _group_limit(root, table["MemTotal"])
    return Memory(
        table["MemTotal"], available, table.get("SwapTotal", 0), table.get("SwapFree", 0), limit, used
    )  # fmt: skip


def _group_limit(root: Path, total: int) -> tuple[int | None, int | None]:
    """The ceiling and use of our own control group (version 2, then 1), when it is below the machine's."""
    groups = root / "sys/fs/cgroup"
    for limit_name, used_name in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        limit, used = read(groups / limit_name).strip(), read(groups / used_name).strip()
        if limit.isdigit() and int(limit) < total:
            return int(limit), int(used) if used.isdigit() else None
    return None, None
