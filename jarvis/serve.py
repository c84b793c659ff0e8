"""Run the server: pages, API and WebSocket on one port, with everything that works behind them.

Usage:
  jarvis serve [--host H] [--port N] [--no-supervisor] [--reload] [--pages-only]

Options:
  --host H         Address to listen on instead of BIND_HOST.
  --port N         Port to listen on instead of BIND_PORT; 0 takes any free one.
  --no-supervisor  Run without the parent process that revives and restarts the server.
  --reload         Read templates and static files anew for each request.
  --pages-only     Pages and live updates only, beside a server on the same home.
"""

import contextlib
import dataclasses
import faulthandler
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from jarvis import __version__, app, lifeline, process, worker
from jarvis.backups import services as backups
from jarvis.github import services as github
from jarvis.kernel import config, events, log, migrate
from jarvis.kernel.config import Settings
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, Misconfigured, Usage
from jarvis.kernel.secrets import Redactor
from jarvis.kernel.service import Loop, Services
from jarvis.maintenance import services as maintenance
from jarvis.overview import services as samples
from jarvis.queue import actions as queue
from jarvis.queue import epochs
from jarvis.queue.services import Runner
from jarvis.restart import actions as restarts
from jarvis.restart.services import Restarter
from jarvis.schedules import services as scheduler
from jarvis.secrets.actions import standing as secrets
from jarvis.selfupdate import services as selfupdate
from jarvis.selfupdate.actions import settling
from jarvis.system import actions as system
from jarvis.users import actions as users
from jarvis.web.server import Server

logger = logging.getLogger(__name__)

TASK_WORKERS = 4
BEAT_SECONDS = 5.0
SERVICES_END_SECONDS = 5.0
DRAIN_MARGIN_SECONDS = 10.0
HUB_DRAIN_SECONDS = 3.0
SWITCH_SECONDS = 0.001
"""Each SQL statement gives the interpreter away; the writer, for whom others queue, waits so long at most to have it
back. Measured with 8 clients posting: a tenth more than with Python's 5 ms."""


def run(start: Start, args: Arguments, console: Console) -> int:
    process.conceal()
    faulthandler.enable()
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = _overridden(start.settings, args)
    log.configure(settings.log_level, settings.log_format, Redactor(settings.secrets()))
    _check(settings)
    for warning in settings.warnings:
        logger.warning("%s", warning)
    settings.jarvis_home.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan = worker.Plan(
        settings.jarvis_home,
        settings.bind_host,
        settings.bind_port,
        settings.restart_drain_timeout_seconds + DRAIN_MARGIN_SECONDS,
        settings.log_format,
        next((name for name in settings.allowed_hosts if name != "*"), "127.0.0.1"),
        takes_lock=not args["--pages-only"],
    )

    def serve(listener: socket.socket, drain: threading.Event, line: worker.Lifeline) -> int:
        serving = Serving(settings, start, listener, drain, line, is_live=args["--reload"], console=console)
        return serving.pages_only() if args["--pages-only"] else serving.everything()

    return worker.run_worker(plan, serve)


def _overridden(settings: Settings, args: Arguments) -> Settings:
    host = args["--host"] or settings.bind_host
    port = settings.bind_port
    if args["--port"] is not None:
        if not args["--port"].isdecimal() or int(args["--port"]) > 65535:
            raise Usage(f"--port takes a number from 0 to 65535, not {args['--port']!r}.")
        port = int(args["--port"])
    return dataclasses.replace(settings, bind_host=host, bind_port=port)


def _check(settings: Settings) -> None:
    reasons = config.unsafe_for_production(settings) if settings.app_env == "prod" else []
    if reasons:
        raise Misconfigured("APP_ENV=prod does not start like this:\n" + "\n".join(reasons))


