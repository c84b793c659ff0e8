"""What a rehearsal tries on its copy, and what counts as getting through."""

import contextlib
import hashlib
import hmac
import importlib
import importlib.util
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from jarvis import app
from jarvis.agent import toolbox
from jarvis.agent.providers import ToolCall
from jarvis.chat import actions as chat
from jarvis.kernel import changes
from jarvis.kernel.changes import Change
from jarvis.kernel.clock import SECOND
from jarvis.kernel.config import Settings
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, JarvisError
from jarvis.kernel.streams import Streams
from jarvis.lockdown import actions, examples
from jarvis.lockdown.guard import Guard
from jarvis.policy import actions as policy
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.schedules import store as schedules
from jarvis.system import actions as system
from jarvis.users import actions as users
from jarvis.users import store as people
from jarvis.web.application import Application
from jarvis.web.identity import COOKIE, UNSAFE, csrf_token
from jarvis.web.routes import Access, Route, Routes

ORIGIN = "http://localhost"
MOST_QUEUED, MOST_SCHEDULES, MOST_PATHS = 200, 500, 40
BY_HAND = frozenset(("route", "command"))
"""What a person does: a task it leaves in the queue is judged by what that does when it runs."""
DISPATCHED = ("outcome=dispatched", "outcome=caught_up")
AHEAD = 32 * 86_400 * SECOND
"""The copy's clock is so far ahead that every schedule of the month is due."""
LEFT_ALONE = ("/lockdown", "/rehearsal", "/restart")
"""What is not asked for before the copy is locked: it would lock, or take the copy away from under us."""
REFUSED = re.compile(r"/(restart|run)$|/selfupdate(/patches|/propose)?$|/selfupdate/.*/(validate|test|approve|apply)$")
WEBHOOKS = ("ping", "push", "issues", "issue_comment", "pull_request")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing that was tried on the locked copy, what came back, and what it did that it must not."""

    kind: str
    name: str
    outcome: str
    leaks: tuple[str, ...]


class Copy:
    """The copy of everything: its database, an admin of its own, and every route."""

    def __init__(self, base: Context, settings: Settings) -> None:
        registry = replace(base.registry, streams=Streams())
        self.ctx = app.make_context(settings, lambda: base.clock() + AHEAD, registry)
        admin = replace(self.ctx, role="admin")
        name = f"rehearsal-{base.ids.new('usr')[-10:].lower()}"
        self.user = users.create(admin, name, None, "admin")
        users.create(admin, f"{name}-other", None, "user")  # the newest: what befalls a user befalls that one
        self.ada = self.ctx.acting(actor=name, user_id=self.user.id, username=name, role="admin").traced()
        self.renew()

    def renew(self) -> None:
        """A fresh session, and the admin as it was: an attempt may have ended the one and changed the other."""
        admin = replace(self.ctx, role="admin")
        with self.ctx.db.read() as tx:
            found = people.get(tx, self.user.id)
        if found.is_disabled:
            users.set_disabled(admin, found.id, False)
        if found.role != "admin":
            users.set_role(admin, found.id, "admin")
        self.token = users.start_session(self.ada, self.user, "a rehearsal").token


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request came to."""

    status: int
    location: str

    @property
    def is_signed_out(self) -> bool:
        return self.status == 401 or (self.status == 303 and self.location.startswith("/login"))


