"""The command line of the real archive: exit codes, --json and --as, before and after a set-up."""

import json

import pytest

from tests.integration.real import Host, Serve

WORKING = [
    ["version"],
    ["status"],
    ["doctor"],
    ["config", "show"],
    ["config", "check"],
    ["migrate", "--dry-run"],
    ["migrate"],
    ["user", "list"],
    ["token", "list"],
    ["events", "tail"],
    ["events", "search", "user"],
    ["events", "verify"],
    ["secrets", "status"],
    ["secrets", "scan"],
    ["search", "hello"],
    ["ask", "hello"],
    ["ask", "/help"],
]
REFUSED = [
    ([], 64),
    (["statsu"], 64),
    (["ask"], 64),
    (["ask", "hello", "--timeout", "soon"], 64),
    (["ask", "hello", "--timeout", "-1"], 64),
    (["--as"], 64),
    (["ask", b"not \xff UTF-8"], 64),
    (["token", "create", "x", "--days", "0"], 64),
    (["events", "tail", "--count", "many"], 64),
    (["user", "add", "dora"], 64),
    (["user", "add", "alice", "--no-password"], 65),
    (["user", "add", "two words", "--no-password"], 65),
    (["user", "role", "alice", "god"], 65),
    (["user", "role", "ada", "user"], 65),
    (["events", "tail", "--since", "yesterday"], 65),
    (["ask", ""], 65),
    (["user", "role", "nobody", "admin"], 66),
    (["token", "revoke", "tok_nothing"], 66),
    (["ask", "hello", "--thread", "thr_nothing"], 66),
    (["status", "--as", "nobody"], 66),
    (["config", "show", "NO_SUCH"], 66),
    (["doctor", "--undo", "fix_nothing"], 66),
    (["secrets", "rotate", "nothing"], 66),
    (["import", "nothing.zip"], 66),
    (["import", "/dev/null"], 66),
    (["export", "/dev/null"], 65),
    (["secrets", "rotate", "github-token"], 69),
    (["secrets", "status", "--as", "alice"], 77),
    (["user", "list", "--as", "alice"], 77),
    (["--as=alice", "events", "verify"], 77),
]


@pytest.mark.parametrize("words", WORKING, ids=" ".join)
def test_json_may_stand_before_or_after(host: Host, words: list[str]) -> None:
    after, before = host.run(*words, "--json"), host.run("--json", *words)
    for ran in (after, before):
        assert (ran.code, ran.err) == (0, "")
        assert json.loads(ran.out) is not None
    assert host.run(*words).code == 0


def test_every_refusal_has_its_exit_code_and_no_traceback(host: Host) -> None:
    wrong = []
    for words, code in REFUSED:
        ran = host.run(*words)
        if ran.code != code or "Traceback" in ran.err or "Internal error" in ran.err:
            wrong.append((words, code, ran))
    assert wrong == []


def test_a_refusal_can_be_read_by_a_program(host: Host) -> None:
    ran = host.run("user", "role", "nobody", "admin", "--json")
    problem = json.loads(ran.err)
    assert (ran.code, problem["status"], problem["title"]) == (66, 404, "Not found")


@pytest.mark.parametrize("command", ["status", "doctor", "ask", "migrate", "user list", "events verify"])
def test_every_setting_that_does_not_parse_is_named(host: Host, command: str) -> None:
    words = [*command.split(), *(["hello"] if command == "ask" else [])]
    ran = host.run(*words, env={"BIND_PORT": "eighty"})
    assert ran.code == (1 if command == "doctor" else 78)  # doctor tells it as a finding
    assert "BIND_PORT" in ran.out + ran.err


def test_the_command_line_works_before_there_is_anything(empty_host: Host) -> None:
    assert empty_host.run("status").code == 0
    assert empty_host.run("ask", "hello").out.startswith("Hello")
    added = empty_host.run("user", "add", "ada", "--role", "admin", "--password-stdin", stdin="long enough\n")
    assert (added.code, added.out) == (0, "Added ada (admin).\n")


def test_the_command_line_acts_as_the_user_named(host: Host) -> None:
    told = host.run("ask", "who are the users?", "--as", "alice")
    assert "Only an admin" in told.out
    newest = host.run("events", "tail", "--count", "1", "--json").json["items"][0]
    assert newest["actor"] == "alice"
    assert "charlie" in host.run("ask", "who are the users?").out


def test_the_command_line_beside_a_server_shares_its_database(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    server = serve(host)
    assert host.run("status").out.startswith("Ready.")
    asked = host.run("ask", "hello", "--as", "alice", "--json").json
    client = server.http(tokens["alice"])
    assert client.messages(asked["thread_id"])[0]["content"] == "hello"
    listener = server.peer(f"Authorization: Bearer {tokens['bob']}")
    listener.text()
    assert host.run("user", "disable", "bob").code == 0
    assert listener.close_code() == 1008  # at once, though another process did it
    assert server.http(tokens["bob"]).get("/api/v1/auth/me").status == 401


def test_doctor_makes_what_is_missing_and_puts_it_back(empty_host: Host) -> None:
    rehearsed = empty_host.run("doctor", "--fix", "--dry-run", "--json")
    assert rehearsed.code == 0
    assert not empty_host.home.exists()
    fixed = empty_host.run("doctor", "--fix", "--json").json
    assert fixed["ok"]
    assert "/setup?token=" in fixed["setup_link"]
    environment = empty_host.home / ".env"
    assert environment.stat().st_mode & 0o777 == 0o600
    environment.chmod(0o644)
    (change,) = empty_host.run("doctor", "--fix", "--json").json["fixed"]
    assert environment.stat().st_mode & 0o777 == 0o600
    assert empty_host.run("doctor", "--undo", change["id"]).code == 0
    assert environment.stat().st_mode & 0o777 == 0o644
    assert empty_host.run("doctor", "--undo", change["id"]).code == 65
    items = empty_host.run("events", "search", "fix", "--json").json["items"]
    assert [event["type"] for event in items][:2] == ["doctor.undo", "doctor.fix"]


def test_a_conversation_at_the_terminal(host: Host) -> None:
    talked = host.run("chat", "--as", "alice", stdin="hello\n/help\n\n")
    assert talked.code == 0
    assert "Hello, alice." in talked.out
    assert "/search" in talked.out
