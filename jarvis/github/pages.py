"""/admin/github: what GitHub delivered and what each caused, how bugs and issues stand, and what may still be asked."""

import contextlib
import json
from dataclasses import dataclass

from jarvis.bugs import store as bugs
from jarvis.bugs.store import Bug
from jarvis.github.actions import deliveries, selftest
from jarvis.github.store import deliveries as store
from jarvis.github.store import rates
from jarvis.github.store.deliveries import Delivery
from jarvis.github.store.rates import Rate
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import JarvisError, Unavailable
from jarvis.kernel.schema import Field
from jarvis.queue import store as tasks
from jarvis.queue.store import Task
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

PAGE = "/admin/github"
SHOWN = 50
MOST_COUNTED = 999
MOST_FAILING = 10
REFRESH_SECONDS = 10
DONE = {
    "ping": "The ping came back: signature and storage work. Whether GitHub reaches this host, only a delivery tells."
}


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery with what it caused."""

    delivery: Delivery
    task: Task | None


@dataclass(frozen=True, slots=True)
class Setup:
    """What is set."""

    has_token: bool
    secrets: int
    api: str
    sync_repo: str
    is_summarising: bool
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GitHubPage:
    rows: list[Row]
    state: str
    counts: dict[str, int]
    older: str
    is_first: bool
    failing: list[Bug]
    rates: list[Rate]
    setup: Setup
    webhook: str
    now: int
    every: int
    done: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    row: Row
    payload: str
    is_cut: bool
    result: str


def routes(parts: Parts) -> Routes:
    """The pages of this feature."""
    table = Routes("github", pages=True)
    state = Field(kind="string", choices=("", *store.STATES))
    query = {**LIST_QUERY, "state": state, "done": Field(kind="string", longest=20)}

    @table.get(PAGE, Access.ADMIN, "What GitHub delivered, and how bugs and issues stand.", query=query)
    def index(request: Request) -> Reply:
        return _index(request)

    @table.get(f"{PAGE}/{{id}}", Access.ADMIN, "One delivery with its payload and what it caused.")
    def show(request: Request) -> Reply:
        return _show(request)

    def again(request: Request, error: JarvisError) -> Reply:
        return _index(request, str(error), error.status)

    @table.post(f"{PAGE}/ping", Access.ADMIN, "Send a ping to our own webhook.", again=again)
    def ping(request: Request) -> Reply:
        try:
            selftest.ping(request.ctx, int(request.environ["SERVER_PORT"]))
        except Unavailable as error:
            return _index(request, str(error), error.status)
        return see_other(f"{PAGE}?done=ping")

    return table


def _index(request: Request, problem: str = "", status: int = 200) -> Reply:
    limit, before = min(window(request)[0], SHOWN), window(request)[1]
    state = request.query.get("state", "")
    settings = request.ctx.settings
    with request.ctx.db.read() as tx:
        found = store.newest(tx, state, limit + 1, before)
        page = GitHubPage(
            [_row(tx, delivery) for delivery in found[:limit]],
            state,
            {name: store.count(tx, name, MOST_COUNTED) for name in store.STATES},
            f"{PAGE}?state={state}&after={found[limit - 1].seq}" if len(found) > limit else "",
            before >= store.LAST,
            bugs.sync_failing(tx, MOST_FAILING),
            [rate for rate in rates.known(tx) if rate.most],
            Setup(
                bool(settings.github_token),
                len(deliveries.secrets(request.ctx)),
                settings.github_api_base_url,
                settings.github_issue_sync_repo if settings.github_issue_sync_enabled else "",
                settings.github_pr_summary_enabled,
                settings.github_repo_allowlist,
            ),
            selftest.WEBHOOK,
            tx.now,
            REFRESH_SECONDS,
            DONE.get(request.query.get("done", ""), ""),
            problem,
        )
    return request.page("github/_live.html" if request.wants_partial else "github/index.html", page, status)


def _row(tx: Tx, delivery: Delivery) -> Row:
    return Row(delivery, tasks.find(tx, delivery.task_id) if delivery.task_id else None)


def _show(request: Request) -> Reply:
    with request.ctx.db.read() as tx:
        row = _row(tx, store.get(tx, request.path["id"]))
    text, is_cut = row.delivery.payload, len(row.delivery.payload) >= deliveries.LONGEST_KEPT
    with contextlib.suppress(ValueError, RecursionError):  # cut, or a form: shown as it came
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    result = row.task.result if row.task is not None and row.task.result else ""
    shown = json.dumps(json.loads(result), indent=2, ensure_ascii=False) if result else ""
    return request.page("github/show.html", DeliveryPage(row, text, is_cut, shown))
