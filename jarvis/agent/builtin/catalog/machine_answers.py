"""What is said of this host."""

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from jarvis.agent.builtin.intents import Telling
from jarvis.agent.builtin.prose import (
    bullets,
    clock,
    code,
    day,
    duration,
    in_words,
    instant,
    listing,
    number,
    percent,
    plural,
    safe,
    sentence,
    size,
    when,
)
from jarvis.kernel.clock import to_datetime

TIGHT, FULL = 85.0, 95.0
MAX_TOP = 3


def overview(telling: Telling) -> str:
    """The machine in one sentence, then what matters of it, tight things first."""
    host = telling.result
    cpus = host.get("cpus")
    model = f" ({safe(host['cpu_model'], 60)})" if host.get("cpu_model") else ""
    head = f"{_name(host)} runs {safe(host.get('os') or 'an unknown system')} on {safe(host.get('kernel') or '?')}"
    head += f", {safe(host.get('architecture') or 'unknown architecture')}"
    head += f", with {plural(cpus, 'CPU')}{model}" if isinstance(cpus, int) else ""
    head += f" and {size(_memory(host)['total'])} of memory" if _memory(host) else ""
    lines = [_memory_line(host), _load_line(host), *_disk_lines(host, 4), _uptime_line(telling), _software_line(host)]
    notes = ["a restart of the host is asked for by its package manager"] if host.get("reboot_required") else []
    notes += [f"it looks like a {safe(host['container'], 20)} container"] if host.get("container") else []
    tail = f"\n\n{sentence('; '.join(notes))}." if notes else ""
    return f"{head}.\n\n{bullets(line for line in lines if line)}{tail}"


def disk(telling: Telling) -> str:
    """Whether there is enough, judged by the fullest file system."""
    found = [row for row in telling.result.get("disks") or [] if isinstance(row, Mapping)]
    if not found:
        return "The host does not say how full its disks are."
    worst = max(found, key=_fullness)
    used = _fullness(worst)
    verdict = "is full" if used >= FULL else "is getting full" if used >= TIGHT else "has room"
    if len(found) == 1:
        verdict = {"is full": "The disk is full", "is getting full": "The disk is getting full"}.get(
            verdict, "Disk is fine"
        )
        return f"{verdict}: {_disk_text(worst)}"
    tight = [row for row in found if _fullness(row) >= TIGHT]
    if tight:
        verb = "is" if len(tight) == 1 else "are"
        head = f"{sentence(in_words(len(tight), 'file system'))} of {len(found)} {verb} short of room"
    else:
        head = f"Disk is fine: every one of {len(found)} file systems {verdict}"
    ordered = sorted(found, key=lambda row: -_fullness(row))
    return f"{head}:\n\n{bullets(_disk_text(row) for row in ordered[:12])}"


def memory(telling: Telling) -> str:
    line = _memory_line(telling.result)
    if not line:
        return "The host does not say how much memory it has."
    by = _top(telling.result, "by_memory", lambda row: size(row.get("memory") or 0))
    tight = _memory(telling.result)["available"] < 0.1 * _memory(telling.result)["total"]
    head = "Memory is short" if tight else "Memory is fine"
    largest = f" The largest processes are {by}." if by else ""
    return f"{head}: {line[0].lower() + line[1:] if line.startswith('Memory') else line}{largest}".replace(
        ": memory: ", ": "
    )


def load(telling: Telling) -> str:
    line = _load_line(telling.result)
    if not line:
        return "The host does not say how busy it is."
    by = _top(telling.result, "by_cpu", lambda row: f"{row.get('cpu_percent')} % of a CPU since it started")
    return f"{line}{f' Busiest over their lifetime: {by}.' if by else ''}"


def uptime(telling: Telling) -> str:
    line = _uptime_line(telling)
    return (
        f"{_name(telling.result)} has been up{line.removeprefix('Up')}"
        if line
        else "The host does not say when it was started."
    )


def versions(telling: Telling) -> str:
    host = telling.result
    known = (
        ("Jarvis", "jarvis"), ("Python", "python"), ("Operating system", "os"), ("Kernel", "kernel"),
        ("Architecture", "architecture"),
    )  # fmt: skip
    lines = [f"{label}: {safe(host[key])}" for label, key in known if host.get(key)]
    if not lines:
        return "The host does not say which versions it runs."
    jarvis, python = safe(host.get("jarvis") or "of unknown version"), safe(host.get("python") or "Python")
    return f"This is Jarvis {jarvis} on {python}.\n\n{bullets(lines[2:])}"


def processes(telling: Telling) -> str:
    count = telling.result.get("processes")
    if not isinstance(count, int):
        return "The host does not let me see its processes."
    lines = []
    for key, label, tell in (
        ("by_memory", "Most memory", lambda row: size(row.get("memory") or 0)),
        ("by_cpu", "Most CPU over their lifetime", lambda row: f"{row.get('cpu_percent')} %"),
    ):
        top = _top(telling.result, key, tell, 5)
        lines += [f"{label}: {top}"] if top else []
    return f"{sentence(plural(count, 'process', 'processes'))} are visible to me.\n\n{bullets(lines)}"


