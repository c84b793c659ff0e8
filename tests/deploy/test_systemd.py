"""Under a real systemd, booted on an overlay of this host: what the pages say to type, and what the unit gives."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jarvis.kernel import sandbox
from tests.deploy.conftest import DEPLOY, HERE, wait_until
from tests.docs.reading import ROOT, Step, missing, steps

PATHS = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
APART = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--cgroup")
SYSTEMD = Path("/lib/systemd/systemd")
PLACE = "/srv/given"


class Machine:
    """A booted systemd; `run` is a shell of root's in it."""

    def __init__(self, folder: Path, archive: Path) -> None:
        boot = [str(HERE / "boot.sh"), str(folder), str(archive), str(DEPLOY)]
        self.log = folder.with_suffix(".log")
        with self.log.open("wb") as log:
            self._outer = subprocess.Popen(["unshare", *APART, *boot], stdout=log, stderr=log)
        self._pid = ""
        wait_until(self._is_up, "systemd does not come up")
        self.run("ip link set lo up || true")
        sudo = f"{PLACE}/sudo"
        self.run(f"printf '#!/bin/sh\\nexec env -u RESTORE_READYZ_URL \"$@\"\\n' >{sudo} && chmod 755 {sudo}")

    def _is_up(self) -> bool:
        assert self._outer.poll() is None, f"it cannot be booted here: {self.log.read_text()}"
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text().strip() != "systemd":
            return False
        self._pid = children[0]
        said = self.run("systemctl is-system-running")[1]
        return said.strip() in ("running", "degraded")

    def run(self, command: str) -> tuple[int, str]:
        """The exit code, and everything it printed."""
        inside = ["nsenter", "-t", self._pid, "-n", "-m", "-p", "-i", "-u", "-C"]
        clean = ["env", "-i", f"PATH={PLACE}:{PATHS}", "HOME=/root", "LANG=C.UTF-8"]
        shell = ["bash", "-c", f"cd {PLACE} 2>/dev/null || cd /\n{command}"]
        ended = subprocess.run(
            [*inside, *clean, *shell], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=200, check=False,
        )  # fmt: skip
        return ended.returncode, ended.stdout

    @property
    def root(self) -> Path:
        """Its files, from here."""
        return Path(f"/proc/{self._pid}/root")

    def show(self, *names: str) -> list[str]:
        """Properties of the service."""
        words = " ".join(f"-p {name}" for name in names)
        return self.run(f"systemctl show jarvis {words} --value")[1].split()

    def end(self) -> None:
        self._outer.kill()  # and with it, by --kill-child, its systemd
        self._outer.wait()


def lacking() -> str:
    """Why systemd cannot be booted here; "" when it can be tried."""
    if os.geteuid() != 0:
        return "only root can boot a systemd of its own"
    if not SYSTEMD.exists() or shutil.which("nsenter") is None:
        return "there is no systemd here"
    tried = subprocess.run(["unshare", *APART, "mount", "-t", "cgroup2", "cgroup2", "/sys"], capture_output=True)
    return "" if tried.returncode == 0 else f"no namespaces to boot in: {tried.stderr.decode().strip()}"


@pytest.fixture(scope="module")
def machine(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    reason = lacking()
    if reason:
        pytest.skip(reason)
    pythons = [path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if Path(path).exists()]
    ask = [pythons[0], "-c", "import sys; print(sys.version_info[:2])"] if pythons else ["false"]
    if subprocess.run(ask, capture_output=True, text=True).stdout.strip() != str(sys.version_info[:2]):
        pytest.skip("the archive of these tests is for another Python than the system's")
    made = Machine(tmp_path_factory.mktemp("machine"), archive)
    yield made
    made.end()


def fault(machine: Machine, step: Step) -> str:
    code, printed = machine.run(step.command)
    lines = missing(step.expected, printed)
    return "" if code == 0 and lines is None else f"$ {step.command}\nexit {code}, without: {lines}\n{printed}"


def test_the_pages_can_be_followed_on_a_host(machine, other):
    newer = other("pass")
    shutil.copy(newer, machine.root / "srv/given/newer.pyz")
    pages = [ROOT / "docs" / f"{name}.md" for name in ("deploy-operations", "runbook")]
    shown = [step for page in pages for step in steps(page, ("console host",))]
    assert len(shown) > 12
    leaving = [step for step in shown if "--uninstall" in step.command]
    for step in [step for step in shown if step not in leaving]:
        found = fault(machine, step)
        assert not found, found
        if "LOG_LEVEL" in step.command and "config show" in step.command:
            holds(machine)
    for step in leaving:
        found = fault(machine, step)
        assert not found, found
    assert machine.run("test -f /var/lib/jarvis/jarvis.db && ! test -e /etc/systemd/system/jarvis.service")[0] == 0


def holds(machine: Machine) -> None:
    """What the running unit promises."""
    assert sorted(machine.show("ActiveState", "Type")) == ["active", "notify"]
    code, said = machine.run("systemd-analyze security --no-pager --threshold=25 jarvis.service")
    assert code == 0, said.splitlines()[-1]
    pid = machine.show("MainPID")[0]
    status = (machine.root / f"proc/{pid}/status").read_text()
    assert re.search(r"^NoNewPrivs:\s1$", status, re.M)
    assert re.search(r"^CapBnd:\s0+$", status, re.M)
    assert re.search(r"^Uid:\s(?!0\s)", status, re.M)
    maintenance(machine)
    crash(machine)


def maintenance(machine: Machine) -> None:
    """Commands run in the unit: they write where they may, are caged by bubblewrap, and are told no credential."""
    commands = ["echo CREDENTIALS=$CREDENTIALS_DIRECTORY", "touch $HOME/mine", "! touch /usr/not-mine"]
    if shutil.which("bwrap"):
        commands.append(f"bwrap {' '.join(sandbox.APART)} --ro-bind / / --proc /proc --dev /dev /bin/echo caged")
    line = "MAINTENANCE_COMMANDS='" + "\\n".join(commands) + "'"
    (machine.root / "etc/jarvis/jarvis.env").write_text(line + "\n")
    machine.run("systemctl restart jarvis && sudo jarvis maintenance enqueue")
    wait_until(lambda: status(machine)["runs"] and status(machine)["runs"][0]["finished_at"], "it runs")
    run = status(machine)["runs"][0]
    said = machine.run(f"sudo jarvis maintenance show {run['id']}")[1]
    assert [command["state"] for command in run["commands"]] == ["passed"] * len(commands), said
    assert "CREDENTIALS=\n" in said, "the variable is the server's alone"


def status(machine: Machine) -> Any:
    return json.loads(machine.run("sudo jarvis maintenance status --json")[1])


def crash(machine: Machine) -> None:
    """Killed whole, it is started again and ready."""
    before = machine.show("MainPID")[0]
    machine.run(f"kill -9 {before}")
    assert machine.run(f"HEALTHCHECK_SECONDS=60 {PLACE}/deploy/healthcheck.sh")[0] == 0
    assert machine.show("MainPID")[0] != before
    begun = time.monotonic()
    assert machine.run("systemctl stop jarvis")[0] == 0
    assert time.monotonic() - begun < 40
    assert machine.show("Result") == ["success"]
    machine.run("systemctl start jarvis")
