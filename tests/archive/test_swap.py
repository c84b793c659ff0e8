"""One archive in the place of another: what is refused, what lies where, and what an interrupted one is."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from jarvis.archive import swap

ROOT = Path(__file__).parents[2]
OLD, NEW = b"the old archive " * 1000, b"the new archive " * 1000


class Place:
    """An archive at a path, open as the one that runs, and a candidate elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "opt"
        self.folder.mkdir()
        self.file, candidate = self.folder / "jarvis.pyz", folder / "candidate.pyz"
        self.file.write_bytes(OLD)
        self.file.chmod(0o755)
        candidate.write_bytes(NEW)
        self.path, self.candidate = str(self.file), str(candidate)
        self.old, self.new = swap.sha256_of(self.path), swap.sha256_of(self.candidate)
        self.fd = os.open(self.path, os.O_RDONLY)

    def marker(self) -> swap.Marker:
        return swap.Marker("trc_1", self.old, self.new, seconds="30")

    def install(self) -> None:
        swap.install(self.path, self.fd, self.candidate, self.marker())

    def state(self) -> str:
        found = swap.read_marker(self.path)
        return found.state if found else ""

    def names(self) -> set[str]:
        return {name.removeprefix("jarvis.pyz") for name in os.listdir(self.folder)}


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path)
    yield found
    os.close(found.fd)


def test_installing_keeps_the_old_one_and_says_what_is_on_trial(place):
    place.install()
    assert place.file.read_bytes() == NEW
    assert Path(place.path + swap.PREVIOUS).read_bytes() == OLD
    assert place.file.stat().st_mode & 0o777 == 0o755
    marker = swap.read_marker(place.path)
    assert (marker.trace_id, marker.old, marker.new, marker.limit_seconds) == ("trc_1", place.old, place.new, 30.0)
    assert place.names() == {"", swap.PREVIOUS, swap.MARKER}


def test_putting_back_leaves_the_old_one_and_says_why(place):
    place.install()
    swap.put_back(place.path, swap.read_marker(place.path), "supervisor", "not ready\nin time")
    assert place.file.read_bytes() == OLD
    found = swap.read_marker(place.path)
    assert (found.state, found.by, found.why) == (swap.BACK, "supervisor", "not ready in time")
    swap.put_back(place.path, found, "admin", "again")  # done already
    assert place.file.read_bytes() == OLD


def test_a_damaged_copy_is_not_put_back_and_another_good_one_is(place):
    place.install()
    Path(place.path + swap.PREVIOUS).write_bytes(OLD[:-1])
    with pytest.raises(swap.SwapRefused, match="not the archive that ran before"):
        swap.put_back(place.path, swap.read_marker(place.path), "admin", "")
    assert (place.file.read_bytes(), place.state()) == (NEW, swap.TRIAL)
    swap.put_back(place.path, swap.read_marker(place.path), "supervisor", "", place.fd)
    assert place.file.read_bytes() == OLD


def link(place):
    real = place.file.rename(place.folder / "real.pyz")
    place.file.symlink_to(real)


def hard_link(place):
    os.link(place.path, place.folder / "other.pyz")


def replaced(place):
    (place.folder / "other").write_bytes(NEW)
    (place.folder / "other").rename(place.file)


