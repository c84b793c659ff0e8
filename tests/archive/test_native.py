"""The compiled library leaves the archive by memory, a cache nobody else can touch, or an unlinked file."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jarvis.archive import native
from jarvis.archive.container import Archive, Damaged
from jarvis.archive.hosts import host_tag
from jarvis.archive.writer import ZipWriter

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def sql(pyz, run, tmp_path):
    """Import apsw one way; the environment names a home that is empty."""
    home = tmp_path / "home"
    home.mkdir()

    def sql(way: str, **environment: str):
        return run(pyz, "sql", env={"HOME": str(home), "JARVIS_NATIVE": way, **environment}, cwd="/")

    return sql


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


def refused(ran, reason: str) -> bool:
    return ran.code == 69 and reason in ran.err and ran.err.count("\n") == 1 and "JARVIS_CACHE_DIR" in ran.err


@pytest.mark.parametrize("way", ["memfd", "cache", "temp"])
def test_each_way_loads_both_libraries(sql, way):
    ran = sql(way)
    assert ran.code == 0, ran.err
    answer, *loaded = ran.out.splitlines()
    assert answer == "42"
    assert [line.split(":")[0] for line in loaded] == [way, way]
    assert loaded[0] != loaded[1]


def test_memory_is_the_first_choice_and_leaves_nothing_behind(sql, tmp_path):
    assert ":/proc/self/fd/" in sql("auto").out
    assert list((tmp_path / "home").rglob("*")) == []


def test_the_temporary_file_is_gone_when_it_is_loaded(sql, tmp_path):
    place = tmp_path / "tmp"
    place.mkdir()
    assert f"temp:{place}/" in sql("temp", TMPDIR=str(place)).out
    assert list(place.iterdir()) == []


def test_the_cache_is_private_and_used_again(sql, cache):
    assert sql("cache", JARVIS_CACHE_DIR=str(cache)).code == 0
    assert cache.stat().st_mode & 0o777 == 0o700
    before = {path.name: path.stat().st_ino for path in cache.iterdir()}
    assert len(before) == 2
    assert sql("cache", JARVIS_CACHE_DIR=str(cache)).code == 0
    assert {path.name: path.stat().st_ino for path in cache.iterdir()} == before


def test_without_a_chosen_directory_the_cache_is_the_customary_one(sql, tmp_path):
    sql("cache")
    assert len(list((tmp_path / "home" / ".cache" / "jarvis").iterdir())) == 2
    sql("cache", XDG_CACHE_HOME=str(tmp_path / "xdg"))
    assert len(list((tmp_path / "xdg" / "jarvis").iterdir())) == 2


def harm_by_cutting(path: Path) -> None:
    path.chmod(0o700)
    os.truncate(path, path.stat().st_size // 2)


def harm_by_a_bit(path: Path) -> None:
    path.chmod(0o700)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def harm_by_emptying(path: Path) -> None:
    path.chmod(0o700)
    path.write_bytes(b"")


def harm_by_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def harm_by_opening_it_to_all(path: Path) -> None:
    path.chmod(0o777)


HARMS = [harm_by_cutting, harm_by_a_bit, harm_by_emptying, harm_by_a_link, harm_by_opening_it_to_all]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_a_harmed_cache_file_is_replaced_before_it_is_loaded(sql, cache, harm):
    assert sql("cache", JARVIS_CACHE_DIR=str(cache)).code == 0
    files = sorted(cache.iterdir())
    good = [path.read_bytes() for path in files]
    for path in files:
        harm(path)
    assert sql("cache", JARVIS_CACHE_DIR=str(cache)).code == 0
    assert [path.read_bytes() for path in files] == good
    assert not [path for path in files if path.is_symlink() or path.stat().st_mode & 0o022]


def test_a_cache_others_can_write_is_refused(sql, cache):
    cache.mkdir()
    cache.chmod(0o777)
    assert refused(sql("cache", JARVIS_CACHE_DIR=str(cache)), "writable by others (mode 777)")
    assert list(cache.iterdir()) == []


def test_a_cache_that_is_a_link_is_refused(sql, cache, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "real")
    assert sql("cache", JARVIS_CACHE_DIR=str(cache)).code == 69
    assert list((tmp_path / "real").iterdir()) == []


@ROOT_ONLY
def test_a_cache_of_another_user_is_refused(sql, cache):
    cache.mkdir(mode=0o700)
    os.chown(cache, 65534, 65534)
    assert refused(sql("cache", JARVIS_CACHE_DIR=str(cache)), "owned by uid 65534")


def test_a_cache_that_is_a_file_is_refused(sql, cache):
    cache.write_text("")
    assert refused(sql("cache", JARVIS_CACHE_DIR=str(cache)), str(cache))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_a_cache_that_cannot_be_written_falls_through_to_the_next_way(sql):
    ran = sql("auto", JARVIS_CACHE_DIR="/proc/nowhere")
    assert ran.code == 0
    assert refused(sql("cache", JARVIS_CACHE_DIR="/proc/nowhere"), "/proc/nowhere")


def test_twenty_processes_at_once_on_an_empty_cache(pyz, cache):
    environment = {"JARVIS_NATIVE": "cache", "JARVIS_CACHE_DIR": str(cache), "HOME": "/"}
    command = [sys.executable, "-I", "-S", str(pyz), "sql"]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(20)
    ]
    ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 20, ended
    assert all(out.startswith(b"42\n") for out, _ in ended)
    assert len(list(cache.iterdir())) == 2


@pytest.fixture
def library(tmp_path):
    """A library of made-up bytes whose recorded digest can be wrong."""
    opened = []

    def library(data: bytes, recorded: str) -> native.Library:
        inner, outer = ZipWriter(), ZipWriter()
        inner.add_sliced("apsw", data)
        outer.add(f"native/{host_tag()}.json", b'{"apsw": ["%s", %d]}' % (recorded.encode(), len(data)))
        outer.add_nested(f"native/{host_tag()}.zip", inner.finish())
        path = tmp_path / "made-up.pyz"
        path.write_bytes(outer.finish())
        opened.append(path.open("rb", buffering=0))
        return native.Library(Archive(opened[-1].fileno(), str(path)), host_tag(), "apsw")

    yield library
    for file in opened:
        file.close()


def test_bytes_with_another_digest_are_never_loaded(library, tmp_path):
    wrong = library(b"not what was recorded" * 5000, "0" * 64)
    with (tmp_path / "out").open("wb", buffering=0) as file, pytest.raises(Damaged, match="another digest"):
        wrong.copy_to(file.fileno())


def test_other_files_of_the_cache_go_after_thirty_days(tmp_path):
    now = time.time()
    for name, age_days in (
        ("old.so", 31),
        ("old.tmp", 31),
        ("young.so", 1),
        ("kept.so", 90),
        ("notes.txt", 90),
    ):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (now, now - age_days * 86400))
    folder = os.open(tmp_path, os.O_RDONLY)
    native._forget_stale(folder, "kept.so")
    os.close(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.so", "notes.txt", "young.so"]


def test_a_python_without_memfd_create_calls_the_c_library(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    fd = native._memfd("jarvis-test")
    assert str(Path(f"/proc/self/fd/{fd}").readlink()).startswith("/memfd:jarvis-test")
    os.close(fd)
