"""Repositories, peers and disks that mean no good, against the real archive."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dulwich.repo import Repo

from tests.integration.real import Host, Serve
from tests.web.peers import Raw

MODULES = ["jarvis", "jinja2", "apsw", "bottle", "docopt", "json", "os", "logging", "sitecustomize", "dulwich"]
SECRET = "what is outside stays outside"
QUESTIONS = [
    "summarize this repo",
    "show me the README",
    "show me notes.txt",
    "show me away/secret.txt",
    "show me ../secret.txt",
    "list the files in away/",
    "where is outside used?",
    "what changed last?",
]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """Grows when anything of the repository runs."""
    return tmp_path / "trap"


@pytest.fixture
def repository(tmp_path: Path, trap: Path) -> Path:
    """A repository whose author wants to run and read things on our host."""
    place = tmp_path / "hostile"
    place.mkdir()
    for name in MODULES:
        (place / name).mkdir()
        (place / name / "__init__.py").write_text(f"open({str(trap)!r}, 'a').write(__file__)\n")
    (place / ".env").write_text(f"JARVIS_HOME={tmp_path}/elsewhere\nWEB_AUTH_SETUP_PASSWORD=mine now\nLOG_LEVEL=x\n")
    (tmp_path / "secret.txt").write_text(SECRET)
    (place / "README.md").symlink_to(tmp_path / "secret.txt")
    (place / "notes.txt").symlink_to("/etc/passwd")
    (place / "away").symlink_to(tmp_path)
    (place / "round").symlink_to(".")
    os.mkfifo(place / "pipe")
    with (place / "huge.bin").open("wb") as huge:
        huge.truncate(20 << 30)
    repo = Repo.init(str(place))
    repo.get_worktree().stage(["README.md", "notes.txt", "away", "round", ".env", "jarvis/__init__.py"])
    repo.get_worktree().commit(message=b"Innocent", author=b"x <x@x>", committer=b"x <x@x>")
    repo.close()
    _arm(place, tmp_path, trap)
    return place


def _arm(place: Path, outside: Path, trap: Path) -> None:
    """Everything in a git directory that git itself would run."""
    program = outside / "program"
    program.write_text(f"#!/bin/sh\necho run >> {trap}\n")
    program.chmod(0o755)
    (outside / "included").write_text(f"[core]\n\tfsmonitor = {program}\n\tpager = {program}\n")
    with (place / ".git/config").open("a") as config:
        config.write(f"[include]\n\tpath = {outside}/included\n[core]\n\thooksPath = {outside}\n")
        config.write(f'[filter "x"]\n\tclean = {program}\n\tsmudge = {program}\n[diff "x"]\n\ttextconv = {program}\n')
    (place / ".git/hooks").mkdir(exist_ok=True)
    for hook in ("pre-commit", "post-checkout", "post-index-change", "fsmonitor-watchman"):
        shutil.copy(program, place / ".git/hooks" / hook)
    (place / ".gitattributes").write_text("* filter=x diff=x\n")


def test_nothing_of_a_hostile_repository_runs_or_leaks(host: Host, repository: Path, trap: Path) -> None:
    for question in QUESTIONS:
        asked = host.run("ask", question, cwd=repository, env={"BIND_PORT": "0"})
        assert (asked.code, asked.err) == (0, ""), question
        assert SECRET not in asked.out, question
        assert "root:x:" not in asked.out, question
    assert not trap.exists()
    assert not (repository.parent / "elsewhere").exists()


def test_a_server_started_in_a_hostile_repository_is_itself(
    host: Host, serve: Serve, repository: Path, trap: Path, tokens: dict[str, str]
) -> None:
    here = Host(host.archive, host.home, repository)
    server = serve(here)
    client = server.http(tokens["alice"])
    thread = client.new_thread()
    client.ask(thread, "summarize this repo")
    said = " ".join(found["content"] for found in server.settled(tokens["alice"], thread))
    assert "hostile" in said
    assert SECRET not in said
    server.restart()
    server.kill_worker()
    assert not trap.exists()
    assert server.stop() == 0


def test_modules_named_in_pythonpath_are_not_ours(host: Host, repository: Path, trap: Path) -> None:
    (repository / "sitecustomize" / "__init__.py").unlink()  # the interpreter itself takes this one, before us
    asked = host.run("ask", "hello", env={"PYTHONPATH": str(repository)})
    assert asked.code == 0
    assert "/json/" not in (trap.read_text() if trap.exists() else "")
    assert "/jarvis/" not in (trap.read_text() if trap.exists() else "")


BROKEN = {
    "a TLS hello": (b"\x16\x03\x01\x00\xff\r\n\r\n", 400),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "another host": (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
    "two lengths": (b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a negative length": (b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", 400),
    "a huge length": (b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 20
                      + b"\r\n\r\n", 413),
    "a bad chunk": (b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    400),
    "a long line": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
    "a climbing path": (b"GET /static/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "a path of bad UTF-8": (b"GET /%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a NUL": (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "a bad cookie": (b"GET /api/v1/auth/me HTTP/1.1\r\nHost: localhost\r\nCookie: jarvis_session=\xff;=\r\n\r\n", 401),
    "a bad key": (b"GET /api/v1/auth/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\r\n\r\n", 401),
}  # fmt: skip


def test_broken_requests_get_a_problem_and_harm_nobody(host: Host, serve: Serve) -> None:
    server = serve(host)
    crowd = [socket.create_connection(server.http().address) for _ in range(200)]
    for one in crowd[:100]:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow")  # and never goes on
    for name, (data, status) in BROKEN.items():
        raw = Raw(server.http().address)
        raw.send(data)
        found, headers, body = raw.response()
        raw.close()
        assert found == status, name
        assert headers["content-type"] == "application/problem+json", name
        assert headers["x-request-id"].encode() in body, name
    for one in crowd[:100]:
        one.sendall(b": 1\r\n\r\n")
        assert one.recv(12) == b"HTTP/1.1 200"
    for one in crowd:
        one.close()
    assert server.http().get("/readyz").json["ok"]
    assert "Traceback" not in server.said()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk takes root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_refuses_and_keeps_what_it_acknowledged(
    host: Host, serve: Serve, small_disk: Path, tokens: dict[str, str]
) -> None:
    shutil.copytree(host.home, small_disk / "home")
    host.home = small_disk / "home"
    server = serve(host, RATE_LIMIT_MESSAGES_PER_MINUTE="1000000", RESTART_DRAIN_TIMEOUT_SECONDS="1")
    client = server.http(tokens["alice"])
    thread = client.new_thread()
    acknowledged = []
    while (answer := client.ask(thread, "x" * 20_000)).status == 202:
        acknowledged.append(answer.json["message"]["id"])
    assert answer.status == 503
    assert "disk is full" in answer.json["detail"]
    assert "retry-after" in answer.headers
    assert client.get("/healthz").status == 200
    assert client.get(f"/api/v1/threads/{thread}").status == 200  # what can be read is served
    assert host.run("ask", "hello").code == 69
    assert server.stop() == 0

    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    again = serve(host)
    found = [message["id"] for message in again.settled(tokens["alice"], thread) if message["role"] == "user"]
    assert found == acknowledged
    assert host.run("events", "verify").code == 0


def test_the_home_is_nobody_elses_whatever_the_umask(empty_host: Host) -> None:
    assert empty_host.run("doctor", "--fix", umask=0).code == 0
    assert empty_host.run("ask", "hello", umask=0).code == 0
    assert empty_host.home.stat().st_mode & 0o777 == 0o700
    for name in ("jarvis.db", ".env"):
        assert (empty_host.home / name).stat().st_mode & 0o777 == 0o600, name


def test_a_database_replaced_under_the_server_takes_nothing_more(
    host: Host, serve: Serve, tokens: dict[str, str]
) -> None:
    server = serve(host)
    client = server.http(tokens["alice"])
    thread = client.new_thread()
    other = host.home / "restored.db"
    shutil.copy(host.home / "jarvis.db", other)
    other.rename(host.home / "jarvis.db")
    refused = client.ask(thread, "hello")  # SQLite alone would take it, into a file without a name
    assert refused.status == 503
    assert "replaced" in refused.json["detail"]
    assert server.stop() == 0
    assert serve(host).http(tokens["alice"]).get("/readyz").json["ok"]
