"""Who uses the machine: processes by name and number only, and the ports that listen."""

import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

MAX_PROCESSES = 5_000
MAX_PORTS = 60
TOP = 5
LISTEN = "0A"
UNCONNECTED = "07"


@dataclass(frozen=True, slots=True)
class Process:
    """`cpu_percent` is of one processor, over the process's whole life."""

    pid: int
    name: str
    memory: int
    cpu_percent: float


@dataclass(frozen=True, slots=True)
class Processes:
    count: int | None
    by_memory: tuple[Process, ...]
    by_cpu: tuple[Process, ...]


@dataclass(frozen=True, slots=True)
class Port:
    protocol: str
    address: str
    port: int


def processes(proc: Path, uptime: float | None) -> Processes:
    """The largest and the busiest; command lines are not read, they may hold secrets."""
    try:
        names = [name for name in os.listdir(proc) if name.isdigit()][:MAX_PROCESSES]
    except OSError:
        return Processes(None, (), ())
    seen = [process for name in names if (process := _process(proc / name, uptime)) is not None]
    if not seen:
        return Processes(None, (), ())
    users = [process for process in seen if process.memory]
    by_memory = sorted(users, key=lambda process: (-process.memory, process.pid))[:TOP]
    busy = [process for process in seen if process.cpu_percent >= 0.1]
    by_cpu = sorted(busy, key=lambda process: (-process.cpu_percent, process.pid))[:TOP]
    return Processes(len(seen), tuple(by_memory), tuple(by_cpu))


def listening_ports(proc: Path) -> tuple[Port, ...]:
    """TCP ports that accept and UDP ports that are bound, in this network namespace."""
    found: set[Port] = set()
    for name, state in (("tcp", LISTEN), ("tcp6", LISTEN), ("udp", UNCONNECTED), ("udp6", UNCONNECTED)):
        try:
            lines = (proc / "net" / name).read_text("ascii", "replace").splitlines()[1:2000]
        except OSError:
            continue
        for line in lines:
            port = _port(name[:3], line.split(), state)
            if port is not None:
                found.add(port)
    return tuple(sorted(found, key=lambda port: (port.protocol, port.port, port.address)))[:MAX_PORTS]


def _process(folder: Path, uptime: float | None) -> Process | None:
    """One process from its stat line (proc_pid_stat(5)); None when it just ended."""
    try:
        text = (folder / "stat").read_text("utf-8", "replace")
        name, fields = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        ticks, started, pages = int(fields[11]) + int(fields[12]), int(fields[19]), int(fields[21])
    except (OSError, ValueError, IndexError):
        return None
    hertz, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    age = (uptime or 0) - started / hertz
    cpu = 100 * ticks / hertz / age if age >= 1 else 0.0
    return Process(int(folder.name), _clean(name), pages * page, round(cpu, 1))


def _clean(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)[:32]


def _port(protocol: str, fields: list[str], state: str) -> Port | None:
    try:
        raw, number = fields[1].split(":")
        if fields[3] != state:
            return None
        return Port(protocol, _address(raw), int(number, 16))
    except (IndexError, ValueError):
        return None


def _address(raw: str) -> str:
    """The kernel prints addresses as hexadecimal words in host byte order."""
    words = [int(raw[start : start + 8], 16) for start in range(0, len(raw), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)
