"""The archive's bytes depend on its inputs only, and it carries what a rebuild needs."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import build_zipapp
from jarvis.archive import build, sources
from jarvis.archive.build import Built, Dependencies
from jarvis.archive.container import Archive
from jarvis.archive.sources import BuildError, Source

from .conftest import MINORS, ROOT, host_tags, probed

NOTHING = Dependencies({}, {}, {}, {})


@pytest.fixture
def opened(pyz: Path):
    with pyz.open("rb", buffering=0) as file:
        yield Archive(file.fileno(), str(pyz))


def checkout(folder: Path) -> Path:
    """The tracked files, as a clone without git would hold them."""
    source = sources.from_checkout(ROOT)
    for name, data in source.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if name in source.executables else 0o644)
    return folder


@pytest.mark.usefixtures("dependencies")
def test_two_checkouts_build_the_same_bytes(tmp_path):
    results = []
    for name, umask in (("one", 0o022), ("another/deeper", 0o077)):
        folder = checkout(tmp_path / name)
        command = [sys.executable, "build_zipapp.py", "--target", "host", "--offline", "--no-check"]
        command += ["--wheels", str(ROOT / "build" / "wheels")]
        environment = {**os.environ, "PYTHONHASHSEED": str(umask)}
        subprocess.run(command, cwd=folder, check=True, umask=umask, env=environment, capture_output=True)
        results.append(folder / "jarvis.pyz")
    assert results[0].read_bytes() == results[1].read_bytes()
    assert [stat.S_IMODE(path.stat().st_mode) for path in results] == [0o755, 0o755]


def test_an_archive_rebuilds_itself_from_what_it_carries(built: Built, opened: Archive):
    tree = opened.nested("src.zip")
    executables = frozenset(json.loads(opened.read("BUILD.json"))["executables"])
    source = Source({name: tree.read(name) for name in tree.names()}, executables)
    again = build.build(source, build.from_archive(opened, source), MINORS.values())
    assert again.data == built.data


def test_a_tree_with_other_pins_cannot_use_the_carried_wheels(opened: Archive):
    lock = opened.nested("src.zip").read("requirements.lock").replace(b"bottle==0.13", b"bottle==0.14")
    with pytest.raises(BuildError, match=r"bottle 0\.14"):
        build.from_archive(opened, Source({"requirements.lock": lock}))


def test_the_manifest_names_every_input(built: Built, opened: Archive):
    manifest = json.loads(opened.read("BUILD.json"))
    assert manifest["version"] == built.version
    assert manifest["tree"] == probed("old").tree_id() == built.tree
    assert manifest["natives"] == sorted(host_tags()) == list(built.tags)
    assert set(manifest["interpreters"]) == set(built.minors)
    assert any(name.startswith("jinja2-") for name in manifest["wheels"])
    assert set(manifest["sources"]) == set(probed("old").files)


def test_nothing_compiled_lies_outside_native(opened: Archive):
    lib = [name for name in opened.names() if name.startswith("lib/")]
    assert not [name for name in lib if name.endswith((".so", ".c", ".pyi", ".pyc", ".pyd"))]
    assert not [name for name in lib if ".dist-info" in name]


def test_every_bundled_distribution_ships_its_licence(opened: Archive):
    pins = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    licensed = {name.split("/")[2] for name in opened.names() if name.startswith("lib/licenses/")}
    assert pins <= licensed


def test_no_path_of_the_building_machine_is_in_it(opened: Archive):
    for tree in ("pyc/" + minor + ".zip" for minor in json.loads(opened.read("BUILD.json"))["interpreters"]):
        bytecode = opened.nested(tree)
        for name in ("jarvis/__init__.pyc", "jarvis/archive/launch.pyc", "bottle.pyc"):
            assert str(ROOT).encode() not in bytecode.read(name)


def test_every_shipped_file_of_the_tree_is_under_lib(opened: Archive):
    for name, data in probed("old").shipped().items():
        assert opened.read("lib/" + name) == data


def test_the_tree_id_is_gits(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    files = {"b.d": b"2", "b/c": b"", "b0": b"3", "run": b"#!/bin/sh\n", "é": b"4", "d/e/f": b"5"}
    source = Source(files, frozenset({"run"}))
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "run").chmod(0o755)

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "-A")
    assert source.tree_id() == git("write-tree")
    assert sources.from_checkout(tmp_path) == source


def test_without_git_hidden_files_and_leftovers_stay_out(tmp_path):
    for name in (
        "jarvis/a.py",
        ".env",
        ".ci/run",
        "build/x",
        "jarvis/__pycache__/a.pyc",
        ".ssh/id",
        "old.pyz",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert set(sources.from_checkout(tmp_path).files) == {"jarvis/a.py", ".ci/run"}


def test_a_file_git_does_not_know_stays_out_and_is_named(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    (tmp_path / "jarvis").mkdir()
    (tmp_path / "jarvis" / "known.py").write_text("")
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "jarvis" / "new.py").write_text("")
    assert set(sources.from_checkout(tmp_path).files) == {"jarvis/known.py"}
    assert sources.untracked(tmp_path) == ["jarvis/new.py"]


def test_a_symbolic_link_in_the_tree_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(BuildError, match="symbolic link"):
        sources.from_checkout(tmp_path)


def test_a_tree_that_does_not_compile_fails_the_build():
    broken = Source({**probed("x").files, "jarvis/broken.py": b"def f(:\n"})
    with pytest.raises(BuildError, match=r"broken\.py"):
        build.build(broken, NOTHING)


def test_a_module_that_does_not_import_fails_the_check_and_leaves_the_old_file(dependencies, tmp_path):
    old = tmp_path / "jarvis.pyz"
    old.write_bytes(b"the old one")
    broken = Source({**probed("x").files, "jarvis/broken.py": b"import nowhere_to_be_found\n"})
    built = build.build(broken, dependencies, [])
    with pytest.raises(BuildError, match=r"jarvis\.broken does not import"):
        build.write(built, old)
    assert old.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [old]


def test_without_bytecode_the_archive_still_runs(newer_bytes, tmp_path, run):
    path = tmp_path / "jarvis.pyz"
    path.write_bytes(newer_bytes)
    assert run(path, "import", "bottle").out == f"{path}/lib/bottle.py\n"


def test_without_pip_the_build_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build_zipapp, "_pips", lambda: iter([["/nonexistent/pip"]]))
    code = build_zipapp.main(["--target", "host", "--wheels", str(tmp_path), "-o", str(tmp_path / "x.pyz")])
    assert code == 1
    assert "apt install python3-pip" in capsys.readouterr().err


def test_offline_names_the_missing_wheels(tmp_path, capsys):
    code = build_zipapp.main(["--offline", "--wheels", str(tmp_path), "-o", str(tmp_path / "x.pyz")])
    assert code == 1
    assert "apsw (cp314-manylinux-aarch64)" in capsys.readouterr().err


def test_a_cached_wheel_with_another_hash_is_not_used(dependencies, tmp_path, capsys):
    for wheel in (ROOT / "build" / "wheels").glob("*.whl"):
        shutil.copy(wheel, tmp_path)
    bottle = next(tmp_path.glob("bottle-*.whl"))
    bottle.write_bytes(bottle.read_bytes() + b"\0")
    code = build_zipapp.main(
        ["--target", "host", "--offline", "--wheels", str(tmp_path), "-o", str(tmp_path / "x.pyz")]
    )
    assert code == 1
    assert "bottle (pure)" in capsys.readouterr().err
