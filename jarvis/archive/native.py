"""Loads a compiled library of the archive: from memory, else a verified cache, else an unlinked file.

A shared object cannot be mapped from inside a zip. Each way out is tried in turn and says why
it failed; JARVIS_NATIVE (memfd, cache or temp) allows only one of them.
"""
# ruff: noqa: PTH103, PTH108, PTH110, PTH111, PTH117, PTH118
# pathlib would cost more than the rest of a start.

import _imp
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing
from importlib.machinery import ModuleSpec
from types import ModuleType

from jarvis.archive.container import Archive, Damaged, Unsupported

MFD_CLOEXEC, MFD_EXEC = 0x1, 0x10
FRESH = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
STALE_SECONDS = 30 * 86400


class Library:
    """One compiled module, kept in slices, with the digest and size it must have."""

    def __init__(self, archive: Archive, tag: str, module: str) -> None:
        """Raises Damaged."""
        self.archive, self.module = archive, module
        self._entry = f"native/{tag}.zip"
        self.sha256, self.size = json.loads(archive.read(f"native/{tag}.json"))[module]

    def copy_to(self, fd: int) -> None:
        """Write it whole to a file; raises Damaged before a wrong byte could be loaded, OSError."""
        digest = hashlib.sha256()
        for data in self.archive.nested(self._entry).slices(self.module):
            digest.update(data)
            while data:
                data = data[os.write(fd, data) :]
        if digest.hexdigest() != self.sha256:
            raise Damaged(self.archive.path, f"{self.module} in {self._entry} has another digest")


class NativeLoader:
    """Loads one library; `loaded_from` tells which way it took."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.loaded_from = ""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Raises Unsupported with every way that failed, Damaged."""
        origin = spec.origin
        tried: list[str] = []
        for way, paths in _ways():
            with closing(paths(self.library, tried)) as found:
                for path in found:
                    try:
                        spec.origin = path
                        module: ModuleType = _imp.create_dynamic(spec)
                    except ImportError as fault:
                        tried.append(f"{way}: {fault}")
                    else:
                        self.loaded_from = f"{way}:{path}"
                        return module
                    finally:
                        spec.origin = origin
        raise Unsupported(
            f"the bundled {self.library.module} library does not load on this host ({'; '.join(tried)}); "
            "set JARVIS_CACHE_DIR to a directory of yours on a filesystem mounted without noexec"
        )

    def exec_module(self, module: ModuleType) -> None:
        _imp.exec_dynamic(module)


Paths = Callable[[Library, list[str]], Generator[str, None, None]]
"""Yields paths to try, and appends to the list why one could not be made."""


def _ways() -> list[tuple[str, Paths]]:
    ways: list[tuple[str, Paths]] = [("memfd", _memory), ("cache", _cache), ("temp", _temporary)]
    only = os.environ.get("JARVIS_NATIVE", "auto")
    return [way for way in ways if only in ("auto", way[0])]


def _memory(library: Library, tried: list[str]) -> Generator[str, None, None]:
    if sys.platform != "linux":
        return
    try:
        fd = _memfd(f"jarvis-{library.module}")
        library.copy_to(fd)
    except OSError as fault:
        tried.append(f"memfd: {fault}")
        return
    # Never closed: glibc knows loaded libraries by path, so a reused number would give the wrong one.
    yield f"/proc/self/fd/{fd}"


def _memfd(name: str) -> int:
    create = getattr(os, "memfd_create", None) or _libc_memfd_create()
    try:
        return create(name, MFD_CLOEXEC | MFD_EXEC)
    except OSError:  # before Linux 6.3 the second flag is unknown
        return create(name, MFD_CLOEXEC)