class Trial:
    """Tries everything there is, one after the other."""

    def __init__(self, copy: Copy, guard: Guard, more: Iterable[Routes]) -> None:
        self._copy, self._ctx, self._guard = copy, copy.ctx, guard
        self._app: Application = app.build_application(copy.ctx, more=more)
        self._seen = 0

    def everything(self) -> Iterator[Attempt]:
        """Make one of everything while open; then lock, and try it all."""
        thread_id = self._populate()
        actions.lock_by_hand(self._copy.ada, "a rehearsal")
        changes.watch(self._ctx.db)
        self._guard.take()
        yield from self._tools()
        yield from self._schedules()
        yield from self._loops()
        yield from self._commands(thread_id)
        yield from self._webhooks()
        yield from self._routes()
        yield from self._tasks()

    def _populate(self) -> str:
        """One of everything, and every tool allowed, so that nothing but the lockdown refuses it."""
        for route in self._app.routes:
            is_made = route.method == "POST" and "{" not in route.path and not route.is_page
            if is_made and route.access is not Access.SIGNED and not route.path.endswith(LEFT_ALONE):
                self._copy.renew()
                self._ask(route, route.path)
        system.clear_stale_flags(self._ctx)
        for tool in self._ctx.registry.tools:
            with contextlib.suppress(JarvisError):  # what reaches the host is never allowed as a whole
                policy.put(self._copy.ada, "agent:main", tool, "allow")
        thread = chat.open_thread(self._copy.ada)
        chat.post(self._copy.ada, thread.id, "What time is it?")
        return thread.id

    def _judged(self, kind: str, name: str, outcome: str) -> Attempt:
        """What an attempt did; whatever it lifted or began is put right for the next."""
        leaks = [f"tried to {what}" for what in self._guard.take()]
        with self._ctx.db.read() as tx:
            found = changes.since(tx, self._seen)
        self._seen = found[-1].seq if found else self._seen
        leaks += [what for change in found if (what := got_through(kind, change))]
        if any(change.table == "system_state" for change in found):
            system.clear_stale_flags(self._ctx)
            actions.lock_by_hand(self._copy.ada, "a rehearsal")
            self._forget()
        return Attempt(kind, name, outcome, tuple(dict.fromkeys(leaks)))

    def _forget(self) -> None:
        """What was done to prepare is nobody's deed."""
        self._guard.take()
        with self._ctx.db.read() as tx:
            found = changes.since(tx, self._seen)
        self._seen = found[-1].seq if found else self._seen

    def _tools(self) -> Iterator[Attempt]:
        for tool in self._ctx.registry.tools.values():
            call = ToolCall("call_1", tool.name, examples.body(tool.parameters))
            checked = toolbox.check(self._copy.ada.span(), call, "")
            outcome, _ = toolbox.run(self._copy.ada.span(), checked, str(self._ctx.settings.workspace))
            attempt = self._judged("tool", tool.name, outcome)
            if tool.risk != "read" and (outcome == "done" or checked.decision.effect != "deny"):
                what = f"{'ran' if outcome == 'done' else 'might run'}, with the risk “{tool.risk}”"
                attempt = replace(attempt, leaks=(*attempt.leaks, what))
            yield attempt

    def _routes(self) -> Iterator[Attempt]:
        changing = [r for r in self._app.routes if r.method in UNSAFE and r.access is not Access.SIGNED]
        for route in sorted(changing, key=lambda route: route.method == "DELETE"):
            self._copy.renew()
            self._forget()
            answer = self._ask_with_ids(route)
            attempt = self._judged("route", f"{route.method} {route.path}", str(answer.status))
            if must_refuse(route) and answer.status < 400:
                attempt = replace(attempt, leaks=(*attempt.leaks, f"answered {answer.status} where lockdown refuses"))
            yield attempt

    def _ask_with_ids(self, route: Route) -> Answer:
        """Ask with one id after the other in the path's places until something of that id is there."""
        with self._ctx.db.read() as tx:
            ids = changes.newest_ids(tx)
        answer = Answer(404, "")
        for path in _paths(route.path, ids):
            answer = self._ask(route, path)
            if answer.status != 404:
                break
        return answer

    def _webhooks(self) -> Iterator[Attempt]:
        for route in (route for route in self._app.routes if route.access is Access.SIGNED):
            for event in WEBHOOKS:
                self._forget()
                body = json.dumps(webhook(event)).encode()
                secret = self._ctx.settings.github_webhook_secret.encode()
                headers = {
                    "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
                    "X-GitHub-Delivery": self._ctx.ids.new("whk"),
                    "X-GitHub-Event": event,
                }
                answer = self._send(route.method, route.path, body, "application/json", headers)
                yield self._judged("webhook", f"{route.path} {event}", str(answer.status))

    def _commands(self, thread_id: str) -> Iterator[Attempt]:
        for command in self._ctx.registry.slash.values():
            self._forget()
            chat.post(self._copy.ada, thread_id, f"/{command.name} AAAAAAAAAA")
            yield self._judged("command", f"/{command.name}", "answered")

    def _schedules(self) -> Iterator[Attempt]:
        with self._ctx.db.read() as tx:
            found = schedules.newest(tx, None, MOST_SCHEDULES)
        for schedule in found:
            self._forget()
            path = f"/api/v1/schedules/{schedule.id}/run"
            answer = self._send("POST", path, b"{}", "application/json", self._bearer())
            yield self._judged("schedule", schedule.name, str(answer.status))

    def _loops(self) -> Iterator[Attempt]:
        for module in self._services():
            for loop in module.loops(self._ctx):
                self._forget()
                loop.step()
                yield self._judged("loop", loop.name, "made its round")

    def _services(self) -> Iterator[Any]:
        """Every feature's services that run by themselves."""
        features = dict.fromkeys(name.rpartition(".")[0] for name in (*app.FEATURE_PARTS, *app.FEATURE_ROUTES))
        for feature in features:
            if feature.count(".") == 1 and importlib.util.find_spec(f"{feature}.services"):
                module = importlib.import_module(f"{feature}.services")
                if hasattr(module, "loops"):
                    yield module

    def _tasks(self) -> Iterator[Attempt]:
        """What waits in the queue, and every name once more."""
        with self._ctx.db.read() as tx:
            waiting = tasks.newest(tx, "queued", "", MOST_QUEUED)
        for task in waiting:
            if task.name != actions.REHEARSAL:
                yield self._task(task)
        for name in self._ctx.registry.tasks:
            if name != actions.REHEARSAL:
                yield self._task(queue.enqueue(self._copy.ada.traced(), name, {}))

    def _task(self, task: tasks.Task) -> Attempt:
        self._forget()
        try:
            outcome = queue.run_here(self._ctx, task).state
        except Conflict:
            outcome = "waits"
        except JarvisError as error:
            outcome = str(error)
        return self._judged("task", task.name, outcome)

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._copy.token}"}

    def _ask(self, route: Route, path: str) -> Answer:
        """Ask with every field, and where those do not go together with what is required only."""
        fields = route.body or {}
        answer = self._ask_for(route, path, examples.body(fields))
        if answer.status in (400, 422):
            required = {name: field for name, field in fields.items() if field.is_required}
            answer = self._ask_for(route, path, examples.body(required))
        return answer

    def _ask_for(self, route: Route, path: str, given: dict[str, Any]) -> Answer:
        if not route.is_page:
            return self._send(route.method, path, json.dumps(given).encode(), "application/json", self._bearer())
        form = urlencode({name: one for name, one in given.items() if isinstance(one, (str, int))}).encode()
        token = self._copy.token
        headers = {"Cookie": f"{COOKIE}={token}", "Origin": ORIGIN, "X-CSRF-Token": csrf_token(token)}
        return self._send(route.method, path, form, "application/x-www-form-urlencoded", headers)

    def _send(self, method: str, path: str, body: bytes, media: str, headers: dict[str, str]) -> Answer:
        got: list[Any] = []
        reply = self._app(_environ(method, path, body, media, headers), lambda *given: got.extend(given))
        for _ in reply:
            pass
        location = dict(got[1]).get("Location", "")
        return Answer(int(got[0].split()[0]), location)


