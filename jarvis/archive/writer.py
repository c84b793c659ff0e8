"""Writes zip files whose bytes depend on nothing but what goes in.

Between the entries lie beacons: complete tiny archives that say the file is cut off. Python looks for
the last directory in the final 64 KiB of what it is given, so a copy that ends early finds a beacon and
says so, instead of a SyntaxError about null bytes.
"""

import zlib

from jarvis.archive.container import DEFLATED, END, LOCAL, RECORD, SEAL_BYTES, STORED

DATE = 0x0021  # 1980-01-01, the first day a zip file knows
UTF8 = 0x0800
UNIX_2_0 = 0x0314
BEACON_SPACING = 60_000  # below the 65,557 bytes in which zipimport looks
SLICE_BYTES = 48 * 1024  # so that a beacon fits between any two
BEACON_TEXT = (
    b"import sys\n"
    b"sys.stderr.write('jarvis: %s is damaged (it is cut off); copy or build it again.\\n' % sys.argv[0])\n"
    b"sys.exit(70)\n"
)


class ZipWriter:
    """One zip file in memory; entries stand in the order in which they are added."""

    def __init__(self, prefix: bytes = b"", *, beacons: bool = True) -> None:
        """Start behind `prefix`; without beacons for the beacon itself."""
        self._out = bytearray(prefix)
        self._records: list[bytes] = []
        self._beacon = _beacon() if beacons else b""
        self._since = BEACON_SPACING

    def add(self, name: str, data: bytes, *, mode: int = 0o644) -> None:
        """Add a file, deflated."""
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        self._add(name, data, deflate.compress(data) + deflate.flush(), DEFLATED, mode)

    def add_sliced(self, name: str, data: bytes, *, mode: int = 0o644) -> None:
        """Add a file that only Archive has to read: in slices where it is large."""
        if len(data) <= SLICE_BYTES:
            self.add(name, data, mode=mode)
            return
        for number, at in enumerate(range(0, len(data), SLICE_BYTES)):
            self.add(f"{name}//{number:03d}", data[at : at + SLICE_BYTES], mode=mode)

    def add_nested(self, name: str, inner: bytes) -> None:
        """Add a finished zip file as it is, so that it can be read in place."""
        self._add(name, inner, inner, STORED, 0o644)
        self._mark()  # or a cut behind it would run the inner archive

    def finish(self) -> bytes:
        """The whole file, its directory sealed by a checksum in the gap before it."""
        directory = b"".join(self._records)
        if self._since + len(directory) > BEACON_SPACING:
            self._mark()
        self._out += zlib.crc32(directory).to_bytes(SEAL_BYTES, "little")
        count = len(self._records)
        end = END.pack(b"PK\5\6", 0, 0, count, count, len(directory), len(self._out), 0)
        return bytes(self._out) + directory + end

    def _add(self, name: str, data: bytes, packed: bytes, method: int, mode: int) -> None:
        if self._since + len(packed) > BEACON_SPACING:
            self._mark()
        raw, offset = name.encode(), len(self._out)
        shared = (UTF8, method, 0, DATE, zlib.crc32(data), len(packed), len(data), len(raw), 0)
        self._out += LOCAL.pack(b"PK\3\4", 20, *shared) + raw + packed
        attributes = (0o100000 | mode) << 16
        self._records.append(RECORD.pack(b"PK\1\2", UNIX_2_0, 20, *shared, 0, 0, 0, attributes, offset) + raw)
        self._since += LOCAL.size + len(raw) + len(packed)

    def _mark(self) -> None:
        self._out += self._beacon
        self._since = 0


def _beacon() -> bytes:
    writer = ZipWriter(beacons=False)
    writer.add("__main__.py", BEACON_TEXT)
    return writer.finish()
