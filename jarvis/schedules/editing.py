"""The form for a schedule: new and edit, with what was typed and each complaint at its field."""

import json
from dataclasses import dataclass
from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, invalid
from jarvis.kernel.schema import Field, Fields
from jarvis.schedules import actions, fields, store
from jarvis.schedules.store import Schedule
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.replies import see_other
from jarvis.web.routes import Access, Reply, Request, Routes

SCHEDULES = "/admin/schedules"
ONE = f"{SCHEDULES}/{{id}}"


@dataclass(frozen=True, slots=True)
class FormPage:
    """New, or edit when there is a schedule."""

    form: Form
    schedule: Schedule | None
    given: dict[str, str]
    tasks: list[tuple[str, str]]
    """Name and label of each task that may be scheduled; empty for who may schedule none."""


def routes() -> Routes:
    """New before any id, so that `new` is none."""
    table = Routes("schedules", pages=True)
    _new_routes(table)
    _edit_routes(table)
    return table


KIND = Field(kind="string", choices=("prompt", "task"))
LONG = Field(kind="string", longest=fields.LONGEST_TEXT, is_multiline=True)
BODY: Fields = {
    "name": Field(kind="string", longest=fields.LONGEST_NAME),
    "cron_expr": Field(kind="string", longest=200),
    "timezone": Field(kind="string", longest=64),
    "kind": KIND,
    "text": LONG,
    "task": Field(kind="string", longest=120),
    "args": LONG,
    "thread_id": Field(kind="string", longest=30),
    "catchup": fields.CATCHUP,
    "max_catchup": fields.MAX_CATCHUP,
    "grace_seconds": fields.GRACE,
    "overlap": fields.OVERLAP,
}
AT_FIELD = {"payload.text": "text", "payload.name": "task", "payload.args": "args", "payload.kind": "kind"}


def _new_routes(table: Routes) -> None:
    @table.get(f"{SCHEDULES}/new", Access.USER, "The form to begin a schedule.")
    def show_new(request: Request) -> Reply:
        return _form_page(request, EMPTY, None)

    def again(request: Request, error: JarvisError) -> Reply:
        return _form_page(request, _refused(request, error), None, error.status)

    @table.post(SCHEDULES, Access.USER, "Begin a schedule.", body=BODY, again=again)
    def create(request: Request) -> Reply:
        schedule = actions.create(request.ctx, _given(request.body))
        return see_other(f"{SCHEDULES}/{schedule.id}?done=begun")


def _edit_routes(table: Routes) -> None:
    @table.get(f"{ONE}/edit", Access.USER, "The form to change a schedule.")
    def show_edit(request: Request) -> Reply:
        return _form_page(request, EMPTY, actions.read(request.ctx, request.path["id"]))

    def again(request: Request, error: JarvisError) -> Reply:
        schedule = actions.read(request.ctx, request.path["id"])
        return _form_page(request, _refused(request, error), schedule, error.status)

    @table.post(ONE, Access.USER, "Change a schedule.", body=BODY, again=again)
    def change(request: Request) -> Reply:
        actions.change(request.ctx, request.path["id"], _given(request.body))
        return see_other(f"{SCHEDULES}/{request.path['id']}?done=changed")


def _form_page(request: Request, form: Form, schedule: Schedule | None, status: int = 200) -> Reply:
    ctx = request.ctx
    handlers = sorted((h for h in ctx.registry.tasks.values() if h.is_runnable_by_hand), key=lambda h: h.name)
    tasks = [("", "none"), *((h.name, h.name.removeprefix("jarvis.tasks.")) for h in handlers)]
    page = FormPage(form, schedule, _stored(ctx, schedule), tasks if ctx.is_admin else [])
    return request.page("schedules/form.html", page, status)


def _stored(ctx: Context, schedule: Schedule | None) -> dict[str, str]:
    """What stands in the form before anybody types."""
    if schedule is None:
        house = {
            "max_catchup": ctx.settings.scheduler_max_catchup,
            "grace_seconds": ctx.settings.scheduler_grace_seconds,
        }
        plain = {"name": "", "cron_expr": "", "timezone": "UTC", "kind": "prompt", "text": "", "task": "", "args": ""}
        return plain | {"thread_id": "", "catchup": "all", "overlap": "skip"} | {k: str(v) for k, v in house.items()}
    payload = schedule.as_json()["payload"]
    args = json.dumps(payload["args"], ensure_ascii=False) if payload.get("args") else ""
    values = {name: str(getattr(schedule, name) or "") for name in BODY if hasattr(schedule, name)}
    values |= {"max_catchup": str(schedule.max_catchup), "grace_seconds": str(schedule.grace_seconds)}
    kind = payload.get("kind") if payload.get("kind") in ("prompt", "task") else "prompt"
    return values | {"kind": kind, "text": payload.get("text", ""), "task": payload.get("name", ""), "args": args}


def _given(body: dict[str, Any]) -> dict[str, Any]:
    """A filled-in form as the fields of a schedule; raises Invalid."""
    given = {name: value for name, value in body.items() if name in store.CHANGEABLE}
    given["thread_id"] = given.get("thread_id") or None
    for name in ("cron_expr", "timezone"):
        if not given.get(name, "").strip():
            raise invalid(name, "may not be empty")
    if not given.get("name", "").strip():
        given.pop("name", None)
    if body.get("kind") == "task":
        given["payload"] = {"kind": "task", "name": body.get("task", ""), "args": _args(body.get("args", ""))}
    else:
        given["payload"] = {"kind": "prompt", "text": body.get("text", "")}
    return given


def _args(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        raise invalid("payload.args", 'must be JSON such as {"days": 7}') from None


def _refused(request: Request, error: JarvisError) -> Form:
    form = refused(request.typed, error)
    return Form(form.values, {AT_FIELD.get(name, name): why for name, why in form.errors.items()}, form.problem)
