"""Puts another archive in the place of this one, and takes it back: files, marker, and what a crash leaves.

Beside the archive stand `.previous` (the old one whole), `.next` (the new one until its rename), `.trial`
(the marker), `.starts` (starts of the new one that did not end cleanly) and `.boots` (as boot-guard.sh counts them).
"""

# ruff: noqa: PTH104, PTH108, PTH116, PTH120
# os.path and not pathlib: the supervisor and the launcher import this.

import errno
import os
import stat
from contextlib import suppress

TYPE_CHECKING = False  # typing itself would cost a third of a start
if TYPE_CHECKING:
    from collections.abc import Iterator

PREVIOUS, NEXT, MARKER = ".previous", ".next", ".trial"
STARTS, BOOTS = ".starts", ".boots"
TRIAL, VERIFIED, BACK, ROLLED_BACK = "trial", "verified", "back", "rolled_back"
NOTHING, NEVER_LIVE, UNDO, ON_TRIAL, GOING_BACK, IS_BACK = "nothing", "drop", "undo", "trial", "restart", "back"
"""What a start finds: see `decide`."""
STATES = (TRIAL, VERIFIED, BACK, ROLLED_BACK)
FIELDS = ("trace_id", "old", "new", "state", "seconds", "tries", "deadline", "holder", "by", "why")
MOST_STARTS = 3
"""So many starts of an archive on trial may end badly; the launcher takes it back instead of the next."""
CHUNK_BYTES = 1 << 20
SPARE_BYTES = 16 << 20
LONGEST_VALUE = 300
DEFAULT_SECONDS, DEFAULT_TRIES = 30, 3


class SwapRefused(Exception):
    """It cannot be done here; the message says why, and nothing that is served has changed."""


class Marker:
    """What an update is about and how far it got: one line a field, `name value`."""

    __slots__ = FIELDS

    def __init__(self, trace_id: str, old: str, new: str, **more: str) -> None:
        self.trace_id, self.old, self.new = trace_id, old, new
        self.state = more.get("state", TRIAL)
        self.seconds = more.get("seconds", str(DEFAULT_SECONDS))
        self.tries = more.get("tries", str(DEFAULT_TRIES))
        self.deadline = more.get("deadline", "0")
        self.holder = more.get("holder", "")
        """The digest of the archive whose code supervises; equal to `new` once it has taken over."""
        self.by = more.get("by", "")
        """Who took it back: supervisor, launcher, unit, health, admin."""
        self.why = more.get("why", "")

    @property
    def limit_seconds(self) -> float:
        return float(self.seconds) if self.seconds.isdecimal() else float(DEFAULT_SECONDS)

    @property
    def ready_tries(self) -> int:
        return int(self.tries) if self.tries.isdecimal() else DEFAULT_TRIES

    def text(self) -> str:
        return "".join(f"{name} {_line(getattr(self, name))}\n" for name in FIELDS)


def _line(value: str) -> str:
    return "".join(c if c.isprintable() else " " for c in value)[:LONGEST_VALUE]


def read_marker(target: str) -> "Marker | None":
    """The marker beside an archive; None where there is none, or none that makes sense."""
    try:
        with open(target + MARKER, encoding="utf-8") as file:
            lines = file.read(64 * 1024).splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    fields = {name: value for name, _, value in (line.partition(" ") for line in lines) if name in FIELDS}
    digests = [fields.get(name, "") for name in ("old", "new")]
    if fields.get("state") not in STATES or any(len(digest) != 64 for digest in digests):
        return None
    return Marker(fields.pop("trace_id", ""), fields.pop("old"), fields.pop("new"), **fields)


def write_marker(target: str, marker: Marker) -> None:
    """Put the marker beside the archive, whole and on disk; raises OSError."""
    draft = target + MARKER + ".draft"
    _write(draft, iter((marker.text().encode(),)), 0o644)
    os.rename(draft, target + MARKER)
    sync_folder(target)


