"""Facts of the host come from its files; what is not there is said to be unknown."""

import json
import os
from pathlib import Path

import pytest

from jarvis.kernel.clock import SECOND
from jarvis.system import disks as disks_module
from jarvis.system.disks import disks
from jarvis.system.host import disk_data, facts, facts_data
from jarvis.system.processes import listening_ports, processes

NOW = 1_795_401_480 * SECOND
STAT = "{pid} ({name}) S 1 1 1 0 -1 4194560 1 1 1 1 {user} {system} 0 0 20 0 1 0 {start} 1000 {pages} 0 0 0 0 0 0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small host: two gigabytes, one busy process, two ports."""
    files = {
        "proc/meminfo": "MemTotal:  2000000 kB\nMemAvailable:  500000 kB\nSwapTotal: 1000 kB\nSwapFree: 400 kB\n",
        "proc/loadavg": "0.50 1.25 2.00 1/100 4242\n",
        "proc/uptime": "1000.50 2000.00\n",
        "proc/stat": "cpu  1 2 3\nbtime 1795400479\n",
        "proc/cpuinfo": "processor : 0\nmodel name\t: Small  CPU\n",
        "proc/self/mounts": "",
        "proc/net/tcp": "  sl  local_address\n   0: 0100007F:1F40 00000000:0000 0A 0\n"
        "   1: 0100007F:9999 00000000:0000 01 0\n",
        "proc/net/tcp6": "  sl\n   0: 00000000000000000000000000000000:0016 0000:0000 0A 0\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
        "proc/1/stat": STAT.format(pid=1, name="init", user=0, system=0, start=0, pages=100),
        "proc/7/stat": STAT.format(pid=7, name="a) (b", user=40_000, system=5_000, start=10_000, pages=5_000),
        "proc/8/stat": "garbage",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_facts_are_read_from_the_files(root: Path) -> None:
    found = facts(root, lambda: NOW)
    assert found.os == "Debian GNU/Linux 13 (trixie)"
    assert found.cpu_model == "Small CPU"
    assert found.memory is not None
    assert (found.memory.total, found.memory.available) == (2_048_000_000, 512_000_000)
    assert (found.memory.swap_total, found.memory.swap_free) == (1_024_000, 409_600)
    assert found.load is not None
    assert (found.load.one, found.load.five, found.load.fifteen) == (0.5, 1.25, 2.0)
    assert (found.uptime_seconds, found.boot_at) == (1000, 1_795_400_479 * SECOND)
    assert (found.container, found.reboot_required) == ("", False)


def test_an_empty_host_gives_no_fact_and_no_guess(tmp_path: Path) -> None:
    found = facts(tmp_path, lambda: NOW)
    assert (found.memory, found.load, found.uptime_seconds, found.boot_at, found.processes) == (None,) * 5
    assert (found.by_memory, found.by_cpu, found.ports, found.cpu_model) == ((), (), (), "")
    assert found.hostname


@pytest.mark.parametrize("name", ["meminfo", "loadavg", "uptime", "stat", "cpuinfo", "net/tcp", "self/mounts"])
@pytest.mark.parametrize("garbage", ["", "\0" * 100, "a b c\n" * 100, "9" * 400, "ü: -1 kB\n"])
def test_garbage_in_a_file_is_an_unknown(root: Path, name: str, garbage: str) -> None:
    (root / "proc" / name).write_text(garbage)
    json.dumps(facts_data(root, lambda: NOW))


def test_times_are_rfc3339_in_the_data(root: Path) -> None:
    data = facts_data(root, lambda: NOW)
    assert data["now_at"] == "2026-11-23T02:38:00.000Z"
    assert data["boot_at"] == "2026-11-23T02:21:19.000Z"


def test_a_container_and_its_limit_are_noticed(root: Path) -> None:
    (root / ".dockerenv").touch()
    group = root / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("1000000000\n")
    (group / "memory.current").write_text("250000000\n")
    found = facts(root, lambda: NOW)
    assert found.container == "docker"
    assert found.memory is not None
    assert (found.memory.limit, found.memory.limit_used) == (1_000_000_000, 250_000_000)
    (group / "memory.max").write_text("max\n")
    assert facts(root, lambda: NOW).memory is not None
    assert facts(root, lambda: NOW).memory.limit is None  # type: ignore[union-attr]


def test_processes_are_known_by_name_number_and_use(root: Path) -> None:
    seen = processes(root / "proc", 1000.5)
    hertz = os.sysconf("SC_CLK_TCK")
    assert seen.count == 2
    assert [process.pid for process in seen.by_memory] == [7, 1]
    busiest = seen.by_cpu[0]
    assert (busiest.pid, busiest.name) == (7, "a) (b")
    assert busiest.cpu_percent == pytest.approx(100 * 45_000 / hertz / (1000.5 - 10_000 / hertz), abs=0.1)
    assert busiest.memory == 5_000 * os.sysconf("SC_PAGE_SIZE")


def test_command_lines_and_environments_are_never_read(root: Path) -> None:
    for name in ("cmdline", "environ"):
        os.mkfifo(root / "proc/7" / name)  # opening one of these would hang
    assert processes(root / "proc", 1000.5).count == 2


def test_ports_are_those_that_listen(root: Path) -> None:
    found = [(port.protocol, port.address, port.port) for port in listening_ports(root / "proc")]
    assert found == [("tcp", "::", 22), ("tcp", "127.0.0.1", 8000)]


def _mounts(root: Path, lines: list[str]) -> Path:
    (root / "proc/self/mounts").write_text("".join(f"{line}\n" for line in lines))
    return root / "proc"


def test_disks_are_real_local_and_counted_once(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "with space").mkdir()
    asked: list[str] = []
    sizes = {"/": 1000, str(tmp_path): 2000, f"{tmp_path}/with space": 3000, "/again": 1000}

    def statvfs(path: str) -> os.statvfs_result:
        asked.append(path)
        blocks = sizes[path]
        return os.statvfs_result((4096, 4096, blocks, blocks // 2, blocks // 4, 100, 60, 50, 0, 255))

    monkeypatch.setattr(disks_module.os, "statvfs", statvfs)
    proc = _mounts(
        root,
        [
            "/dev/vda / ext4 rw 0 0",
            "proc /proc proc rw 0 0",
            "tmpfs /run tmpfs rw 0 0",
            f"/dev/vdb {tmp_path} xfs ro,noatime 0 0",
            f"/dev/vdc {tmp_path}/with\\040space ext4 rw 0 0",
            "server:/x /far nfs4 rw 0 0",
            "//s/share /mnt cifs rw 0 0",
            "broken",
        ],
    )
    found = {disk.mount: disk for disk in disks(proc)}
    assert set(found) == {"/", str(tmp_path), f"{tmp_path}/with space"}
    assert found["/"].total == 1000 * 4096
    assert (found["/"].used, found["/"].free, found["/"].percent) == (500 * 4096, 250 * 4096, 66.7)
    assert (found["/"].inodes, found["/"].inodes_free) == (100, 50)
    assert found[str(tmp_path)].is_read_only
    assert "/far" not in asked  # a dead server would hang the question


def test_a_container_whose_root_is_an_overlay_still_has_a_disk(root: Path) -> None:
    assert [disk.mount for disk in disks(_mounts(root, ["overlay / overlay rw 0 0"]))] == ["/"]


def test_a_path_is_answered_by_the_disk_that_holds_it(tmp_path: Path) -> None:
    found = disk_data(path=str(tmp_path))
    assert len(found["disks"]) == 1
    assert found["disks"][0]["total"] > 0


def test_this_very_host_can_be_read() -> None:
    found = facts()
    assert found.memory is None or found.memory.total > 0
    assert found.now_at > 0
    json.dumps(facts_data())
