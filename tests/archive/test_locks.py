"""The locks pin what pyproject.toml asks for, for every supported interpreter, and name no registry."""

import tomllib

import pytest

from jarvis.archive import wheels
from jarvis.archive.sources import BuildError

from .conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("requirements.lock", "requirements-dev.lock")


def pinned(name: str) -> set[str]:
    return {pin.name for pin in wheels.read_lock((ROOT / name).read_text())}


def asked(requirements: list[str]) -> set[str]:
    return {wheels.normal(text.partition(">")[0]) for text in requirements}


def test_every_dependency_is_pinned():
    assert asked(PROJECT["project"]["dependencies"]) <= pinned("requirements.lock")
    assert asked(PROJECT["dependency-groups"]["dev"]) <= pinned("requirements-dev.lock")


def test_the_two_locks_can_be_installed_together():
    assert not pinned("requirements.lock") & pinned("requirements-dev.lock")


def test_the_tests_that_travel_have_their_tools_pinned():
    assert set(wheels.TEST_PINS) <= pinned("requirements-dev.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_a_host(name):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize("line", ["bottle", "bottle>=0.13", "bottle==0.13.4", "-r other.txt"])
def test_a_line_without_version_and_hash_is_refused(line):
    with pytest.raises(BuildError):
        wheels.read_lock(line)


@pytest.mark.parametrize(
    ("filename", "tag", "fits"),
    [
        ("apsw-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "cp311-manylinux-x86_64", True),
        (
            "apsw-1.0-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
            "cp311-manylinux-aarch64",
            True,
        ),
        ("apsw-1.0-cp311-cp311-musllinux_1_2_x86_64.whl", "cp311-manylinux-x86_64", False),
        ("apsw-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "cp311-manylinux-x86_64", False),
        ("apsw-1.0-cp313-cp313t-manylinux_2_28_x86_64.whl", "cp313-manylinux-x86_64", False),
        ("apsw-2.0-cp311-cp311-manylinux_2_28_x86_64.whl", "cp311-manylinux-x86_64", False),
        ("apsw-1.0-py3-none-any.whl", None, True),
        ("apsw_extra-1.0-py3-none-any.whl", None, False),
    ],
)
def test_a_wheel_is_matched_by_version_interpreter_and_platform(filename, tag, fits):
    pin = wheels.Pin("apsw", "1.0", frozenset({"0" * 64}))
    assert wheels.Wanted(pin, tag).matches(filename) is fits