def change_marker(target: str, trace_id: str, **fields: str) -> "Marker | None":
    """Change some fields of the marker when it is still this update's; returns it, or None. Raises OSError."""
    marker = read_marker(target)
    if marker is None or marker.trace_id != trace_id:
        return None
    for name, value in fields.items():
        setattr(marker, name, value)
    write_marker(target, marker)
    return marker


def drop_marker(target: str) -> None:
    """Forget the update: there is no trial and nothing to take back. Raises OSError."""
    forget_starts(target)
    for suffix in (MARKER, NEXT):
        _unlink(target + suffix)
    sync_folder(target)


def sha256_of(source: "int | str") -> str:
    """The digest of a file, by path or by descriptor without moving it; "" when there is no such file."""
    import hashlib

    digest = hashlib.sha256()
    try:
        for chunk in _chunks(source):
            digest.update(chunk)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


def why_not(target: str, running: str, more_bytes: int) -> str:
    """Why the file at this path cannot be replaced by a rename that can be taken back, or ""."""
    folder = os.path.dirname(target) or "/"
    try:
        found, room = os.lstat(target), os.statvfs(folder)
    except OSError as error:
        return f"{target} cannot be looked at: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return f"{target} is a link; start Jarvis from the file itself"
    if not stat.S_ISREG(found.st_mode):
        return f"{target} is no plain file"
    if found.st_nlink > 1:
        return f"{target} has {found.st_nlink} hard links; the other names would keep the old file"
    if found.st_dev != os.lstat(folder).st_dev or _is_mount(target):
        return f"{target} is a mount of its own; a rename cannot replace it"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written by this user, so nothing can be renamed there"
    if sha256_of(target) != running:
        return f"the file at {target} is not the one that runs; restart first"
    wanted = found.st_size + more_bytes + SPARE_BYTES
    if room.f_bavail * room.f_frsize < wanted:
        return f"{folder} has too little room: {wanted >> 20} MB are needed"
    return ""