@dataclasses.dataclass
class Serving:
    """One run of the server on a listener that outlives it."""

    settings: Settings
    start: Start
    listener: socket.socket
    drain: threading.Event
    line: worker.Lifeline
    is_live: bool
    console: Console
    is_restart: bool = False
    """Whether the drain is for a restart that somebody asked for."""

    def everything(self) -> int:
        """Recover, serve, and leave in order; the exit code."""
        applied = migrate.migrate(self.settings.app_db, self.start.clock)
        if applied:
            logger.info("the database was migrated: %s", ", ".join(applied))
        ctx = app.make_context(self.settings, self.start.clock, app.make_registry())
        epoch = epochs.begin(ctx, "server")
        with contextlib.closing(epoch), _listening(ctx):
            self._recover(ctx)
            served = app.build(ctx, is_live=self.is_live)
            runner = Runner(ctx, epoch, served.application.foreground.wait_quiet)
            restarter = Restarter(ctx, self._drain_for_restart)
            own = [
                restarter.loop(),
                *scheduler.loops(ctx),
                *maintenance.loops(ctx),
                *github.loops(ctx),
                *backups.loops(ctx),
                samples.loop(ctx, served.metrics),
                *selfupdate.loops(ctx, is_supervised=isinstance(self.line, lifeline.Lifeline)),
                Loop("beat", self._beat, BEAT_SECONDS),
            ]
            loops = [*runner.loops(TASK_WORKERS), *served.loops, *own]
            services = Services(loops, on_stop=ctx.db.wake.raise_flag)
            served.vitals.services = services
            return self._serve(ctx, served, services, runner)

    def pages_only(self) -> int:
        """Pages and live updates beside a server on the same home: no tasks, no services of its own."""
        app.check_standing(self.settings)
        ctx = app.make_context(self.settings, self.start.clock, app.make_registry())
        with _listening(ctx):
            served = app.build(ctx, is_live=self.is_live)
            served.readiness.heard = lambda is_ok, why: None  # what fails here is no reason to lock the server down
            services = Services(served.loops, on_stop=ctx.db.wake.raise_flag)
            served.vitals.services = services
            return self._serve(ctx, served, services, None)

    def _recover(self, ctx: Context) -> None:
        system.clear_stale_flags(ctx)
        for task in queue.take_back(ctx):
            logger.info("task %s (%s) is run again: its runner died", task.id, task.name)
        settling.recover(ctx)
        users.create_configured_admin(ctx)

    def _drain_for_restart(self) -> None:
        self.is_restart = True
        self.drain.set()

    def _beat(self) -> bool:
        self.line.beat()
        return False

    def _serve(self, ctx: Context, served: app.Served, services: Services, runner: Runner | None) -> int:
        server = Server(
            served.application,
            self.listener,
            trusted_proxy=self.settings.trusted_proxy or None,
            vital_paths=frozenset(("/healthz", "/readyz")),
            new_trace_id=lambda: ctx.ids.new("trc"),
        )
        served.vitals.server = server
        served.live.hub.start()
        services.start()
        served.readiness.evaluate()
        drainer = threading.Thread(target=self._when_draining, args=(ctx, server, served, runner), daemon=True)
        drainer.start()
        self._announce(ctx, is_server=runner is not None)
        self.line.ready()
        if runner is not None:
            failing = [f"{f.name}: {f.detail}" for f in served.readiness.last.findings if f.is_core and not f.is_ok]
            restarts.conclude(ctx, not failing, ", ".join(failing))
            secrets.note(ctx)
        server.serve_until(self.drain, self.settings.restart_drain_timeout_seconds)
        drainer.join(self.settings.restart_drain_timeout_seconds)
        self._leave(ctx, served, services, runner)
        return lifeline.RESTART_EXIT if self.is_restart else 0

    def _when_draining(self, ctx: Context, server: Server, served: app.Served, runner: Runner | None) -> None:
        self.drain.wait()
        served.vitals.is_leaving = True
        self.line.stopping(restart=self.is_restart)
        server.wake()
        if runner is not None:
            runner.is_stopping.set()
        ctx.db.wake.raise_flag()
        served.live.hub.drain(HUB_DRAIN_SECONDS)
        if runner is not None:
            runner.wait_idle(self.settings.restart_drain_timeout_seconds)

    def _leave(self, ctx: Context, served: app.Served, services: Services, runner: Runner | None) -> None:
        if runner is not None:
            _sign_off(ctx, runner)
            _server_file(ctx).unlink(missing_ok=True)
        services.close(SERVICES_END_SECONDS)
        served.live.hub.stop()
        _say_where_the_record_ends(ctx)

    def _announce(self, ctx: Context, *, is_server: bool) -> None:
        url = _url(self.listener)
        if is_server:
            with ctx.db.write() as tx:
                seq, link = events.head(tx)
                about = {"pid": os.getpid(), "version": __version__, "url": url, "head_seq": seq, "head": link}
                tx.record("system.start", "system", about)
            _write_server_file(ctx, url)
        logger.info("Jarvis %s serves %s; data in %s", __version__, url, self.settings.jarvis_home)
        token = users.new_setup_link(ctx) if is_server else None
        if token is not None:
            self.console.say(
                f"\nNobody can sign in yet. Open this link once, within a day, to make the first admin:\n\n"
                f"    {url}/setup?token={token}\n"
            )


def _sign_off(ctx: Context, runner: Runner) -> None:
    """Give back what is unfinished and record the stop; on a full disk the next start does the former."""
    try:
        restarts.leave(ctx)
        for task in list(runner.in_flight.values()):
            queue.give_back(ctx, task)
            logger.warning("task %s (%s) goes back to the queue unfinished", task.id, task.name)
        with ctx.db.write() as tx:
            tx.record("system.stop", "system", {"pid": os.getpid(), "version": __version__})
    except JarvisError as error:
        logger.warning("the stop is not in the record: %s", error)


def _say_where_the_record_ends(ctx: Context) -> None:
    try:
        with ctx.db.read() as tx:
            seq, link = events.head(tx)
        logger.info("stopped; the event log ends at %d (%s)", seq, link[:16])
    except JarvisError as error:
        logger.warning("stopped; where the event log ends is not known: %s", error)


@contextlib.contextmanager
def _listening(ctx: Context) -> Iterator[None]:
    listener = ctx.db.wake.listen(ctx.settings.jarvis_home / "run")
    try:
        yield
    finally:
        listener.close()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def _server_file(ctx: Context) -> Path:
    return ctx.settings.jarvis_home / "run" / "server.json"


def _write_server_file(ctx: Context, url: str) -> None:
    """Say where the server is, for the command line; whether it still runs, the lock says."""
    path = _server_file(ctx)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"pid": os.getpid(), "url": url}), "utf-8")
    temporary.replace(path)
