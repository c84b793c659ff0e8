"""How the real server comes up, and how it says that it cannot."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlencode

import apsw
import pytest

from tests.archive.conftest import MINORS
from tests.client import forms_of
from tests.integration.real import Host, Refused, Serve

FORM = "application/x-www-form-urlencoded"


def test_the_setup_link_makes_one_admin(empty_host: Host, serve: Serve) -> None:
    server = serve(empty_host)
    (link,) = re.findall(r"http://\S+(/setup\?token=\S+)", server.said())
    client = server.http()
    assert client.get("/readyz").json["ok"]  # having nobody yet is no failure
    assert client.get("/setup?token=guessed").status == 403
    (form,) = forms_of(client.get(link).text)
    outcomes: list[tuple[int, str]] = []

    def open_it(number: int) -> None:
        typed = form.values | {"username": f"first{number}", "password": "a password long enough"}
        headers = {"Content-Type": FORM, "Origin": server.url}
        answer = server.http().post(form.action, body=urlencode(typed).encode(), headers=headers)
        outcomes.append((answer.status, answer.location))

    racers = [threading.Thread(target=open_it, args=(number,)) for number in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(outcomes) == [(303, "/chat"), *[(303, "/login")] * 3]
    assert [user["role"] for user in empty_host.run("user", "list", "--json").json["items"]] == ["admin"]
    assert client.get(link).location == "/login"
    assert server.stop() == 0
    assert "/setup?token=" not in serve(empty_host).said()


def test_the_setup_password_makes_the_first_admin(empty_host: Host, serve: Serve) -> None:
    server = serve(empty_host, WEB_AUTH_SETUP_PASSWORD="given by the operator")
    signed_in = server.http().post("/api/v1/auth/login", {"username": "admin", "password": "given by the operator"})
    assert signed_in.json["role"] == "admin"
    assert "given by the operator" not in server.said()
    assert "/setup" not in server.said()


def test_a_second_server_on_the_home_is_refused(host: Host, serve: Serve, refused: Refused) -> None:
    first = serve(host)
    for flags in ((), ("--no-supervisor",)):
        code, said = refused(host, *flags)
        assert code == 69
        assert f"pid {first.pid}" in said
    assert first.http().get("/readyz").status == 200


def test_a_port_in_use_is_refused(host: Host, refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for flags in ((), ("--no-supervisor",)):
            code, said = refused(host, "--port", port, *flags)
            assert code == 69
            assert f"Port {port}" in said


@pytest.mark.parametrize(
    ("flags", "env", "code", "word"),
    [
        ((), {"BIND_PORT": "abc"}, 78, "BIND_PORT"),
        ((), {"APP_ENV": "prod", "BIND_HOST": "0.0.0.0"}, 78, "TRUSTED_PROXY"),
        (("--port", "99999"), {}, 64, "--port"),
        (("--frob",), {}, 64, "jarvis serve"),
        (("--host", "203.0.113.7"), {}, 78, "BIND_HOST"),
    ],
)
def test_what_cannot_be_served_is_said_with_its_exit_code(
    host: Host, refused: Refused, flags: tuple[str, ...], env: dict[str, str], code: int, word: str
) -> None:
    ended, said = refused(host, *flags, **env)
    assert ended == code
    assert word in said
    assert "Traceback" not in said


def _overwritten(database: Path) -> None:
    database.write_bytes(b"This is no database. " * 500)


def _truncated(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def _of_a_newer_release(database: Path) -> None:
    connection = apsw.Connection(str(database))
    connection.execute("INSERT INTO schema_migrations VALUES (9999, '9999_future', 'abc', '99.0', 0)")
    connection.close()


@pytest.mark.parametrize("harm", [_overwritten, _truncated, _of_a_newer_release], ids=lambda harm: harm.__name__)
def test_a_database_that_cannot_be_used_ends_every_command(host: Host, refused: Refused, harm: object) -> None:
    database = host.home / "jarvis.db"
    harm(database)  # type: ignore[operator]
    before = database.read_bytes()
    for code, said in (refused(host), refused(host, "--no-supervisor")):
        assert code == 69
        assert "atabase" in said
    asked = host.run("ask", "hello")
    assert (asked.code, asked.out) == (69, "")
    doctor = host.run("doctor", "--json")
    assert doctor.code == 1
    assert "database-unusable" in [finding["id"] for finding in doctor.json["findings"]]
    assert database.read_bytes() == before


def test_pages_only_shows_what_the_server_beside_it_does(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    server = serve(host)
    pages = serve(host, "--pages-only", "--reload")
    assert pages.http().get("/login").status == 200
    thread = pages.http(tokens["alice"]).new_thread()
    listener = pages.listener(tokens["alice"], thread)
    server.http(tokens["alice"]).ask(thread, "hello")  # asked there, answered there, told here
    while "message.done" not in (said := listener.text()):
        pass
    assert "Hello, alice." in said
    listener.close()
    assert server.stop() == 0
    assert pages.http(tokens["alice"]).get("/api/v1/threads").status == 200
    assert pages.stop() == 0


def test_pages_only_asks_for_a_server_first(empty_host: Host, refused: Refused) -> None:
    code, said = refused(empty_host, "--pages-only")
    assert code == 69
    assert "jarvis serve" in said


def test_another_user_with_a_read_only_home_runs_it(
    host: Host, serve: Serve, nobodys_python: str, public_folder: Path
) -> None:
    folder = public_folder / "nobody"
    folder.mkdir()
    archive = Path(shutil.copy(host.archive, folder / "jarvis.pyz"))
    home = folder / "state"
    home.mkdir()
    shutil.chown(home, "nobody")
    stranger = Host(archive, home, folder, {"HOME": "/nonexistent"}, nobodys_python)
    asked = stranger.run("ask", "hello", user="nobody", cwd=Path("/"))
    assert (asked.code, asked.err) == (0, "")
    assert asked.out.startswith("Hello")

    shutil.chown(home, "root")
    home.chmod(0o700)
    for words in (["status"], ["ask", "hello"], ["serve"], ["migrate"]):
        ran = stranger.run(*words, user="nobody", cwd=Path("/"))
        assert ran.code == 69, words
        assert "Permission denied" in ran.err
    doctor = stranger.run("doctor", user="nobody", cwd=Path("/"))
    assert doctor.code == 1
    assert "home-unusable" in doctor.out


@pytest.mark.parametrize("minor", sorted(MINORS))
def test_every_interpreter_starts_and_answers(host: Host, serve: Serve, tokens: dict[str, str], minor: int) -> None:
    host.python = MINORS[minor].path
    server = serve(host)
    client = server.http(tokens["alice"])
    thread = client.new_thread()
    client.ask(thread, "hello")
    assert server.settled(tokens["alice"], thread)[1]["content"].startswith("Hello, alice.")
    assert server.stop() == 0


def test_a_checkout_without_dependencies_says_what_to_run(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {"PATH": os.environ["PATH"], "JARVIS_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-S", "-m", "jarvis", "ask", "hello"],
        cwd=root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 69
    assert "build_zipapp.py --target host" in ran.stderr
