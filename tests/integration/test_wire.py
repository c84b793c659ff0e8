"""What a client sees of the real server: statuses, headers, pages of lists, live frames, close codes."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import password_of
from tests.integration.real import Host, Http, Running, Serve
from tests.web.peers import Raw, frame, upgrade_request

THREADS = "/api/v1/threads"


@pytest.fixture(scope="module")
def server(
    real_archive: Path, cast_home: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One server for the tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("wire")
    shutil.copytree(cast_home[0], folder / "jarvis")
    server = Running(Host(real_archive, folder / "jarvis", folder))
    server.until_ready()
    yield server
    server.close()


@pytest.fixture
def alice(server: Running, tokens: dict[str, str]) -> Http:
    return server.http(tokens["alice"])


@pytest.fixture
def bob(server: Running, tokens: dict[str, str]) -> Http:
    return server.http(tokens["bob"])


def frames_until(peer: Any, kind: str) -> Iterator[dict[str, Any]]:
    """Live frames up to the first of this type."""
    while True:
        found = json.loads(peer.text())
        yield found
        if found["type"] == kind:
            return


def test_creating_reading_and_deleting(alice: Http, bob: Http) -> None:
    made = alice.post(THREADS, {"title": "Plans"})
    assert made.status == 201
    assert alice.get(made.location).json == made.json
    for answer in (bob.get(made.location), bob.patch(made.location, {"title": "mine"}), bob.delete(made.location)):
        assert answer.status == 404
    gone = alice.delete(made.location)
    assert (gone.status, gone.body) == (204, b"")
    assert "content-length" not in gone.headers
    assert alice.get(made.location).status == 404


def test_what_is_refused_says_what_is_wrong(alice: Http) -> None:
    wrong_method = alice.request("PUT", THREADS, {})
    assert (wrong_method.status, wrong_method.headers["allow"]) == (405, "GET, HEAD, POST")
    assert alice.post(THREADS, body=b"{}", headers={"Content-Type": "text/plain"}).status == 415
    assert alice.post(THREADS, body=b"{", headers={"Content-Type": "application/json"}).status == 400
    assert alice.post(THREADS, {"title": 5}).fields_at_fault() == ["title"]
    assert alice.post(THREADS, {"title": "x" * 2_000_000}).status == 413
    unknown = alice.get("/nowhere")
    assert unknown.headers["content-type"] == "application/problem+json"
    assert set(unknown.json) == {"type", "title", "status", "detail", "trace_id"}
    assert unknown.json["trace_id"] == unknown.headers["x-request-id"]


def test_head_is_get_without_the_body(alice: Http) -> None:
    for path in ("/healthz", "/login", THREADS):
        shown, only_head = alice.get(path), alice.request("HEAD", path)
        assert (only_head.status, only_head.body) == (shown.status, b"")
        assert only_head.headers["content-length"] == shown.headers["content-length"]


def test_lists_are_paged_to_their_end(server: Running, tokens: dict[str, str]) -> None:
    charlie = server.http(tokens["charlie"])  # nobody else here makes conversations of his
    made = [charlie.post(THREADS, {"title": str(number)}).json["id"] for number in range(7)]
    found, after = [], ""
    while after is not None:
        page = charlie.get(f"{THREADS}?limit=3" + (f"&after={after}" if after else "")).json
        assert len(page["items"]) <= 3
        found += [thread["id"] for thread in page["items"]]
        after = page["next"]
    assert found == made[::-1]
    for limit in ("0", "201", "abc", "-1"):
        assert charlie.get(f"{THREADS}?limit={limit}").fields_at_fault() == ["limit"]
    assert charlie.get(f"{THREADS}?after=elsewhere").fields_at_fault() == ["after"]


def test_too_many_tries_are_told_when_to_come_back(host: Host, serve: Serve) -> None:
    server = serve(host)
    for _ in range(10):
        tried = server.http().post("/api/v1/auth/login", {"username": "alice", "password": "guessed wrong"})
        assert tried.status == 401
    refused = server.http().post("/api/v1/auth/login", {"username": "alice", "password": password_of("alice")})
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_messages_beyond_the_minutes_share_wait(host: Host, serve: Serve, tokens: dict[str, str]) -> None:
    alice = serve(host, RATE_LIMIT_MESSAGES_PER_MINUTE="2").http(tokens["alice"])
    thread = alice.new_thread()
    assert [alice.ask(thread, "/help").status for _ in range(3)] == [202, 202, 429]


def test_the_same_client_id_is_one_message(server: Running, alice: Http, tokens: dict[str, str]) -> None:
    thread = alice.new_thread()
    first, again = alice.ask(thread, "hello", "one"), alice.ask(thread, "hello", "one")
    assert first.status == again.status == 202
    assert again.json["message"]["id"] == first.json["message"]["id"]
    assert [found["role"] for found in server.settled(tokens["alice"], thread)] == ["user", "assistant"]
    exported = alice.get(f"{THREADS}/{thread}/export").text.splitlines()
    assert [json.loads(line)["role"] for line in exported] == ["user", "assistant"]


def test_a_conversation_is_told_live_and_again_from_where_one_was(
    server: Running, alice: Http, tokens: dict[str, str]
) -> None:
    thread = alice.new_thread()
    live = server.listener(tokens["alice"], thread)
    asked = alice.ask(thread, "hello").json
    told = list(frames_until(live, "message.done"))
    assert [found["type"] for found in told[:2]] == ["message.new", "message.new"]
    assert told[0]["message"]["id"] == asked["message"]["id"]
    assert {found["thread_id"] for found in told} == {thread}
    late = server.listener(tokens["alice"], thread, after=told[0]["seq"])
    caught_up = list(frames_until(late, "message.done"))
    assert caught_up[0]["seq"] == told[1]["seq"]
    assert caught_up[-1]["message"] == told[-1]["message"]


def test_a_live_connection_answers_mistakes_and_stays(server: Running, alice: Http, tokens: dict[str, str]) -> None:
    thread = alice.new_thread()
    peer = server.peer(f"Authorization: Bearer {tokens['bob']}")
    assert json.loads(peer.text())["type"] == "auth.ok"
    for said, detail in [
        ({"action": "subscribe", "thread_id": thread}, "not found"),
        ({"action": "subscribe_system"}, "forbidden"),
        ({"action": "dance"}, "bad message"),
        ({"action": "subscribe", "thread_id": 5}, "bad message"),
        ([], "bad message"),
    ]:
        peer.say(json.dumps(said))
        answer = json.loads(peer.text())
        assert (answer["type"], answer["detail"]) == ("error", detail)
    alice.ask(thread, "/help")
    assert peer.is_silent()


def test_who_may_open_a_live_connection(server: Running, tokens: dict[str, str]) -> None:
    login = server.http().post("/api/v1/auth/login", {"username": "alice", "password": password_of("alice")})
    cookie = "Cookie: " + login.headers["set-cookie"].partition(";")[0]
    bearer = f"Authorization: Bearer {tokens['alice']}"
    own = "Origin: http://localhost"
    for path, headers, status in [
        ("/ws", [], 401),
        (f"/ws?token={tokens['alice']}", [], 401),
        (f"/ws?token={tokens['alice']}", [bearer], 400),
        ("/ws", [cookie], 403),
        ("/ws", [cookie, "Origin: http://evil.example"], 403),
        ("/ws", [cookie, own, "Authorization: Bearer wrong"], 401),
        ("/ws", [cookie, own], 101),
        ("/ws", [bearer], 101),
    ]:
        raw = Raw(server.http().address)
        raw.send(upgrade_request(path, *headers))
        assert raw.response()[0] == status, (path, headers)
        raw.close()


def test_a_live_connection_ends_with_its_session_or_its_manners(
    server: Running, alice: Http, tokens: dict[str, str]
) -> None:
    login = server.http().post("/api/v1/auth/login", {"username": "alice", "password": password_of("alice")})
    peer = server.peer("Cookie: " + login.headers["set-cookie"].partition(";")[0], "Origin: http://localhost")
    peer.text()
    assert alice.delete(f"/api/v1/auth/sessions/{login.json['session_id']}").status == 204
    assert peer.close_code() == 1008
    for data, code in [
        (frame(1, b"x" * 2_000_000), 1009),
        (frame(1, b"\xff"), 1007),
        (frame(1, b"x", mask=False), 1002),
        (frame(2, b"x"), 1003),
    ]:
        rude = server.peer(f"Authorization: Bearer {tokens['alice']}")
        rude.text()
        rude.send(data)
        assert rude.close_code() == code


def test_the_document_names_every_route_it_serves(server: Running, alice: Http) -> None:
    document = alice.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        if "get" in methods and "{" not in path and path != "/ws":
            assert alice.get(path).status in (200, 303, 403, 422), path


def test_metrics_are_for_this_host_and_for_tokens(server: Running, alice: Http) -> None:
    forwarded = {"X-Forwarded-For": "198.51.100.1"}
    assert server.http().get("/metrics").text.count("# TYPE") > 5
    assert server.http().get("/metrics", headers=forwarded).status == 401
    assert alice.get("/metrics", headers=forwarded).status == 200


def test_the_question_is_about_the_directory_the_server_looks_after(
    host: Host, serve: Serve, tokens: dict[str, str], tmp_path: Path
) -> None:
    project = tmp_path / "orchard"
    project.mkdir()
    (project / "README.md").write_text(
        "# Orchard\n\nOrchard counts the apples of every tree, and tells when to pick them.\n"
    )
    server = serve(host, WORKSPACE=str(project))
    client = server.http(tokens["alice"])
    thread = client.new_thread()
    client.ask(thread, "summarize this repo")
    reply = server.settled(tokens["alice"], thread)[1]
    assert "orchard" in reply["content"]
    assert "counts the apples" in reply["content"]