def _is_mount(target: str) -> bool:
    """Whether something is mounted on the file itself: a bind mount keeps the device number."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            return any(line.split(" ")[4] == target.replace(" ", "\\040") for line in mounts)
    except OSError:
        return False


def install(target: str, running_fd: int, candidate: str, marker: Marker) -> None:
    """Bring the candidate live at the path, so that whatever interrupts it can be told and mended.

    Order: old copy and new file, both on disk under their names; the marker; the rename.
    Raises SwapRefused, OSError; after either the path still holds the old file.
    """
    refusal = why_not(target, marker.old, os.stat(candidate).st_size)
    if refusal:
        raise SwapRefused(refusal)
    place_copies(target, running_fd, candidate, marker)
    forget_starts(target)
    write_marker(target, marker)
    os.rename(target + NEXT, target)
    sync_folder(target)


def place_copies(target: str, running_fd: int, candidate: str, marker: Marker) -> None:
    """Both files beside the target, checked; raises SwapRefused, OSError."""
    mode = stat.S_IMODE(os.stat(target).st_mode)
    for suffix, source, wanted in ((PREVIOUS, running_fd, marker.old), (NEXT, candidate, marker.new)):
        draft = target + suffix + ".draft"
        _write(draft, _chunks(source), mode, like=target)
        if sha256_of(draft) != wanted:
            _unlink(draft)
            raise SwapRefused(f"{suffix.removeprefix('.')} file does not have the digest {wanted[:12]}")
        os.rename(draft, target + suffix)
    sync_folder(target)


def put_back(target: str, marker: Marker, by: str, why: str, spare_fd: "int | None" = None) -> Marker:
    """Put the old archive back at the path; done already, only the marker is seen to.

    `spare_fd` is another copy of the old archive, for when the one on disk is missing or damaged.
    Raises SwapRefused when there is no good copy, OSError.
    """
    is_done = sha256_of(target) == marker.old
    if not is_done and sha256_of(target + PREVIOUS) != marker.old:
        if spare_fd is None or sha256_of(spare_fd) != marker.old:
            raise SwapRefused(f"{target}{PREVIOUS} is not the archive that ran before; nothing was changed")
        draft = target + PREVIOUS + ".draft"
        _write(draft, _chunks(spare_fd), 0o755, like=target)
        os.rename(draft, target + PREVIOUS)
    marker.state, marker.by, marker.why = BACK, by, why
    write_marker(target, marker)
    if not is_done:
        os.rename(target + PREVIOUS, target)
        sync_folder(target)
    forget_starts(target)
    return marker


def count_start(target: str) -> int:
    """Remember that the archive on trial starts, on disk before it does; how often it now has. Raises OSError."""
    fd = os.open(target + STARTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        os.write(fd, b"start\n")
        os.fsync(fd)
        count = os.fstat(fd).st_size // len(b"start\n")
    finally:
        os.close(fd)
    sync_folder(target)
    return count


def settle(target: str, trace_id: str, state: str) -> None:
    """It is over: VERIFIED or ROLLED_BACK, and starts are counted no more. Raises OSError."""
    if change_marker(target, trace_id, state=state) is not None:
        forget_starts(target)


def forget_starts(target: str) -> None:
    """What was counted belongs to another update."""
    for suffix in (STARTS, BOOTS):
        _unlink(target + suffix)


def forgive_start(target: str) -> None:
    """The start counted last ended as it was asked to."""
    try:
        fd = os.open(target + STARTS, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # the trial is over
        return
    try:
        os.ftruncate(fd, max(0, os.fstat(fd).st_size - len(b"start\n")))
    finally:
        os.close(fd)


def guard(target: str, running: str) -> "Marker | None":
    """The launcher's ring, before anything else of a `serve`: count a start on trial, or take the archive back.

    `running` is the digest of the archive that starts. Returns the marker when the file at the
    path is another one now and has to be executed instead.
    """
    marker = read_marker(target)
    if marker is None or marker.new != running or marker.state not in (TRIAL, BACK):
        return None
    if marker.state == BACK:  # somebody was taking it back and did not get to the end
        return put_back(target, marker, marker.by, marker.why)
    if count_start(target) <= MOST_STARTS:
        return None
    return put_back(target, marker, "launcher", f"{MOST_STARTS} starts in a row did not end cleanly")


def decide(marker: "Marker | None", running: str, at_path: str) -> str:
    """What an update that may have been interrupted is, from digests: of what runs, and of what lies at the path.

    NEVER_LIVE: its files are to be dropped. UNDO: it lies at the path and nobody ran it, put back.
    ON_TRIAL: this is it. GOING_BACK: the old file is to be put back, and a restart has to follow.
    IS_BACK: this is the old one again. NOTHING: no update, or one that is over.
    """
    if marker is None or running not in (marker.old, marker.new):
        return NOTHING
    if running == marker.old:
        if marker.state == TRIAL:
            return UNDO if at_path == marker.new else NEVER_LIVE
        return NOTHING if marker.state == ROLLED_BACK else IS_BACK
    if marker.state == TRIAL:
        return ON_TRIAL
    return NOTHING if marker.state == VERIFIED else GOING_BACK


def sync_folder(target: str) -> None:
    """Have the names in the target's directory on disk."""
    fd = os.open(os.path.dirname(target) or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write(path: str, chunks: "Iterator[bytes]", mode: int, like: str = "") -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, mode)
    try:
        os.fchmod(fd, mode)  # whatever the umask is
        if like:
            _give_to_owner(fd, like)
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _give_to_owner(fd: int, like: str) -> None:
    owner = os.stat(like)
    if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
        try:
            os.fchown(fd, owner.st_uid, owner.st_gid)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise


def _chunks(source: "int | str") -> "Iterator[bytes]":
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC) if isinstance(source, str) else source
    try:
        at = 0
        while chunk := os.pread(fd, CHUNK_BYTES, at):
            yield chunk
            at += len(chunk)
    finally:
        if isinstance(source, str):
            os.close(fd)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
