"""/admin/maintenance: how it stands, its history as a picture, the run at work with its output, every run."""

import hashlib
from dataclasses import dataclass

from jarvis.kernel.errors import JarvisError, NotFound
from jarvis.kernel.schema import Field
from jarvis.maintenance import actions, output, report, store
from jarvis.maintenance.report import Standing
from jarvis.maintenance.store import Run, Step
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other, text, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

PAGE = "/admin/maintenance"
PICTURED = 60
SHOWN = 15
LIVE_LINES = 40
BUSY_SECONDS, IDLE_SECONDS = 2, 10
TEXT = Field(kind="string", longest=40)
DONE = {"asked": "A run is on its way.", "stopped": "It was asked to stop; everything it started is ended."}


@dataclass(frozen=True, slots=True)
class Bar:
    """One run in the picture: up is a run, down is a failure."""

    x: float
    up: float
    down: float
    run: Run


@dataclass(frozen=True, slots=True)
class Picture:
    """The newest runs as bars, oldest first, in a field 100 wide and 40 high; its ground line lies at 30."""

    bars: list[Bar]
    width: float
    passed: int
    failed: int
    longest: float

    @property
    def said(self) -> str:
        """The picture in words."""
        count = len(self.bars)
        ended = f"{self.passed} passed, {self.failed} did not"
        return f"The last {count} runs: {ended}. The longest took {self.longest:.0f} s."


@dataclass(frozen=True, slots=True)
class Live:
    """What is swapped while the page is looked at."""

    standing: Standing
    picture: Picture
    steps: list[Step]
    """Of the run at work, or the last that ended."""
    tail: str
    runs: list[Run]
    older: str
    is_waiting: bool
    mark: str
    every: int


@dataclass(frozen=True, slots=True)
class MaintenancePage:
    live: Live
    done: str
    problem: str


@dataclass(frozen=True, slots=True)
class RunPage:
    run: Run
    steps: list[Step]
    tail: str
    done: str
    problem: str
    mark: str
    every: int


def routes(parts: Parts) -> Routes:
    """The pages of maintenance."""
    table = Routes("maintenance", pages=True)
    _overview_routes(table)
    _run_routes(table)
    return table


def _overview_routes(table: Routes) -> None:
    query = {**LIST_QUERY, "seen": TEXT, "done": TEXT}

    @table.get(PAGE, Access.ADMIN, "How maintenance stands.", query=query)
    def index(request: Request) -> Reply:
        live = _live(request)
        if not request.wants_partial:
            return _page(request, live)
        return _unless_seen(request, live.mark) or request.page("maintenance/_live.html", {"live": live})

    def show_problem(request: Request, error: JarvisError) -> Reply:
        return _page(request, _live(request), str(error), error.status)

    @table.post(f"{PAGE}/run", Access.ADMIN, "Run every command now.", again=show_problem)
    def run(request: Request) -> Reply:
        actions.ask(request.ctx)
        return see_other(f"{PAGE}?done=asked")


def _page(request: Request, live: Live, problem: str = "", status: int = 200) -> Reply:
    done = DONE.get(request.query.get("done", ""), "")
    return request.page("maintenance/index.html", MaintenancePage(live, done, problem), status)


def _unless_seen(request: Request, sign: str) -> Reply | None:
    return Reply(204, b"", {"Cache-Control": "no-store"}) if request.query.get("seen") == sign else None


def _mark(*shown: object) -> str:
    return hashlib.sha256(repr(shown).encode("utf-8", "replace")).hexdigest()[:16]