def _libc_memfd_create() -> Callable[[str, int], int]:
    """For interpreters built against a C library older than the call."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "memfd_create"):
        raise OSError("this C library has no memfd_create")

    def create(name: str, flags: int) -> int:
        fd: int = libc.memfd_create(name.encode(), flags)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "memfd_create")
        return fd

    return create


def cache_directories() -> list[str]:
    """Where libraries may be kept, best first: JARVIS_CACHE_DIR alone, else the customary places."""
    get = os.environ.get
    if chosen := get("JARVIS_CACHE_DIR"):
        return [chosen]
    found = [value.split(":")[0] for name in ("CACHE_DIRECTORY", "STATE_DIRECTORY") if (value := get(name))]
    xdg = get("XDG_CACHE_HOME", "")
    home = os.path.expanduser("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return [*found, os.path.join(xdg if os.path.isabs(xdg) else home, "jarvis")]


def _cache(library: Library, tried: list[str]) -> Generator[str, None, None]:
    name = f"{library.module}-{library.sha256}.so"
    for directory in cache_directories():
        try:
            os.makedirs(directory, 0o700, exist_ok=True)
            folder = _private(directory)
            try:
                fd = _verified(folder, name, library)
                if fd is None:
                    _store(folder, name, library)
                    fd = _verified(folder, name, library)
                _forget_stale(folder, name)
            finally:
                os.close(folder)
        except OSError as fault:
            tried.append(f"cache {directory}: {fault.strerror or fault}")
            continue
        if fd is None:
            tried.append(f"cache {directory}: what was written there reads back different")
            continue
        yield _path_of(fd, os.path.join(directory, name))


def _private(directory: str) -> int:
    """A descriptor of the directory; raises PermissionError unless nobody else can write into it."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(fd)
    why = ""
    if status.st_uid != os.geteuid():
        why = f"owned by uid {status.st_uid}, not {os.geteuid()}"
    elif status.st_mode & 0o022:
        why = f"writable by others (mode {stat.S_IMODE(status.st_mode):o})"
    elif os.fstatvfs(fd).f_flag & getattr(os, "ST_NOEXEC", 0):
        why = "mounted noexec"
    if why:
        os.close(fd)
        raise PermissionError(13, why)
    return fd


def _verified(folder: int, name: str, library: Library) -> int | None:
    """A descriptor of the cached file when it is ours and whole; None when it is not there or not right."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    status = os.fstat(fd)
    if status.st_size == library.size and status.st_uid == os.geteuid() and not status.st_mode & 0o022:
        with open(fd, "rb", closefd=False) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == library.sha256:
                return fd
    os.close(fd)
    return None


def _store(folder: int, name: str, library: Library) -> None:
    """Write it under a name of our own and rename: a reader sees all of it or nothing."""
    draft = f"{name}.{os.urandom(8).hex()}.tmp"
    fd = os.open(draft, FRESH, 0o500, dir_fd=folder)
    try:
        library.copy_to(fd)
        os.fsync(fd)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(draft, dir_fd=folder)
        raise
    finally:
        os.close(fd)


def _forget_stale(folder: int, keep: str) -> None:
    """Other versions' libraries, and drafts of a process that was killed, go after thirty days."""
    before = time.time() - STALE_SECONDS
    for name in os.listdir(folder):
        if name != keep and name.endswith((".so", ".tmp")):
            try:
                if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < before:
                    os.unlink(name, dir_fd=folder)
            except OSError:
                continue  # another process was quicker


def _path_of(fd: int, path: str) -> str:
    """A path to exactly the verified file; its descriptor stays open as in `_memory`."""
    held = f"/proc/self/fd/{fd}"
    if os.path.exists(held):
        return held
    os.close(fd)
    return path


def _temporary(library: Library, tried: list[str]) -> Generator[str, None, None]:
    for directory in _temporary_directories():
        path = os.path.join(directory, f"jarvis-{os.urandom(12).hex()}.so")
        try:
            fd = os.open(path, FRESH, 0o500)
        except OSError as fault:
            tried.append(f"temp {directory}: {fault.strerror}")
            continue
        try:
            try:
                library.copy_to(fd)
            finally:
                os.close(fd)
            yield path
        except OSError as fault:
            tried.append(f"temp {directory}: {fault.strerror}")
        finally:
            os.unlink(path)


def _temporary_directories() -> list[str]:
    chosen = (os.environ.get(name) for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "TMPDIR"))
    places = [*(place for place in chosen if place and os.path.isabs(place)), "/tmp", "/dev/shm", "/var/tmp"]  # noqa: S108  named at random, opened exclusively
    return list(dict.fromkeys(places))
