"""systemctl, as much of it as the scripts use: starts what the installed unit says, without a manager.

It is run as a script of its own, first on PATH; FAKES holds its state, FAKE_UNITS the units.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FAKES, UNITS = Path(os.environ["FAKES"]), Path(os.environ["FAKE_UNITS"])


def unit_lines():
    """The assignments of the service and of its drop-ins, in the order in which they count."""
    for file in (UNITS / "jarvis.service", *sorted((UNITS / "jarvis.service.d").glob("*.conf"))):
        lines = file.read_text().splitlines()
        yield from (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def pid():
    """The service's process while it lives."""
    try:
        found = int((FAKES / "pid").read_text())
        return None if Path(f"/proc/{found}/stat").read_text().rpartition(")")[2].split()[0] == "Z" else found
    except (OSError, ValueError):
        return None


def start():
    command, environ = [], dict(os.environ)
    for name, value in unit_lines():
        if name == "ExecStart":
            command = value.split()
        elif name == "Environment":
            environ.update(word.split("=", 1) for word in value.split())
    with (FAKES / "log").open("ab") as log:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    (FAKES / "pid").write_text(str(process.pid))


def stop():
    found = pid()
    if found is not None:
        os.kill(found, signal.SIGTERM)
        until = time.monotonic() + 40
        while pid() is not None and time.monotonic() < until:
            time.sleep(0.02)
        if pid() is not None:
            os.killpg(found, signal.SIGKILL)
    (FAKES / "pid").unlink(missing_ok=True)


def main(words):
    with (FAKES / "calls").open("a") as log:
        log.write("systemctl " + " ".join(words) + "\n")
    verb, unit = words[0], words[-1]
    if verb == "cat":
        return 0 if (UNITS / unit).exists() else 1
    if unit == "jarvis.socket":
        return 0 if verb in ("enable", "disable") else 3
    if verb == "show":
        print("active" if pid() else "inactive")
    elif verb in ("is-active", "is-enabled"):
        return 0 if pid() else 3
    elif verb == "start" and pid() is None:
        start()
    elif verb == "stop" or words[:2] == ["disable", "--now"]:
        stop()
    return 0


sys.exit(main(sys.argv[1:]))
