"""The file systems that hold data: real ones, each counted once."""

import os
import re
from dataclasses import dataclass
from pathlib import Path


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VIRTUAL = _words(
    """
    proc sysfs devtmpfs devpts tmpfs cgroup cgroup2 mqueue debugfs tracefs securityfs pstore bpf configfs
    fusectl hugetlbfs autofs binfmt_misc rpc_pipefs nsfs ramfs squashfs efivarfs overlay selinuxfs fuse.lxcfs
    fuse.gvfsd-fuse fuse.portal erofs iso9660
    """
)
REMOTE = _words(
    """
    nfs nfs4 cifs smb3 ceph glusterfs fuse.sshfs 9p fuse.rclone davfs afs lustre
    """
)
ESCAPE = re.compile(r"\\([0-7]{3})")
MAX_MOUNTS = 500
MAX_DISKS = 24


@dataclass(frozen=True, slots=True)
class Disk:
    """`percent` is used of what may be used, as df reckons; remote file systems are named, not measured."""

    mount: str
    device: str
    kind: str
    is_read_only: bool
    total: int
    used: int
    free: int
    percent: float
    inodes: int
    inodes_free: int


def disks(proc: Path) -> tuple[Disk, ...]:
    """Local file systems by mount point; without /proc, the root alone."""
    try:
        lines = (proc / "self/mounts").read_text("utf-8", "replace").splitlines()[:MAX_MOUNTS]
    except OSError:
        lines = ["unknown / unknown rw 0 0"]
    mounts = [parts for parts in (line.split(" ") for line in lines) if len(parts) >= 4]
    found: dict[tuple[int, int, int], Disk] = {}
    for device, mount, kind, options in (parts[:4] for parts in mounts):
        if kind in REMOTE or (kind in VIRTUAL and mount != "/"):
            continue
        disk = _measure(_unescaped(device), _unescaped(mount), kind, "ro" in options.split(","))
        if disk is not None:
            key = (disk.total, disk.free, disk.inodes_free)  # one file system mounted twice reads the same
            if key not in found or len(disk.mount) < len(found[key].mount):
                found[key] = disk
    return tuple(sorted(found.values(), key=lambda disk: disk.mount))[:MAX_DISKS]


def _measure(device: str, mount: str, kind: str, is_read_only: bool) -> Disk | None:
    try:
        seen = os.statvfs(mount)
    except OSError:
        return None
    if seen.f_blocks == 0 or not Path(mount).is_dir():
        return None
    used = (seen.f_blocks - seen.f_bfree) * seen.f_frsize
    free = seen.f_bavail * seen.f_frsize
    percent = round(100 * used / (used + free), 1) if used + free else 100.0
    return Disk(
        mount, device, kind, is_read_only, seen.f_blocks * seen.f_frsize, used, free, percent,
        seen.f_files, seen.f_favail,
    )  # fmt: skip


def _unescaped(text: str) -> str:
    """Mounts are written with spaces and the like as three octal digits (fstab(5))."""
    return ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)
