"""How long the service manager waits when it stops the server."""

import re
import shutil
import subprocess
from pathlib import Path

from jarvis.kernel.db import forbid_inside_write

DRAIN_MARGIN_SECONDS = 10
"""What a server needs beside the drain to close its database and leave."""
ANSWER_SECONDS = 0.5
UNIT = re.compile(r"/([\w@:.\\-]+\.service)(?:/|$)")
SPANS = {"w": 604800, "d": 86400, "h": 3600, "min": 60, "s": 1, "ms": 0.001, "us": 0.000001}
SPAN = re.compile(r"(\d+(?:\.\d+)?)(w|d|h|min|s|ms|us)\b")


def unit_of(pid: int, proc: Path = Path("/proc")) -> str:
    """The service that a process belongs to, "" for none."""
    try:
        text = (proc / str(pid) / "cgroup").read_text()
    except (OSError, UnicodeDecodeError):
        return ""
    found = UNIT.findall(text)
    return found[-1] if found and not found[-1].startswith("user@") else ""


def stop_seconds(unit: str) -> float | None:
    """How long systemd waits for a unit to stop; None when it cannot be had or has no end."""
    forbid_inside_write("asking systemd")
    program = shutil.which("systemctl", path="/usr/bin:/bin")
    if program is None:
        return None
    command = [program, "show", "--property=TimeoutStopUSec", "--value", "--", unit]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False, env={})
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_span(ran.stdout) if ran.returncode == 0 else None


def parse_span(text: str) -> float | None:
    """Seconds of a time span as systemd prints it ("1min 30s"); None for "infinity" and what is none."""
    parts = SPAN.findall(text)
    return sum(float(number) * SPANS[unit] for number, unit in parts) if parts else None
