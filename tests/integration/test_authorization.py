"""Roles × routes × pages × WebSocket × slash commands × tools: what each declares is what happens to everybody.

It walks the route table and the registry, so what a feature adds is tried without a line here.
"""

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from jarvis import app as composition
from jarvis.agent import toolbox
from jarvis.agent.providers import ToolCall
from jarvis.bugs import actions as bugs
from jarvis.chat import actions as chat
from jarvis.kernel.errors import JarvisError
from jarvis.lockdown import examples
from jarvis.policy.actions import Decision
from jarvis.schedules import actions as schedules
from jarvis.users import actions as users
from jarvis.web.identity import csrf_token
from jarvis.web.routes import Access, Route, Routes
from tests.chat.scripted import Served
from tests.conftest import make_client
from tests.web.peers import Raw, upgrade_request

WHO = ("nobody", "charlie", "alice", "ada")


def caller(client, who):
    return client if who == "nobody" else client.as_(who)


@pytest.fixture
def ids(client, ctx):
    """Ids of things of Alice's, to stand in for path parameters."""
    alice = client.as_("alice")
    me = alice.get("/api/v1/auth/me").json
    return {"id": me["user_id"], "session_id": me["session_id"], "token_id": "tok_x", "name": "css/base.css"}


def ask(client, route: Route, ids: dict[str, str]):
    path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: ids.get(found[1], "x"), route.path)
    if route.is_page:
        return client.request(
            route.method, path, form={} if route.method != "GET" else None, headers={"Accept": "text/html"}
        )
    return client.request(route.method, path, json={} if route.method != "GET" else None)


def is_turned_away(answer, route: Route, who: str) -> bool:
    if route.is_page and who == "nobody":
        return answer.status == 303 and answer.location.startswith("/login")
    return answer.status == (401 if who == "nobody" else 403)


@pytest.mark.parametrize("who", WHO)
def test_every_route_keeps_to_its_declared_access(app, client, ids, who):
    for route in app.routes:
        answer = ask(caller(client, who), route, ids)
        label = f"{who}: {route.method} {route.path} → {answer.status} {answer.location}"
        assert answer.status < 500, label
        refused = {
            Access.ALL: False,
            Access.USER: who == "nobody",
            Access.ADMIN: who != "ada",
            Access.SIGNED: True,
            Access.LOCAL: False,
        }[route.access]
        if refused and route.access is Access.SIGNED:
            assert answer.status in (400, 401), label
        elif refused:
            assert is_turned_away(answer, route, who), label
        elif route.is_page and route.method != "GET" and route.access is not Access.ALL:
            assert answer.status == 403, f"{label}: a form without its CSRF token"
        else:
            assert answer.status not in (401, 403) or route.path == "/setup", label


def test_every_admin_page_is_an_admins(app):
    for route in app.routes:
        if route.path.startswith(("/admin/users", "/api/v1/users")):
            assert route.access is Access.ADMIN, route.path


