"""The archive runs alone, keeps reading its own file, and says plainly why it cannot run."""

import ast
import json
import os
import pwd
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jarvis.archive import build, hosts, launch
from jarvis.archive.build import Dependencies

from .conftest import MINORS, ROOT, probed

ENTRY = (ROOT / "jarvis" / "archive" / "entry.py").read_text()
NOTHING = Dependencies({}, {}, {}, {})
OLD_PYTHONS = sorted(Path.home().glob(".pyenv/versions/[23].[0-9]*/bin/python"))
OLD_PYTHONS = [path for path in OLD_PYTHONS if not re.match(r"3\.1[1-9]", path.parents[1].name)]


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text and text.startswith("jarvis: ")


def flip(path: Path, entry: str) -> None:
    """Flip one bit in the middle of an entry's bytes."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(entry)
    with path.open("r+b") as file:
        at = info.header_offset + 30 + len(entry.encode()) + info.compress_size // 2
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 4]))


def test_it_runs_alone_with_an_empty_environment(alone, run):
    ran = run(alone, "where")
    assert ran.err == ""
    where = json.loads(ran.out)
    assert where["path"] == str(alone)
    assert list(alone.parent.iterdir()) == [alone]


@pytest.mark.parametrize("flags", [("-I", "-S"), ("-s",), ("-O",)])
def test_it_runs_under_pythons_flags(alone, run, flags):
    assert run(alone, "sql", flags=flags).out.startswith("42\n")


def test_it_runs_as_nobody_with_a_home_that_cannot_be_written(pyz, public_folder, run, nobodys_python):
    empty = public_folder / "empty"
    empty.mkdir(exist_ok=True)
    empty.chmod(0o555)
    environment = {"HOME": str(empty)}
    for way in ("auto", "memfd", "temp"):
        environment["JARVIS_NATIVE"] = way
        ran = run(
            pyz,
            "sql",
            python=nobodys_python,
            env=environment,
            cwd=empty,
            user="nobody",
            group=pwd.getpwnam("nobody").pw_gid,
        )
        assert (ran.code, ran.out.splitlines()[0]) == (0, "42"), ran.err
    environment["JARVIS_NATIVE"] = "cache"
    ran = run(
        pyz,
        "sql",
        python=nobodys_python,
        env=environment,
        cwd=empty,
        user="nobody",
        group=pwd.getpwnam("nobody").pw_gid,
    )
    assert (ran.code, one_line(ran.err), "Permission denied" in ran.err) == (69, True, True)


@pytest.mark.parametrize("minor", MINORS)
def test_every_module_imports_on_each_interpreter(pyz, minor):
    said = build.check(pyz, MINORS[minor].path)
    assert said.endswith(" 0 faults")


def test_it_runs_the_tests_it_carries(alone, run):
    ran = run(alone, "--run-tests", "tests/smoke", "-o", "addopts=")
    assert (ran.code, "passed" in ran.out) == (0, True), ran.out + ran.err


def test_a_file_renamed_over_it_changes_nothing_for_a_running_process(alone):
    with subprocess.Popen(
        [sys.executable, str(alone), "late"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}
    ) as child:
        assert child.stdout.readline() == "ready\n"
        newer = alone.with_name("new.pyz")
        newer.write_bytes(build.build(probed("new"), NOTHING, []).data)
        newer.replace(alone)
        out, _ = child.communicate("go\n", timeout=60)
    assert out.split()[:2] == ["old", f"{alone}/lib/jinja2/__init__.py"]
    assert child.returncode == 0


def test_a_child_started_from_the_descriptor_runs_the_same_file(alone, run):
    before = json.loads(run(alone, "where").out)["sha256"]
    with alone.open("rb") as held:
        alone.unlink()
        fd = held.fileno()
        told = {"JARVIS_ARCHIVE_PATH": str(alone)}
        ran = run(f"/proc/self/fd/{fd}", "where", flags=("-I",), pass_fds=(fd,), cwd="/", env=told)
        plain = run(f"/proc/self/fd/{fd}", "where", pass_fds=(fd,), cwd="/")
    where = json.loads(ran.out)
    assert where == {**where, "sha256": before, "path": str(alone), "fd": fd}
    assert where["command"] == [sys.executable, "-I", f"/proc/self/fd/{fd}"]
    assert json.loads(plain.out)["path"] == str(alone)


def test_a_file_renamed_over_it_while_python_starts_is_run_whole(alone, newer_bytes):
    newer = alone.with_name("new.pyz")
    newer.write_bytes(newer_bytes)
    program = (
        "import os, sys, zipimport\n"
        "loader = zipimport.zipimporter(sys.argv[1])\n"
        "code = loader.get_code('__main__')\n"
        "os.replace(sys.argv[2], sys.argv[1])\n"
        "sys.argv = [sys.argv[1], 'late']\n"
        "exec(code, {'__name__': '__main__', '__loader__': loader})\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(alone), str(newer)],
        input="go\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.splitlines()[-1].startswith("new "), ran.stderr


def test_the_hosts_own_packages_do_not_leak_in(alone, run, tmp_path):
    site = tmp_path / "lib" / "python3" / "site-packages"
    site.mkdir(parents=True)
    (site / "jinja2.py").write_text("raise SystemExit('leaked')\n")
    (site / "only_here.py").write_text("")
    for environment in ({"PYTHONPATH": str(site)}, {"PYTHONPATH": str(site.parent)}):
        ran = run(alone, "import", "jinja2", env=environment)
        assert ran.out == f"{alone}/lib/jinja2/__init__.py\n"
        assert "ModuleNotFoundError" in run(alone, "import", "only_here", env=environment).err


def test_what_the_host_imported_before_us_is_replaced(alone, run, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import markupsafe\n")
    (tmp_path / "markupsafe.py").write_text("")
    ran = run(alone, "import", "markupsafe", env={"PYTHONPATH": str(tmp_path)})
    assert ran.out == f"{alone}/lib/markupsafe/__init__.py\n"


def test_nothing_is_imported_from_the_working_directory(alone, run, tmp_path):
    (tmp_path / "jinja2.py").write_text("raise SystemExit('leaked')\n")
    assert run(alone, "import", "jinja2", cwd=tmp_path).out == f"{alone}/lib/jinja2/__init__.py\n"


def test_starting_imports_nothing_heavy(alone, run):
    modules = set(run(alone, "modules", flags=("-I", "-S")).out.split())
    heavy = {
        "json",
        "hashlib",
        "subprocess",
        "logging",
        "asyncio",
        "dataclasses",
        "argparse",
        "typing",
        "apsw",
    }
    assert not modules & heavy
    assert {name for name in modules if name.startswith("jarvis")} == {name for name, _ in build.BOOT} | {"jarvis.cli"}


def test_the_version_is_answered_at_once(alone, run, built):
    ran = run(alone, "--version", flags=("-X", "importtime"))
    assert ran.out == f"jarvis {built.version} (tree {built.tree[:12]})\n"
    assert "jarvis" not in ran.err.replace(str(alone), "")
    assert "marshal" not in ran.err.split("runpy")[-1]


BOOT = f"boot/{sys.implementation.cache_tag}"


@pytest.mark.parametrize("entry", [BOOT, f"pyc/{sys.implementation.cache_tag}.zip"])
def test_a_harmed_entry_is_one_line_and_70(alone, run, entry):
    flip(alone, entry)
    ran = run(alone, "--self-check")
    assert ran.code == 70
    assert "Traceback" not in ran.err
    assert "is damaged" in ran.err


def test_a_harmed_module_is_one_line_and_70(newer_bytes, tmp_path, run):
    path = tmp_path / "jarvis.pyz"
    path.write_bytes(newer_bytes)
    flip(path, "lib/jarvis/cli.py")
    ran = run(path, "where")
    assert (ran.code, one_line(ran.err)) == (70, True), ran.err


@pytest.mark.parametrize("share", [0.02, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.9999])
def test_a_file_that_is_cut_off_is_one_line_and_70(alone, run, share):
    os.truncate(alone, int(alone.stat().st_size * share))
    ran = run(alone, "status")
    assert (ran.code, one_line(ran.err)) == (70, True), ran.err
    assert "damaged" in ran.err


def test_a_host_it_was_not_built_for_is_told_what_to_do(tmp_path, run):
    natives = {"cp311-manylinux-riscv64": {"apsw": b"x"}, "cp399-manylinux-x86_64": {"apsw": b"x"}}
    path = tmp_path / "jarvis.pyz"
    path.write_bytes(build.build(probed("x"), Dependencies({}, natives, {}, {}), []).data)
    ran = run(path, "status")
    assert (ran.code, one_line(ran.err)) == (69, True), ran.err
    for part in (*natives, hosts.host_tag(), "python3 build_zipapp.py --target host"):
        assert part in ran.err
    assert run(path, "--version").code == 0


@pytest.mark.skipif(not OLD_PYTHONS, reason="no Python older than 3.11 under ~/.pyenv")
@pytest.mark.parametrize("python", OLD_PYTHONS, ids=lambda path: path.parents[1].name)
def test_an_old_python_is_told_its_version(alone, run, python):
    for words in (("serve",), ("--version",)):
        ran = run(alone, *words, python=str(python))
        assert (ran.code, one_line(ran.err)) == (69, True), ran.err
        assert "needs 3.11 or newer" in ran.err


def test_the_entry_uses_no_syntax_an_old_python_lacks():
    tree = ast.parse(ENTRY, feature_version=(3, 4))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr | ast.AsyncFunctionDef | ast.Starred)
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert not [a for a in node.args.args if a.annotation]
            assert not node.args.kwonlyargs
        if isinstance(node, ast.Raise):
            assert node.cause is None
    assert "nonlocal" not in ENTRY
    assert ENTRY.isascii()


@pytest.mark.parametrize(
    ("line", "supervised"),
    [
        ("serve", True),
        ("serve --host 0.0.0.0 --port 8000", True),
        ("--json serve", True),
        ("--as ada serve", True),
        ("serve --port 80", True),
        ("serve --no-supervisor", False),
        ("serve --no-sup", False),
        ("serve --pages-only", False),
        ("serve --reload", False),
        ("serve --help", False),
        ("serve -h", False),
        ("status", False),
        ("--as serve status", False),
        ("ask serve", False),
        ("", False),
        ("--json", False),
    ],
)
def test_serve_alone_goes_to_the_supervisor(line, supervised, monkeypatch):
    monkeypatch.delenv(launch.WORKER_MARK, raising=False)
    assert launch.is_supervised(line.split()) is supervised


def test_the_worker_is_not_supervised_again(monkeypatch):
    monkeypatch.setenv(launch.WORKER_MARK, "7")
    assert launch.is_supervised(["serve"]) is False


def test_the_supervisor_gets_the_line_and_gives_the_exit_code(alone, run):
    ran = run(alone, "serve", "--port", "0")
    assert (ran.code, ran.out) == (3, "supervised serve --port 0\n")


def test_it_runs_where_it_may_not_be_dumped(alone, nobodys_python):
    """Both processes of a server are undumpable; then /proc/self belongs to root."""
    program = (
        "import ctypes, runpy, sys\n"
        "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE\n"
        "path, sys.argv = sys.argv[1], ['jarvis.pyz', 'sql']\n"
        "runpy.run_path(path, run_name='__main__')\n"
    )
    with alone.open("rb") as held:
        fd = held.fileno()
        command = [nobodys_python, "-I", "-S", "-c", program, f"/proc/self/fd/{fd}"]
        ran = subprocess.run(
            command,
            user="nobody",
            env={},
            pass_fds=(fd,),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.stdout.startswith("42\nmemfd:"), ran.stderr
