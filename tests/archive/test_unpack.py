"""On a host with nothing but the one file its scripts can be had from it."""

import os
import subprocess
import sys

import pytest

from tests.built import ROOT


def unpack(archive, folder, *words):
    command = [sys.executable, "-I", "-S", archive, "--unpack", *words]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)


def test_the_scripts_come_out_as_they_went_in(archive, tmp_path):
    ran = unpack(archive, tmp_path, "deploy")
    assert ran.returncode == 0, ran.stderr
    wanted = sorted(path for path in (ROOT / "deploy").iterdir() if path.is_file())
    found = sorted((tmp_path / "deploy").iterdir())
    assert [path.name for path in found] == [path.name for path in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert os.access(one, os.X_OK) == os.access(other, os.X_OK), one.name


def test_what_is_there_already_is_left_alone(archive, tmp_path):
    (tmp_path / "deploy").mkdir()
    ran = unpack(archive, tmp_path, "deploy")
    assert (ran.returncode, list((tmp_path / "deploy").iterdir())) == (1, [])
    assert "move it away" in ran.stderr


@pytest.mark.parametrize("words", [(), ("nothing",), ("../deploy",), ("/etc",), ("deploy", "docs")])
def test_only_a_folder_of_the_source_is_unpacked(archive, tmp_path, words):
    ran = unpack(archive, tmp_path, *words)
    assert ran.returncode == 64
    assert "deploy" in ran.stderr
    assert list(tmp_path.iterdir()) == []