def _live(request: Request) -> Live:
    ctx = request.ctx
    limit, before = min(window(request)[0], SHOWN), window(request)[1]
    standing = report.standing(ctx)
    with ctx.db.read() as tx:
        runs = store.newest(tx, limit + 1, before)
        ended = store.last_ended(tx, PICTURED)
        subject = standing.running or standing.last
        steps = store.steps(tx, subject.seq) if subject else []
        is_waiting = standing.running is None and actions.waiting(tx) is not None
    tail = _tail(request, standing.running, steps)
    older = f"{PAGE}?after={runs[limit - 1].seq}" if len(runs) > limit else ""
    mark = _mark(standing, steps, tail, runs, is_waiting)
    every = BUSY_SECONDS if standing.running or is_waiting else IDLE_SECONDS
    return Live(standing, picture(ended), steps, tail, runs[:limit], older, is_waiting, mark, every)


def _tail(request: Request, run: Run | None, steps: list[Step]) -> str:
    """The last lines of the command at work."""
    at_work = [step for step in steps if step.state == "running"] if run else []
    if run is None or not at_work:
        return ""
    ends = output.read(actions.output_path(request.ctx, run.id, at_work[0].position), 0, 0)
    return "\n".join(ends.lines()[-LIVE_LINES:])


def picture(ended: list[Run]) -> Picture:
    """The runs given newest first, as bars from left to right."""
    runs = ended[::-1]
    longest = max((run.seconds or 0.0 for run in runs), default=0.0)
    width = 100 / max(len(runs), 24)
    bars = [_bar(n * width, run, longest) for n, run in enumerate(runs)]
    failed = sum(run.state != "passed" for run in runs)
    return Picture(bars, round(width * 0.76, 3), len(runs) - failed, failed, longest)


def _bar(x: float, run: Run, longest: float) -> Bar:
    share = (run.seconds or 0.0) / longest if longest else 0.0
    down = {"failed": 9.0, "interrupted": 6.0, "cancelled": 3.0}.get(run.state, 0.0)
    return Bar(round(x, 3), round(4 + 24 * share, 2), down, run)


def _run_routes(table: Routes) -> None:
    one = f"{PAGE}/{{id}}"

    @table.get(one, Access.ADMIN, "One run with every command.", query={"seen": TEXT, "done": TEXT})
    def show(request: Request) -> Reply:
        return _run_page(request)

    def show_problem(request: Request, error: JarvisError) -> Reply:
        return _run_page(request, str(error), error.status)

    @table.post(f"{one}/stop", Access.ADMIN, "Stop a run.", again=show_problem)
    def stop(request: Request) -> Reply:
        run = actions.stop(request.ctx, request.path["id"])
        return see_other(f"{PAGE}/{run.id}?done=stopped")

    @table.get(f"{one}/{{position}}/log", Access.ADMIN, "All that is kept of a command's output.")
    def log(request: Request) -> Reply:
        return text(_whole(request))


def _run_page(request: Request, problem: str = "", status: int = 200) -> Reply:
    with request.ctx.db.read() as tx:
        run = store.get(tx, request.path["id"])
        steps = store.steps(tx, run.seq)
    tail = _tail(request, run if run.is_running else None, steps)
    done = DONE.get(request.query.get("done", ""), "")
    every = BUSY_SECONDS if run.is_running else 0
    page = RunPage(run, steps, tail, done, problem, _mark(run, steps, tail), every)
    if request.wants_partial:
        return _unless_seen(request, page.mark) or request.page("maintenance/_run.html", page)
    return request.page("maintenance/show.html", page, status)


def _whole(request: Request) -> str:
    with request.ctx.db.read() as tx:
        run = store.get(tx, request.path["id"])
        steps = store.steps(tx, run.seq)
    position = request.path["position"]
    found = [step for step in steps if str(step.position) == position]
    if not found:
        raise NotFound("This run has no such command.")
    step = found[0]
    ends = output.read(actions.output_path(request.ctx, run.id, step.position), step.output_bytes, step.output_lines)
    if not ends.head and not ends.tail:
        return "(Nothing is kept of its output: it wrote none, or it was long ago.)\n"
    gap = f"\n… about {ends.left_out_bytes:,} bytes are not kept …\n\n" if ends.tail else ""
    return f"{ends.head}{gap}{ends.tail}"