def ports(telling: Telling) -> str:
    rows = [row for row in telling.result.get("ports") or [] if isinstance(row, Mapping)]
    if not rows:
        return "No listening port is visible to me."
    open_rows = [row for row in rows if not str(row.get("address")).startswith(("127.", "::1"))]
    far = f"; {number(len(open_rows))} of them beyond loopback" if open_rows else ", all on loopback only"
    lines = [f"{code(_socket(row))} {safe(row.get('protocol'))}" for row in rows[:30]]
    return f"{sentence(in_words(len(rows), 'port'))} {'is' if len(rows) == 1 else 'are'} open{far}:\n\n{bullets(lines)}"


def time(telling: Telling) -> str:
    at = instant(telling.result.get("now_at"))
    at = telling.now if at is None else at
    offset = telling.result.get("utc_offset_seconds")
    sign = "+" if isinstance(offset, int) and offset >= 0 else "-"
    zone = telling.result.get("time_zone")
    apart = (
        f" The host's time zone is {safe(zone)} (UTC{sign}{abs(offset) // 3600:02d}:{abs(offset) % 3600 // 60:02d})."
        if isinstance(offset, int) and zone
        else ""
    )
    weekday = to_datetime(at).strftime("%A")
    return f"It is {clock(at, UTC)} UTC on {weekday}, {day(at, at, UTC)} {to_datetime(at).year}.{apart}"


def _name(host: Mapping[str, Any]) -> str:
    return f"**{safe(host.get('hostname') or 'This host', 60)}**"


def _memory(host: Mapping[str, Any]) -> dict[str, int]:
    found = host.get("memory")
    if not isinstance(found, Mapping) or not all(isinstance(found.get(k), int) for k in ("total", "available")):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, int)}


def _memory_line(host: Mapping[str, Any]) -> str:
    found = _memory(host)
    if not found:
        return ""
    total, available = found["total"], found["available"]
    text = (
        f"Memory: {size(available)} of {size(total)} available ({percent(1 - available / total if total else 0)} used)"
    )
    swap = found.get("swap_total", 0)
    used = swap - found.get("swap_free", 0)
    text += f"; {size(used)} of {size(swap)} swap used" if swap else "; no swap"
    if "limit" in found:
        text += f"; this container may use {size(found['limit'])}"
        text += f" and uses {size(found['limit_used'])}" if "limit_used" in found else ""
    return text + "."


def _load_line(host: Mapping[str, Any]) -> str:
    found, cpus = host.get("load"), host.get("cpus_usable") or host.get("cpus")
    if not isinstance(found, Mapping) or not isinstance(found.get("one"), int | float):
        return ""
    figures = ", ".join(f"{found.get(name, 0):.2f}" for name in ("one", "five", "fifteen"))
    if not isinstance(cpus, int):
        return f"Load: {figures} over 1, 5 and 15 minutes."
    busy = found.get("five", found["one"]) / cpus
    word = "overloaded" if busy > 1.5 else "busy" if busy > 0.8 else "light" if busy > 0.3 else "nearly idle"
    return f"Load: {word}, {figures} over 1, 5 and 15 minutes on {plural(cpus, 'CPU')}."


def _uptime_line(telling: Telling) -> str:
    seconds, boot = telling.result.get("uptime_seconds"), instant(telling.result.get("boot_at"))
    if not isinstance(seconds, int):
        return ""
    since = f", since {when(boot, telling.now, telling.zone)}" if boot is not None else ""
    return f"Up for {duration(seconds)}{since}."


def _software_line(host: Mapping[str, Any]) -> str:
    parts = [f"{label} {safe(host[key])}" for label, key in (("Jarvis", "jarvis"), ("", "python")) if host.get(key)]
    return f"Software: {listing([part.strip() for part in parts])}." if parts else ""


def _disk_lines(host: Mapping[str, Any], limit: int) -> list[str]:
    rows = [row for row in host.get("disks") or [] if isinstance(row, Mapping)]
    ordered = sorted(rows, key=lambda row: -_fullness(row))
    return [f"Disk {_disk_text(row)}" for row in ordered[:limit]]


def _fullness(row: Mapping[str, Any]) -> float:
    value = row.get("percent")
    return float(value) if isinstance(value, int | float) else 0.0


def _disk_text(row: Mapping[str, Any]) -> str:
    total, free = row.get("total"), row.get("free")
    text = f"{code(row.get('mount', '?'))} is {_fullness(row):.0f} % full"
    if isinstance(total, int) and isinstance(free, int):
        text += f", {size(free)} of {size(total)} free"
    inodes, left = row.get("inodes"), row.get("inodes_free")
    if isinstance(inodes, int) and isinstance(left, int) and inodes and left / inodes < 0.1:
        text += f"; only {number(left)} inodes left"
    return f"{text}{', mounted read-only' if row.get('is_read_only') else ''}."


def _top(host: Mapping[str, Any], key: str, tell: Callable[[Mapping[str, Any]], str], limit: int = MAX_TOP) -> str:
    rows = [row for row in host.get(key) or [] if isinstance(row, Mapping)]
    return listing([f"{code(row.get('name', '?'))} (pid {row.get('pid')}, {tell(row)})" for row in rows[:limit]])


def _socket(row: Mapping[str, Any]) -> str:
    address = str(row.get("address"))
    return f"[{address}]:{row.get('port')}" if ":" in address else f"{address}:{row.get('port')}"