def must_refuse(route: Route) -> bool:
    """Whether a route asks for what a lockdown refuses outright: work to begin, an update to go on, a restart."""
    return route.method == "POST" and REFUSED.search(route.path) is not None


def got_through(kind: str, change: Change) -> str:
    """What a change on the copy means for the lockdown, or "" when it is nothing that it forbids."""
    told = change.detail.split()
    if change.table == "system_state" and "lockdown=0" in told:
        return "lifted the lockdown"
    if change.table == "system_state" and "restarting=1" in told:
        return "began a restart"
    if change.table == "dispatches" and any(word in told for word in DISPATCHED):
        return "dispatched a schedule"
    if change.table == "maintenance_runs" and "state=running" in told:
        return "began maintenance"
    if change.table == "tasks" and change.deed == "insert" and kind not in BY_HAND:
        return f"enqueued work ({change.detail.strip()})"
    return f"changed {change.table}" if kind == "tool" else ""


def webhook(event: str) -> dict[str, Any]:
    """A delivery that would be acted on."""
    pull = {"number": 1, "title": "x", "state": "open", "body": "", "base": {"ref": "main"}, "head": {"sha": "0" * 40}}
    return {
        "action": "created" if event == "issue_comment" else "opened",
        "repository": {"full_name": "nobody/nothing"},
        "sender": {"login": "somebody"},
        "pull_request": pull,
        "number": 1,
        "issue": {"number": 1, "title": "x", "body": "", "state": "open", "pull_request": {"url": ""}},
        "comment": {"id": 1, "body": "@jarvis summarize", "user": {"login": "somebody"}},
    }


def _paths(path: str, ids: list[str]) -> Iterator[str]:
    places = re.findall(r"{\w+(?::\w+)?}", path)
    if not places:
        yield path
        return
    for one in [*ids, "rehearsal"][:MOST_PATHS]:
        yield re.sub(r"{\w+(?::\w+)?}", one, path)


def _environ(method: str, path: str, body: bytes, media: str, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": media,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
