"""healthcheck.sh, rollback.sh and restore_db.sh against a real server from a real archive."""

import gzip
import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT, Host, kill, wait_until

NOT_READY = {
    "ok": False,
    "checks": {
        "disk": {"ok": False, "core": True, "detail": "3 MB free\x1b[2J"},
        "provider": {"ok": False, "core": False, "detail": "down"},
        "database": {"ok": True, "core": True, "detail": "write 1 ms"},
    },
    "restarting": True,
    "lockdown": False,
    "version": "9.9",
}


@pytest.fixture(scope="module")
def standing(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with the service, which the tests share: installing takes seconds."""
    made = Host(tmp_path_factory.mktemp("standing"))
    ran = made.install(archive, "--start")
    assert ran.code == 0, ran.err
    yield made
    made.end()


@pytest.fixture
def served(standing: Host, archive: Path) -> Host:
    """That host, with this release installed and running."""
    if standing.archive.read_bytes() != archive.read_bytes() or standing.run("healthcheck.sh").code:
        ran = standing.install(archive, "--start")
        assert ran.code == 0, ran.err
    return standing


def answering(status: int, body: bytes) -> Iterator[str]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def unwell() -> Iterator[str]:
    yield from answering(503, json.dumps(NOT_READY).encode())


@pytest.fixture
def somebody_else() -> Iterator[str]:
    yield from answering(200, b"<h1>It works</h1>")


def names(host: Host) -> list[str]:
    """Who has an account."""
    return [user["username"] for user in json.loads(host.jarvis("user", "list", "--json"))["items"]]


def add(host: Host, name: str) -> None:
    host.jarvis("user", "add", name, "--password-stdin", stdin="correct horse battery\n")


def sha(archive: Path) -> str:
    return hashlib.sha256(archive.read_bytes()).hexdigest()[:12]


def snapshot(host: Host) -> Path:
    made = json.loads(host.jarvis("backup", "create", "--json"))
    return host.home / "backups" / made["file"]


# healthcheck.sh


def test_a_ready_server_is_found_by_itself_and_by_its_address(served):
    found = served.run("healthcheck.sh")
    assert found.code == 0
    url = found.out.split()[-1]
    assert served.run("healthcheck.sh", url.removesuffix("/readyz")).code == 0
    assert served.run("healthcheck.sh", url.removeprefix("http://")).code == 0


def test_what_fails_is_named_and_cannot_draw_on_the_terminal(host, unwell):
    ran = host.run("healthcheck.sh", unwell)
    assert ran.code == 1
    assert ran.err.splitlines() == [
        f"not ready: jarvis 9.9 at {unwell}/readyz",
        "  disk: 3 MB free[2J",
        "  provider: down (not core)",
        "  restarting",
    ]


def test_somebody_elses_page_is_not_ready(host, somebody_else):
    ran = host.run("healthcheck.sh", somebody_else)
    assert (ran.code, "not as Jarvis does" in ran.err) == (1, True)


def test_nobody_there_is_said(host):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ran = host.run("healthcheck.sh", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert ran.code == 69
    assert "nothing answers" in ran.err


def test_a_home_that_names_a_file_as_its_address_gets_nothing_read(host, tmp_path):
    home = tmp_path / "evil"
    (home / "run").mkdir(parents=True)
    (home / "run/server.json").write_text(json.dumps({"url": "file:///etc/passwd#"}))
    ran = host.run("healthcheck.sh", env={"JARVIS_HOME": str(home)})
    assert ran.code == 64
    assert "root:" not in ran.err + ran.out


def test_no_proxy_of_the_environment_is_asked(served):
    assert served.run("healthcheck.sh", env={"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}).code == 0


# install-systemd.sh, upgrading


def test_an_upgrade_backs_up_keeps_the_old_one_and_is_ready(served, other):
    host, newer, old = served, other("pass"), served.pid
    ran = host.install(newer, "--start")
    assert ran.code == 0, ran.err
    assert host.pid != old
    assert host.archive.read_bytes() == newer.read_bytes()
    assert len(list((host.home / "releases").glob("*.pyz"))) >= 2
    reasons = [backup["reason"] for backup in json.loads(host.jarvis("backup", "list", "--json"))["items"]]
    assert any(reason.startswith("before 0.") for reason in reasons)
    assert host.run("healthcheck.sh").code == 0


def test_an_upgrade_that_hangs_is_taken_back(served, archive, other):
    host = served
    hanging = other("if 'serve' in sys.argv: import time; time.sleep(600)")
    ran = host.install(hanging, "--start", env={"READY_SECONDS": "1"})
    assert ran.code == 1, ran.err
    assert "what ran before runs again" in ran.err
    assert host.archive.read_bytes() == archive.read_bytes()
    assert host.run("healthcheck.sh").code == 0


# rollback.sh


def test_going_back_to_the_release_before_and_forward_again(served, archive, other):
    newer = other("pass")
    (served.home / "releases" / f"0.1.0-{sha(newer)}.pyz").write_bytes(newer.read_bytes())
    assert served.run("rollback.sh", sha(newer)).code == 0
    add(served, "bob")
    back = served.run("rollback.sh", "previous")
    assert back.code == 0, back.err
    assert served.archive.read_bytes() == archive.read_bytes()
    assert "bob" in names(served), "a rollback of the code loses no data"
    assert any(sha(newer) in line for line in served.run("rollback.sh").out.splitlines())


def test_a_release_that_cannot_live_with_the_database_stops_nothing(served, other):
    before = served.pid
    old = other("if 'migrate' in sys.argv: sys.exit('jarvis: the database is of a newer release')")
    (served.home / "releases/0.0.1-old.pyz").write_bytes(old.read_bytes())
    ran = served.run("rollback.sh", "0.0.1-old")
    assert ran.code == 69
    assert "newer release" in ran.err
    assert served.pid == before
    assert served.run("healthcheck.sh").code == 0


@pytest.mark.parametrize(("word", "code"), [("no-such-thing", 66), ("--hard", 64), ("../../etc", 66)])
def test_what_is_no_release_changes_nothing(served, word, code):
    before = served.pid
    assert served.run("rollback.sh", word, env={"JARVIS_SOURCE": ""}).code == code
    assert served.pid == before


def test_a_ref_is_built_from_the_repository_and_run(served, other, tmp_path):
    """The committed build script counts, not the one that lies about; under JARVIS_PROOF it is this tree's own."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    source = tmp_path / "source"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(source)]
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    is_whole = bool(os.environ.get("JARVIS_PROOF"))
    if is_whole:
        copy_tree(source)
    else:
        built = other("sys.dont_write_bytecode = True")
        script = f"import shutil, sys; shutil.copy({str(built)!r}, sys.argv[sys.argv.index('-o') + 1])\n"
        (source / "build_zipapp.py").write_text(script)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Another release"], check=True)
    subprocess.run([*git, "tag", "seven"], check=True)
    (source / "build_zipapp.py").write_text("raise SystemExit(1)\n")
    ran = served.run("rollback.sh", "seven", env={"JARVIS_SOURCE": str(source)})
    assert ran.code == 0, ran.err
    assert ("ready: jarvis 7." in ran.out) == is_whole
    assert is_whole or served.archive.read_bytes() == built.read_bytes()


def copy_tree(source: Path) -> None:
    """This tree, with another version."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    init = source / "jarvis/__init__.py"
    init.write_text(init.read_text().replace('"0.', '"7.'))
    (source / "build").mkdir()
    (source / "build/wheels").symlink_to(ROOT / "build" / "wheels")


# restore_db.sh


def test_a_snapshot_is_restored_and_what_was_there_is_kept(served):
    given = snapshot(served)
    add(served, "after-it")
    ran = served.run("restore_db.sh", given, served.home / "jarvis.db")
    assert ran.code == 0, ran.err
    assert "ready: jarvis" in ran.out
    assert "after-it" not in names(served)
    kept = Path(next(line for line in ran.out.splitlines() if line.startswith("kept: ")).removeprefix("kept: "))
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not (served.home / ".restore_db").exists()


def test_a_damaged_snapshot_stops_nothing(served, tmp_path):
    before = served.pid
    cut = tmp_path / "cut.db.gz"
    cut.write_bytes(snapshot(served).read_bytes()[:5000])
    ran = served.run("restore_db.sh", cut)
    assert ran.code == 69
    assert "cut.db.gz was not restored" in ran.err
    assert served.pid == before
    assert served.run("healthcheck.sh").code == 0


def test_when_it_is_not_ready_with_the_snapshot_the_old_database_is_back(served, unwell):
    given = snapshot(served)
    add(served, "kept")
    ran = served.run("restore_db.sh", given, env={"RESTORE_READYZ_URL": unwell, "READY_SECONDS": "1"})
    assert ran.code == 1, ran.err
    assert "the old database serves again" in ran.err
    assert "kept" in names(served)
    assert len(list(served.home.glob("jarvis.db.failed-*"))) >= 1


def test_after_a_crash_nothing_of_the_old_log_is_played_into_the_snapshot(served):
    given = snapshot(served)
    add(served, "in-the-log")
    kill(served.pid)
    wait_until(lambda: served.run("healthcheck.sh").code == 69, "the worker leaves with its supervisor")
    assert (served.home / "jarvis.db-wal").exists()
    ran = served.run("restore_db.sh", given)
    assert ran.code == 0, ran.err
    assert "start Jarvis" in ran.out, "what did not run is not started"
    assert "in-the-log" not in names(served)


def test_a_database_that_is_served_without_systemd_is_left_alone(served, tmp_path):
    given = snapshot(served)
    unit = served.units / "jarvis.service"
    unit.rename(tmp_path / "unit")
    try:
        ran = served.run("restore_db.sh", given)
    finally:
        (tmp_path / "unit").rename(unit)
    assert ran.code == 69
    assert "Another server already runs" in ran.err


def test_a_database_of_its_own_is_restored_beside_the_service(served, tmp_path):
    given = tmp_path / "snapshot.db"
    given.write_bytes(gzip.decompress(snapshot(served).read_bytes()))
    before = served.pid
    ran = served.run("restore_db.sh", given, tmp_path / "elsewhere.db")
    assert ran.code == 0, ran.err
    assert (tmp_path / "elsewhere.db").stat().st_size > 100_000
    assert served.pid == before


@pytest.mark.parametrize(("words", "code"), [((), 64), (("--help",), 0), (("/no/such/file",), 66)])
def test_how_it_is_used(host, words, code):
    assert host.run("restore_db.sh", *words).code == code