def test_everybody_may_call_only_what_is_known_to_be_for_everybody(app):
    public = {(route.method, route.path) for route in app.routes if route.access is Access.ALL}
    assert public <= {
        ("GET", "/"), ("GET", "/login"), ("POST", "/login"), ("GET", "/setup"), ("POST", "/setup"),
        ("POST", "/api/v1/auth/login"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/static/{name:path}"),
        ("GET", "/healthz"), ("GET", "/readyz"),
    }  # fmt: skip


def test_a_route_without_access_cannot_be_made():
    with pytest.raises(TypeError):
        Route(method="GET", path="/x", run=lambda request: None, summary="")
    with pytest.raises(TypeError):
        Routes("x").get("/x", "anyone", "…")


def test_no_two_routes_share_a_method_and_path(app):
    seen = [(route.method, re.sub(r"{[^}]+}", "{}", route.path)) for route in app.routes]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_local_route_is_for_this_host_or_a_token(ctx, address):
    table = Routes("x")

    @table.get("/local", Access.LOCAL, "…")
    def show(request):
        from jarvis.web.replies import text

        return text("here")

    client = make_client(composition.build_application(ctx, more=[table]), ctx)
    assert client.get("/local", REMOTE_ADDR=address).status == 200
    assert client.get("/local", REMOTE_ADDR="192.0.2.1").status == 401
    assert client.bearer("alice").get("/local", REMOTE_ADDR="192.0.2.1").status == 200
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"):
        assert client.get("/local", REMOTE_ADDR=address, headers={name: "192.0.2.1"}).status == 401, name
    assert client.get("/local", REMOTE_ADDR=address, **{"jarvis.forwarded": True}).status == 401


def test_a_signed_route_needs_no_origin(ctx):
    table = Routes("x")

    @table.post("/hook", Access.SIGNED, "…", takes_raw=True)
    def take(request):
        if request.header("X-Hub-Signature-256") != "good":
            raise JarvisError
        from jarvis.web.replies import as_json

        return as_json({"bytes": len(request.raw)}, 202)

    client = make_client(composition.build_application(ctx, more=[table]), ctx)
    headers = {"Origin": None, "X-Hub-Signature-256": "good"}
    assert client.post("/hook", body=b"\xff\x00", headers=headers).json == {"bytes": 2}


FOUND, SECRET = "zanzibar", "quartz"
"""A word to look for in everything of Alice's, and one that stands beside it and nowhere else."""


@dataclass(frozen=True)
class Things:
    """One of everything that is Alice's."""

    thread: str
    bug: str
    schedule: str
    ids: tuple[str, ...]

    def shown(self, alice) -> list:
        """Her things as she sees them."""
        paths = [f"threads/{self.thread}", f"threads/{self.thread}/messages", f"bugs/{self.bug}"]
        answers = [alice.get(f"/api/v1/{path}") for path in (*paths, f"schedules/{self.schedule}", "auth/sessions")]
        assert [answer.status for answer in answers] == [200] * 5
        return [answer.json for answer in answers]


@pytest.fixture
def things(as_user, client, ctx) -> Things:
    alice = as_user("alice").traced()
    text = f"{FOUND} {SECRET}"
    thread = chat.open_thread(alice, text)
    posted = chat.post(alice, thread.id, text)
    bug = bugs.file(alice, text, text, thread_id=thread.id)
    payload = {"kind": "prompt", "text": text}
    schedule = schedules.create(alice, {"cron_expr": "@every:3600", "payload": payload, "name": text})
    token, _ = users.create_token(alice, alice.user_id, text, None)
    session = client.bearer("alice").get("/api/v1/auth/sessions").json["items"]
    with ctx.db.read() as tx:
        events = tx.all(str, "SELECT id FROM events WHERE thread_id = :thread", thread=thread.id)
    ids = (thread.id, posted.message.id, posted.reply.id, bug.id, schedule.id, token.id, alice.trace_id, events[-1])
    return Things(thread.id, bug.id, schedule.id, (*ids, *(one["id"] for one in session)))


def targets(route: Route, ids: tuple[str, ...]) -> Iterator[str]:
    """Addresses of a route with each of some ids in its places, and the thread's where a message is named in it."""
    for one in ids:
        path = re.sub(r"{(message_id|session_id|token_id)(?::\w+)?}", one, route.path)
        for other in ids[:1] if path != route.path and "{" in path else (one,):
            yield re.sub(r"{\w+(?::\w+)?}", other, path)


def send(browser, route: Route, path: str):
    """A request that fits the route, with the form's token where it is a form."""
    if route.method == "GET":
        return browser.get(path)
    given = examples.body(route.body or {})
    if not route.is_page:
        return browser.request(route.method, path, json=given)
    form = {name: str(value) for name, value in given.items()}
    token = {"X-CSRF-Token": csrf_token(browser.cookies["jarvis_session"])}
    return browser.request(route.method, path, form=form, headers=token)


def owned(app) -> list[Route]:
    return [route for route in app.routes if route.access is Access.USER and "{" in route.path]


def test_bob_finds_nothing_of_alices_by_id(app, client, things):
    before = things.shown(client.bearer("alice"))
    bob = client.as_("bob")
    for route in owned(app):
        for path in targets(route, things.ids):
            answer = send(bob, route, path)
            assert answer.status == 404, f"{route.method} {path} → {answer.status}"
            assert SECRET not in answer.text, path
    after = things.shown(client.bearer("alice"))
    assert after[:4] == before[:4]
    assert {one["id"] for one in before[4]["items"]} <= {one["id"] for one in after[4]["items"]}


def test_alice_finds_hers_by_the_same_addresses(app, client, things):
    alice = client.as_("alice")
    for route in (route for route in owned(app) if route.method == "GET" and "{name" not in route.path):
        statuses = {alice.get(path).status for path in targets(route, things.ids)}
        assert statuses & {200, 303}, f"{route.path}: {statuses}, so that Bob's 404 says nothing"


@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_no_list_search_or_page_shows_what_is_alices(app, client, things, who):
    browser = client.as_(who)
    for route in app.routes:
        if route.method == "GET" and "{" not in route.path and route.access in (Access.USER, Access.ALL):
            for query in ("", f"?q={FOUND}", f"?thread_id={things.thread}"):
                answer = browser.get(route.path + query)
                assert answer.status in (200, 303, 400, 404, 422), route.path
                assert SECRET not in answer.text, route.path + query


def test_an_admin_who_reads_a_conversation_is_on_record(client, things, events):
    ada = client.as_("ada")
    assert ada.get(f"/chat/{things.thread}").status == 200
    assert ada.get(f"/api/v1/threads/{things.thread}").status == 200
    assert events("thread.read_by_admin") == ["thread.read_by_admin"]
    for method, path, body in (
        ("POST", f"/api/v1/threads/{things.thread}/messages", {"content": "in her name"}),
        ("PATCH", f"/api/v1/threads/{things.thread}", {"title": "mine"}),
        ("DELETE", f"/api/v1/threads/{things.thread}", None),
    ):
        assert client.bearer("ada").request(method, path, json=body).status == 404, method


def is_open(route: Route) -> bool:
    return route.access in (Access.ALL, Access.SIGNED, Access.LOCAL)


def shut_out(ctx, browser, script):
    with ctx.db.read() as tx:
        charlie = tx.one(str, "SELECT id FROM users WHERE username = 'charlie'")
    users.set_disabled(replace(ctx, role="admin"), charlie, True)


def end_sessions(ctx, browser, script):
    for signed_in in (browser, script):
        session = signed_in.get("/api/v1/auth/me").json.get("session_id")
        if session:
            assert browser.delete(f"/api/v1/auth/sessions/{session}").status == 204
    with ctx.db.read() as tx:
        tokens = tx.all(str, "SELECT id FROM tokens")
    for token in tokens:
        users.revoke_token(replace(ctx, role="admin"), token)


@pytest.mark.parametrize("end", [shut_out, end_sessions])
def test_who_was_shut_out_or_revoked_is_nobody_at_once(app, client, ctx, ids, end):
    browser, script = client.as_("charlie"), client.bearer("charlie")
    assert (browser.get("/chat").status, script.get("/api/v1/auth/me").status) == (200, 200)
    end(ctx, browser, script)
    for route in (route for route in app.routes if not is_open(route)):
        for signed_in in (browser, script):
            answer = ask(signed_in, route, ids)
            assert is_turned_away(answer, route, "nobody"), f"{route.method} {route.path} → {answer.status}"


def test_who_is_no_admin_any_more_is_refused_at_once(app, client, ctx, ids):
    with ctx.db.read() as tx:
        bob = tx.one(str, "SELECT id FROM users WHERE username = 'bob'")
    users.set_role(replace(ctx, role="admin"), bob, "admin")
    browser, script = client.as_("bob"), client.bearer("bob")
    assert browser.get("/admin/users").status == script.get("/api/v1/users").status == 200
    users.set_role(replace(ctx, role="admin"), bob, "user")
    for route in (route for route in app.routes if route.access is Access.ADMIN):
        for caller_ in (browser, script):
            answer = ask(caller_, route, ids)
            assert answer.status in (401, 403, 303), f"{route.method} {route.path} → {answer.status}"


@pytest.mark.parametrize("who", ["alice", "charlie", "ada"])
def test_an_api_token_may_what_its_owner_may(app, client, ids, who):
    script = client.bearer(who)
    for route in (route for route in app.routes if not is_open(route) and not route.is_page):
        answer = ask(script, route, ids)
        is_refused = route.access is Access.ADMIN and who != "ada"
        assert (answer.status == 403) == is_refused, f"{who}: {route.method} {route.path} → {answer.status}"


@pytest.mark.parametrize("who", ["alice", "bob", "charlie"])
def test_a_user_gets_no_link_to_a_page_that_is_closed_to_them(app, client, who):
    closed = {route.path for route in app.routes if route.is_page and route.access is Access.ADMIN}
    browser = client.as_(who)
    for route in app.routes:
        if route.is_page and route.method == "GET" and route.access is Access.USER and "{" not in route.path:
            links = set(re.findall(r'(?:href|action)="([^"?#]+)', browser.get(route.path).text))
            assert not links & closed, f"{route.path} leads {who} to {links & closed}"


@pytest.mark.parametrize("who", ["alice", "bob", "ada"])
def test_every_slash_command_keeps_to_its_role(ctx, as_user, who):
    person = as_user(who)
    thread = chat.open_thread(person)
    for command in list(ctx.registry.slash.values()):
        answer = chat.post(person.traced(), thread.id, f"/{command.name} {FOUND}").reply.content
        is_refused = command.admin_only and who != "ada"
        assert ("is for admins" in answer) == is_refused, f"{who}: /{command.name} → {answer}"
        with ctx.db.read() as tx:
            told = tx.one(str, "SELECT data FROM events WHERE type = 'command.executed' ORDER BY seq DESC LIMIT 1")
        assert json.loads(told) == {"command": f"/{command.name}", "allowed": not is_refused}


@pytest.mark.parametrize("arguments", ["search zanzibar", "zanzibar", "trace {trace}"])
def test_no_slash_command_tells_bob_of_alices(ctx, as_user, things, arguments):
    bob = as_user("bob")
    thread = chat.open_thread(bob)
    trace = next(one for one in things.ids if one.startswith("trc_"))
    for name in list(ctx.registry.slash):
        answer = chat.post(bob.traced(), thread.id, f"/{name} {arguments.format(trace=trace)}").reply.content
        assert SECRET not in answer, name


def called(ctx, person, name, arguments) -> tuple[str, str]:
    """What a tool answers; where a person would be asked first, as if an admin had approved."""
    found = toolbox.check(person.traced(), ToolCall("call_1", name, arguments), "")
    if found.decision.effect == "ask":
        found = dataclasses.replace(found, decision=Decision("allow", "approved"))
    outcome, result = toolbox.run(person.traced(), found, str(ctx.settings.workspace))
    return outcome, json.dumps(result, default=str)


@pytest.mark.parametrize("who", ["nobody", "bob"])
def test_no_tool_for_admins_serves_anybody_else(ctx, as_user, who):
    person = ctx.acting(actor="nobody", user_id=None, username="", role="") if who == "nobody" else as_user(who)
    for tool in list(ctx.registry.tools.values()):
        if tool.admin_only:
            assert called(ctx, person, tool.name, examples.body(tool.parameters))[0] == "refused", tool.name


def test_no_tool_tells_bob_of_alices(ctx, as_user, things):
    bob = as_user("bob")
    for tool in list(ctx.registry.tools.values()):
        texts = [name for name, field in tool.parameters.items() if field.kind == "string" and not field.choices]
        for word in (FOUND, *things.ids):
            arguments = {**examples.body(tool.parameters), **dict.fromkeys(texts, word)}
            assert SECRET not in called(ctx, bob, tool.name, arguments)[1], f"{tool.name} {word}"
        assert SECRET not in called(ctx, bob, tool.name, {})[1], tool.name


def test_taking_an_update_back_is_never_held_by_a_lockdown(ctx):
    held = {handler.name for handler in ctx.registry.tasks.values() if not handler.runs_in_lockdown}
    assert not {name for name in held if name.endswith("rollback")}


@pytest.fixture
def served(ctx) -> Iterator[Served]:
    running = Served(ctx, workers=0)
    yield running
    running.stop()


def test_the_websocket_tells_each_only_what_is_theirs(served, things, events):
    for who, thread, system in (
        ("alice", "subscribed", "error"),
        ("bob", "error", "error"),
        ("ada", "subscribed", "subscribed"),
    ):
        watcher = served.watch(who)
        answer = watcher.subscribe(things.thread)
        assert answer["type"] == thread, who
        assert thread != "error" or answer["detail"] == "not found"
        watcher.say(action="subscribe_system")
        answer = watcher.next()
        assert answer["type"] == system, f"{who}: {answer}"
        assert system != "error" or answer["detail"] == "forbidden"
    assert events("thread.read_by_admin") == ["thread.read_by_admin"]


def test_the_websocket_is_closed_to_nobody_and_to_who_was_shut_out(served, ctx):
    token = served.session("charlie")
    shut_out(ctx, None, None)
    for headers in ((), (f"Authorization: Bearer {token}",), (f"Cookie: jarvis_session={token}", served.origin)):
        raw = Raw(served.address)
        raw.send(upgrade_request("/ws", *headers))
        assert raw.response()[0] == 401
        raw.close()
