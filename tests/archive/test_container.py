"""Reading and writing archives: what goes in comes out, and harm is noticed."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jarvis.archive.container import Archive, Damaged
from jarvis.archive.writer import BEACON_SPACING, SLICE_BYTES, ZipWriter

NAMES = st.text("abcé/._", min_size=1, max_size=12).filter(lambda name: "//" not in name)


@pytest.fixture
def read(tmp_path):
    """Open bytes as an archive; the descriptor is closed when the test ends."""
    files = []

    def read(data: bytes) -> Archive:
        path = tmp_path / f"{len(files)}.pyz"
        path.write_bytes(data)
        files.append(path.open("rb", buffering=0))
        return Archive(files[-1].fileno(), str(path))

    yield read
    for file in files:
        file.close()


def packed(files: dict[str, bytes], prefix: bytes = b"#!x\n") -> bytes:
    writer = ZipWriter(prefix)
    for name, data in files.items():
        writer.add(name, data)
    return writer.finish()


@given(st.dictionaries(NAMES, st.binary(max_size=300), max_size=8))
def test_what_goes_in_comes_out(tmp_path_factory, files):
    path = tmp_path_factory.mktemp("zip") / "a.pyz"
    path.write_bytes(packed(files))
    with path.open("rb", buffering=0) as file:
        archive = Archive(file.fileno(), str(path))
        assert {name: archive.read(name) for name in archive.names()} == files


def test_other_tools_can_read_it():
    files = {"a.txt": b"one", "b/c.txt": b"two" * 40_000}
    with zipfile.ZipFile(io.BytesIO(packed(files))) as other:
        assert other.testzip() is None
        assert {name: other.read(name) for name in other.namelist()} == files


def test_a_nested_archive_is_read_in_place_and_in_slices(read):
    large = bytes(range(256)) * 1000
    inner = ZipWriter()
    inner.add_sliced("large", large)
    outer = ZipWriter()
    outer.add_nested("inner.zip", inner.finish())
    nested = read(outer.finish()).nested("inner.zip")
    assert nested.names() == ["large"]
    assert nested.read("large") == large
    assert all(len(piece) <= SLICE_BYTES for piece in nested.slices("large"))


def test_a_missing_entry_is_file_not_found(read):
    with pytest.raises(FileNotFoundError):
        read(packed({"a": b"1"})).read("b")


def test_a_flipped_bit_in_an_entry_is_noticed(read):
    data = packed({"a": b"some text, some text"})
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        entry = other.getinfo("a")
    start = entry.header_offset + 30 + len("a")
    for at in range(start, start + entry.compress_size):
        harmed = bytearray(data)
        harmed[at] ^= 1 << at % 8
        with pytest.raises(Damaged):
            read(bytes(harmed)).read("a")


def test_a_harmed_directory_is_noticed_at_once(read):
    data = bytearray(packed({"a": b"1"}))
    data[data.rindex(b"PK\1\2") + 46] ^= 1
    with pytest.raises(Damaged, match="directory"):
        read(bytes(data))


@pytest.mark.parametrize("keep", [0, 1, 21, 40, -1])
def test_a_file_that_is_cut_off_is_noticed(read, keep):
    with pytest.raises(Damaged):
        read(packed({"a": b"1"})[:keep])


def test_a_beacon_stands_in_every_stretch_python_looks_at():
    incompressible = bytes((i * i >> 3) & 255 for i in range(40_000))
    data = packed({f"{i}": incompressible[i:] for i in range(30)})
    gaps, last = [], 0
    while (at := data.find(b"PK\5\6", last + 1)) != -1:
        gaps.append(at - last)
        last = at
    assert max(gaps) < BEACON_SPACING + 4_000
