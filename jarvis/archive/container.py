"""Reads the archive through one open descriptor, so a file renamed over it changes nothing."""

from __future__ import annotations

import os
import zlib
from struct import Struct

TYPE_CHECKING = False  # typing itself would cost a third of a start
if TYPE_CHECKING:
    from collections.abc import Iterator

END = Struct("<4s4H2LH")  # no comment behind it: Pythons before 3.8 would not find it
RECORD = Struct("<4s6H3L5H2L")
LOCAL = Struct("<4s5H3L2H")
SEAL_BYTES = 4  # crc32 of the directory, in the gap before it
STORED, DEFLATED = 0, 8
CHUNK_BYTES = 1 << 20
MARK_BYTES = len("//000")  # at most this behind the name of a slice
Part = tuple[int, int, int, int, int]  # offset, packed bytes, bytes, crc32, method


class ArchiveFault(Exception):
    """The archive cannot be used here; the message is for the operator, and safe to print."""

    exit_code = 70


class Damaged(ArchiveFault):
    """Bytes of the archive are missing or wrong."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path} is damaged ({what}); copy or build it again.")


class Unsupported(ArchiveFault):
    """The archive is sound but holds nothing for this interpreter or platform."""

    exit_code = 69


class Archive:
    """A zip file, or one stored whole inside another, read by position and checked by its checksums.

    Inside a nested one a large entry lies in slices, `name//000` and on, and is read as one.

    The descriptor is not inheritable. A child that is to run the same file gets it by
    `pass_fds` and is started as `python /proc/self/fd/N` (launch.command); it then uses that very
    descriptor, and closes it to its own children.
    """

    __slots__ = ("_digest", "_parts", "base", "fd", "path", "size")

    def __init__(self, fd: int, path: str, base: int = 0, size: int | None = None) -> None:
        """Read the directory; raises Damaged."""
        self.fd, self.path, self.base = fd, path, base
        self.size = os.fstat(fd).st_size - base if size is None else size
        self._digest: str | None = None
        self._parts = self._directory()

    def names(self) -> list[str]:
        """Every entry, in the order of the file."""
        return list(self._parts)

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def read(self, name: str) -> bytes:
        """One entry, inflated and checked; raises FileNotFoundError, Damaged."""
        return b"".join(self.slices(name))

    def slices(self, name: str) -> Iterator[bytes]:
        """As read, a piece at a time."""
        return (self._inflate(name, part) for part in self._find(name))

    def nested(self, name: str) -> Archive:
        """The archive stored as one entry of this one; raises FileNotFoundError, Damaged."""
        offset, packed, *_ = self._find(name)[0]
        header = os.pread(self.fd, LOCAL.size, self.base + offset)
        start = self._body(name, header)
        return Archive(self.fd, f"{self.path}/{name}", self.base + offset + start, packed)

    def sha256(self) -> str:
        """The digest of the whole file that is open, whatever its path leads to now."""
        if self._digest is None:
            import hashlib

            digest = hashlib.sha256()
            for at in range(self.base, self.base + self.size, CHUNK_BYTES):
                digest.update(os.pread(self.fd, min(CHUNK_BYTES, self.base + self.size - at), at))
            self._digest = digest.hexdigest()
        return self._digest

    def _find(self, name: str) -> list[Part]:
        try:
            return self._parts[name]
        except KeyError:
            raise FileNotFoundError(2, "no such entry", f"{self.path}/{name}") from None

    def _inflate(self, name: str, part: Part) -> bytes:
        offset, packed, size, crc, method = part
        raw = os.pread(self.fd, LOCAL.size + len(name.encode()) + MARK_BYTES + packed, self.base + offset)
        start = self._body(name, raw)
        data = raw[start : start + packed]
        if method == DEFLATED:
            try:
                data = zlib.decompress(data, -15, size or 1)
            except zlib.error:
                raise Damaged(self.path, f"{name} does not inflate") from None
        if len(data) != size or zlib.crc32(data) != crc:
            raise Damaged(self.path, f"{name} fails its checksum")
        return data

    def _body(self, name: str, header: bytes) -> int:
        """How far behind its local header an entry's bytes begin."""
        if len(header) < LOCAL.size or not header.startswith(b"PK\3\4"):
            raise Damaged(self.path, f"{name} is not where it should be")
        lengths: tuple[int, int] = LOCAL.unpack_from(header)[9:]
        return LOCAL.size + sum(lengths)

    def _directory(self) -> dict[str, list[Part]]:
        at = self.base + self.size - END.size
        if at < self.base:
            raise Damaged(self.path, "the file is cut off")
        tail = os.pread(self.fd, END.size, at)
        signature, _, _, _, count, length, offset, _ = END.unpack(tail)
        if signature != b"PK\5\6" or offset + length != self.size - END.size or offset < SEAL_BYTES:
            raise Damaged(self.path, "its end is missing")
        sealed = os.pread(self.fd, SEAL_BYTES + length, self.base + offset - SEAL_BYTES)
        seal, directory = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
        if zlib.crc32(directory).to_bytes(SEAL_BYTES, "little") != seal:
            raise Damaged(self.path, "its directory fails its checksum")
        return _parts(directory, count)


def _parts(directory: bytes, count: int) -> dict[str, list[Part]]:
    """Where each name's parts are, from a directory that passed its checksum."""
    found: dict[str, list[Part]] = {}
    at, unpack, width = 0, RECORD.unpack_from, RECORD.size
    for _ in range(count):
        fields = unpack(directory, at)
        start = at + width
        at = start + fields[10]
        name = directory[start:at].decode().partition("//")[0]
        found.setdefault(name, []).append((fields[16], fields[8], fields[9], fields[7], fields[4]))
        at += fields[11] + fields[12]
    return found