def missing(place):
    place.file.unlink()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (link, "is a link"),
        (hard_link, "has 2 hard links"),
        (replaced, "is not the one that runs"),
        (missing, "cannot be looked at"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_a_rename_cannot_replace_is_refused_before_anything_is_written(place, harm, why):
    harm(place)
    before = place.names()
    with pytest.raises(swap.SwapRefused, match=why):
        place.install()
    assert place.names() == before


def test_a_folder_that_cannot_be_written_is_refused(place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    assert "cannot be written by this user" in swap.why_not(place.path, place.old, 1)


def test_a_full_disk_is_refused(place):
    assert "too little room" in swap.why_not(place.path, place.old, 1 << 60)


def test_a_mount_of_its_own_is_refused(place):
    script = f"mount --bind {place.path} {place.path} && {ASK}"
    asked = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, "TARGET": place.path, "SHA": place.old, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if asked.returncode:
        pytest.skip(f"no mount namespaces here: {asked.stderr}")
    assert "is a mount of its own" in asked.stdout


ASK = (
    'python3 -c \'import os; from jarvis.archive import swap; print(swap.why_not(os.environ["TARGET"],'
    ' os.environ["SHA"], 1))\''
)


def test_a_candidate_that_is_not_the_approved_one_is_refused(place):
    marker = swap.Marker("trc_1", place.old, "0" * 64)
    with pytest.raises(swap.SwapRefused, match="does not have the digest"):
        swap.install(place.path, place.fd, place.candidate, marker)
    assert (place.file.read_bytes(), place.state()) == (OLD, "")


class Killed(BaseException):
    """The process ended here."""


CALLS = ("rename", "fsync", "unlink")


def interrupted(monkeypatch, number: int, run) -> bool:
    """Run until just before the so-many-th call that changes the disk; whether it got that far."""
    left = number

    def deadly(call):
        def passes(*args, **kwargs):
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return call(*args, **kwargs)

        return passes

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, deadly(getattr(os, name)))
        try:
            run()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("number", range(1, 16))
def test_an_interrupted_installation_is_told_by_digests_and_mended(place, monkeypatch, number):
    was_killed = interrupted(monkeypatch, number, place.install)
    found = swap.decide(swap.read_marker(place.path), place.old, swap.sha256_of(place.path))
    is_new = place.file.read_bytes() == NEW
    assert is_new or place.file.read_bytes() == OLD
    if is_new:  # the old one still runs: nobody has tried the new one
        assert found == swap.UNDO
        assert swap.decide(swap.read_marker(place.path), place.new, place.new) == swap.ON_TRIAL
        swap.put_back(place.path, swap.read_marker(place.path), "start", "interrupted")
    else:
        assert was_killed
        assert found == (swap.NEVER_LIVE if place.state() else swap.NOTHING)
    assert place.file.read_bytes() == OLD


@pytest.mark.parametrize("number", range(1, 8))
def test_an_interrupted_way_back_is_gone_to_its_end(place, monkeypatch, number):
    place.install()
    interrupted(
        monkeypatch, number, lambda: swap.put_back(place.path, swap.read_marker(place.path), "supervisor", "late")
    )
    marker, at_path = swap.read_marker(place.path), swap.sha256_of(place.path)
    if at_path == place.new:
        expected = swap.ON_TRIAL if marker.state == swap.TRIAL else swap.GOING_BACK
        assert swap.decide(marker, place.new, at_path) == expected
        if expected == swap.GOING_BACK:
            assert swap.guard(place.path, place.new) is not None  # the launcher sees to it
            assert place.file.read_bytes() == OLD
    else:
        assert swap.decide(marker, place.old, at_path) == swap.IS_BACK


def test_a_marker_is_nothing_to_an_archive_it_is_not_about(place):
    place.install()
    assert swap.decide(swap.read_marker(place.path), "0" * 64, "0" * 64) == swap.NOTHING
    assert swap.guard(place.path, "0" * 64) is None
    assert swap.STARTS not in place.names()


@pytest.mark.parametrize("text", ["", "state trial\n", "\xff\xfe", "old a\nnew b\nstate trial\n", "state gone\n" * 9])
def test_a_marker_that_makes_no_sense_is_none(place, text):
    Path(place.path + swap.MARKER).write_bytes(text.encode("latin-1"))
    assert swap.read_marker(place.path) is None


def test_a_marker_survives_any_text_in_it(place):
    chars = random.Random(4)
    for _ in range(50):
        why = "".join(chr(chars.randrange(1, 0x2FFF)) for _ in range(80))
        marker = place.marker()
        marker.why = why
        swap.write_marker(place.path, marker)
        found = swap.read_marker(place.path)
        assert (found.state, found.new) == (swap.TRIAL, place.new)


def test_the_fourth_start_that_ended_badly_is_one_too_many(place):
    place.install()
    assert [swap.guard(place.path, place.new) for _ in range(swap.MOST_STARTS)] == [None] * swap.MOST_STARTS
    assert swap.guard(place.path, place.new).by == "launcher"
    assert place.file.read_bytes() == OLD
    assert swap.STARTS not in place.names()


def test_starts_that_end_cleanly_do_not_count(place):
    place.install()
    for _ in range(3 * swap.MOST_STARTS):
        assert swap.guard(place.path, place.new) is None
        swap.forgive_start(place.path)
    assert place.file.read_bytes() == NEW


def boot(place) -> str:
    command = ["/bin/sh", ROOT / "deploy" / "boot-guard.sh", place.path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_the_unit_takes_back_what_its_own_launcher_could_not(place):
    place.install()
    assert [boot(place) for _ in range(4)] == [""] * 4
    assert "was taken back" in boot(place)
    assert place.file.read_bytes() == OLD
    found = swap.read_marker(place.path)
    assert (found.state, found.by, found.trace_id) == (swap.BACK, "unit", "trc_1")
    assert place.names() == {"", swap.MARKER}


def test_the_unit_leaves_alone_what_is_over_or_not_there(place):
    assert boot(place) == ""
    place.install()
    swap.change_marker(place.path, "trc_1", state=swap.VERIFIED)
    for _ in range(9):
        boot(place)
    assert place.file.read_bytes() == NEW


def test_the_unit_goes_to_the_end_of_a_way_back(place):
    place.install()
    swap.change_marker(place.path, "trc_1", state=swap.BACK, why="odd; $(touch /nowhere) `x` 'y'")
    assert "odd; $(touch /nowhere)" in boot(place)
    assert place.file.read_bytes() == OLD


def test_the_unit_never_puts_back_a_damaged_copy(place):
    place.install()
    Path(place.path + swap.PREVIOUS).write_bytes(b"half")
    assert "stays" in "".join(boot(place) for _ in range(6))
    assert place.file.read_bytes() == NEW
