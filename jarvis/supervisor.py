"""The parent process: owns the listener and the home's lock, and keeps one worker serving."""

import os
import select
import signal
import time
from collections.abc import Callable

from jarvis import lifeline, systemd, takeover, trial
from jarvis.archive.swap import SwapRefused
from jarvis.life import Backoff, Bounds, Worker
from jarvis.linelog import LineLog
from jarvis.process import Checkout, Held, HeldArchive, Spawner, conceal
from jarvis.signals import Signals

EX_FAILED, EX_USAGE, EX_UNAVAILABLE, EX_CONFIG = 1, 64, 69, 78
LASTING = (EX_USAGE, EX_UNAVAILABLE, EX_CONFIG)
"""Exit codes of what another try does not mend: a damaged database, one of a newer release."""
MESSAGES_A_TURN = 64
STALL_SECONDS = 1.0


class Supervisor:
    """Starts, hears, judges, stops and revives the worker; `step` is one turn and never waits."""

    def __init__(
        self,
        spawner: Spawner,
        held: Held,
        signals: Signals,
        notifier: systemd.Notifier,
        log: LineLog,
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
        *,
        worker: Worker | None = None,
        updates: "Updates | None" = None,
    ) -> None:
        self._spawner = spawner
        self._held = held
        self._signals = signals
        self._notifier = notifier
        self._log = log
        self._bounds = bounds
        self._clock = clock
        self._backoff = Backoff(bounds.first_delay, bounds.longest_delay)
        self._poll = select.poll()
        self._poll.register(signals, select.POLLIN)
        self._worker = worker
        self._start_at: float | None = clock() if worker is None else None
        if worker is not None:
            self._poll.register(worker.child.channel, select.POLLIN)
        self._updates = updates or Updates(None, [])
        self._trial = self._updates.begin(clock())
        self._feed_at = clock() if notifier.feed_seconds else None
        self._woken_by = clock()
        self._is_stopping = self._is_restarting = False
        self._has_served = worker is not None
        self._is_untried = False
        """Whether the worker is the first of a file that was not held before."""
        self._has_terminal = _has_terminal()
        self.outcome: int | None = None

    def run(self) -> int:
        """Supervise until told to stop; returns the exit code."""
        self.step()
        while self.outcome is None:
            due = self.due()
            self._poll.poll(None if due is None else max(0.0, due - self._clock()) * 1000 + 1)
            self.step()
        return self.outcome

    def restart(self) -> None:
        """Replace the worker by one from the file now at the archive's path."""
        self._restart(self._clock())

    def due(self) -> float | None:
        """When the next step has something to do though nothing was heard."""
        moments = [self._start_at, self._feed_at, None if self._trial is None else self._trial.due]
        if self._worker is not None:
            bound = self._worker.kill_at
            moments.append(self._worker.silent_until(self._bounds) if bound is None else bound)
        return min((moment for moment in moments if moment is not None), default=None)

    def step(self) -> None:
        """Take what came in, then act on what is due."""
        now = self._clock()
        self._forgive_stall(now)
        for signum in self._signals.take():
            self._on_signal(signum, now)
        self._hear(now)
        self._reap(now)
        self._enforce(now)
        self._judge(now)
        if self._start_at is not None and now >= self._start_at and self.outcome is None:
            self._start(now)
        self._feed(now)
        due = self.due()
        self._woken_by = now if due is None else max(now, due)

    def _forgive_stall(self, now: float) -> None:
        """A frozen machine or a stopped supervisor is not the worker's silence."""
        if self._worker is not None and now > self._woken_by + STALL_SECONDS:
            self._worker.heard_at = now

    # Starting

    def _start(self, now: float) -> None:
        self._start_at = None
        if self._is_restarting:
            self._is_restarting = False
            self._is_untried = self._resolve()
            self._trial = self._updates.begin(now)
        try:
            child = self._spawner.start(self._held)
        except OSError as error:
            self._log.error(f"the worker cannot be started: {error}")
            if not self._held.is_adopted:
                self.outcome = EX_UNAVAILABLE
            else:
                self._start_at = now + self._backoff.take()
            return
        self._worker = Worker(child, now)
        self._poll.register(child.channel, select.POLLIN)
        self._log.info(f"worker {child.pid} started")

    def _resolve(self) -> bool:
        try:
            self._spawner.resolve()
        except OSError as error:
            self._log.error(f"the archive cannot be opened again, the held one is used: {error}")
            return False
        return True

    # Hearing

    def _hear(self, now: float) -> None:
        worker = self._worker
        for _ in range(MESSAGES_A_TURN):
            if worker is None or not worker.is_watched:
                return
            try:
                message = lifeline.receive(worker.child.channel)
            except BlockingIOError:
                return
            except ValueError:
                self._log.warning(f"worker {worker.child.pid} said something unintelligible")
                continue
            except (EOFError, OSError):
                self._unwatch(worker)
                return
            self._on_message(worker, message, now)
            message.close()

    def _unwatch(self, worker: Worker) -> None:
        if worker.is_watched:
            worker.is_watched = False
            self._poll.unregister(worker.child.channel)
            worker.child.channel.close()

    def _on_message(self, worker: Worker, message: lifeline.Message, now: float) -> None:
        worker.heard_at = now
        if message.kind == "adopt":
            self._adopt(message)
        elif message.kind == "beat":
            worker.has_beaten = True
        elif message.kind == "ready":
            worker.is_ready = self._has_served = True
            self._is_untried = False
            self._backoff.reset()
            self._log.info(f"worker {worker.child.pid} is ready after {now - worker.started_at:.2f} s")
            self._notifier.tell("READY=1", f"STATUS=Serving, worker {worker.child.pid}")
        elif message.kind == "stopping":
            worker.kill_by(now + self._held.drain_seconds + self._bounds.margin)
            if message.fields.get("restart") is True:
                self._begin_restart(now)
            self._notifier.tell(f"STATUS=Draining, worker {worker.child.pid}")

    def _adopt(self, message: lifeline.Message) -> None:
        if len(message.fds) not in (1, 2):
            self._log.error("a worker handed over something else than a listener and perhaps a lock")
            return
        for fd in (self._held.listener, self._held.lock):
            if fd is not None:
                os.close(fd)
        self._held.listener, self._held.lock = (*message.fds, None)[:2]
        self._held.is_adopted = True
        message.fds = []
        self._held.drain_seconds = message.drain_seconds()
        self._held.host = message.host()
        self._log.is_json = message.fields.get("log_format", "json" if self._log.is_json else "text") == "json"

    # Stopping and restarting

    def _on_signal(self, signum: int, now: float) -> None:
        if signum in (signal.SIGTERM, signal.SIGINT):
            self._stop(signum, now)
        elif signum == signal.SIGHUP:
            if self._has_terminal and not _has_terminal():
                self._stop(signal.SIGTERM, now)  # the terminal was closed on us
            else:
                self._restart(now)

    def _stop(self, signum: int, now: float) -> None:
        if self._is_stopping:
            if signum == signal.SIGINT and self._worker is not None:
                self._worker.child.send(signum)
                self._worker.kill_by(now + self._bounds.haste)
            return
        self._is_stopping = True
        self._log.info(f"stopping on {signal.Signals(signum).name}")
        self._notifier.tell("STOPPING=1", "STATUS=Draining")
        if self._worker is None:
            self.outcome = 0
        else:
            self._drain(self._worker, signum, now)

    def _restart(self, now: float) -> None:
        if self._is_stopping or self._is_restarting or not self._held.is_adopted:
            self._log.info("SIGHUP changes nothing while starting, restarting or stopping")
            return
        self._begin_restart(now)
        if self._worker is None:
            self._start_at = now
        else:
            self._drain(self._worker, signal.SIGTERM, now)

    def _begin_restart(self, now: float) -> None:
        if not self._is_stopping and not self._is_restarting:
            self._is_restarting = True
            usec = f"MONOTONIC_USEC={int(now * 1_000_000)}"
            self._notifier.tell("RELOADING=1", usec, "STATUS=Restarting the worker")

    def _drain(self, worker: Worker, signum: int, now: float) -> None:
        worker.child.send(signum)
        worker.kill_by(now + self._held.drain_seconds + self._bounds.margin)

    # Judging

    def _enforce(self, now: float) -> None:
        worker = self._worker
        if worker is None:
            return
        if worker.kill_at is not None and now >= worker.kill_at:
            self._log.error(f"worker {worker.child.pid} does not leave: SIGKILL")
            worker.child.send(signal.SIGKILL)
            worker.kill_at = now + self._bounds.abort
        elif worker.kill_at is None and now >= worker.silent_until(self._bounds):
            self._log.error(f"worker {worker.child.pid} is silent for {now - worker.heard_at:.0f} s: SIGABRT")
            worker.is_hung = True
            worker.child.send(signal.SIGABRT)
            worker.kill_at = now + self._bounds.abort

    # An update on trial

    def _judge(self, now: float) -> None:
        is_leaving = self._worker is not None and self._worker.kill_at is not None
        if self._trial is None or self._is_stopping or self._is_restarting or is_leaving:
            return
        verdict = self._trial.look(now, self._held, self._worker)
        if verdict == trial.FAILED:
            self._take_back(self._trial, now)
        elif verdict == trial.TAKE_OVER and self._worker is not None:
            self._log.info("the supervisor executes the archive its worker runs")
            try:
                self._updates.take_over(self._held, self._worker, is_json=self._log.is_json)
            except OSError as error:
                self._trial.why = f"the supervisor cannot execute it: {error}"
                self._take_back(self._trial, now)
        elif verdict == trial.OVER:
            self._trial = None

    def _take_back(self, failed: trial.Trial, now: float) -> None:
        self._log.error(f"the update is taken back: {failed.why}")
        self._trial = None
        try:
            self._updates.put_back(failed)
            self._begin_restart(now)
        except (OSError, SwapRefused) as error:
            self._log.error(f"the old archive cannot be put back, it runs from where it is still open: {error}")
            self._spawner.revert()
        self._backoff.reset()
        if self._worker is None:
            self._start_at = now
        else:
            self._worker.child.send(signal.SIGTERM if self._worker.is_ready else signal.SIGKILL)
            self._worker.kill_by(now + self._bounds.haste)

    def _feed(self, now: float) -> None:
        if self._feed_at is None or self._notifier.feed_seconds is None or now < self._feed_at:
            return
        self._feed_at = now + self._notifier.feed_seconds
        if self._worker is None or not self._worker.is_hung:
            self._notifier.tell("WATCHDOG=1")

    def _reap(self, now: float) -> None:
        worker = self._worker
        code = None if worker is None else worker.child.poll()
        if worker is None or code is None:
            return
        self._hear(now)  # what it said between our last look and its death
        self._unwatch(worker)
        self._worker = None
        if self._is_stopping:
            self.outcome = _stopped(code)
        elif self._trial is not None and self._trial.is_deciding and not self._is_restarting:
            self._trial.died(f"exit code {code}" if code >= 0 else f"signal {-code}")
            if code == lifeline.RESTART_EXIT:
                self._begin_restart(now)
            self._revive(worker, code, now)
        elif not self._held.is_adopted:
            self.outcome = code if code >= 0 else 128 - code
        elif not self._has_served and code in LASTING:
            self.outcome = code  # somebody waits at the terminal; nothing was served that would be missed
        elif self._is_restarting or code == lifeline.RESTART_EXIT:
            self._come_back(worker, now)
        elif code == 0:
            self._log.info("the worker stopped as it was asked to")
            self.outcome = 0
        else:
            self._revive(worker, code, now)

    def _come_back(self, worker: Worker, now: float) -> None:
        self._begin_restart(now)
        # One that never got ready may ask again at once, for ever.
        self._start_at = now if worker.is_ready else now + self._backoff.take()

    def _revive(self, worker: Worker, code: int, now: float) -> None:
        if now - worker.started_at >= self._bounds.healthy:
            self._backoff.reset()
        if code in LASTING and self._is_untried:
            self._log.error("the file now at the archive's path does not serve; the one from before does")
            self._is_untried = False
            self._spawner.revert()
        delay = self._backoff.take()
        self._start_at = now + delay
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        self._log.error(f"worker {worker.child.pid} died with {how}; the next starts in {delay:.1f} s")
        self._notifier.tell(f"STATUS=The worker died with {how}; the next starts in {delay:.1f} s")


class Updates:
    """What the supervisor does about archives: seen as a whole, so that one step at a time can be tried without any."""

    def __init__(self, archive: HeldArchive | None, argv: list[str]) -> None:
        self._archive = archive
        self._argv = argv

    def begin(self, now: float) -> trial.Trial | None:
        """The trial that what is held now is on."""
        return None if self._archive is None else trial.begin(self._archive, now)

    def put_back(self, failed: trial.Trial) -> None:
        """Put the old archive back; raises SwapRefused, OSError."""
        if self._archive is not None:
            failed.put_back(self._archive.before_fd)

    def take_over(self, held: Held, worker: Worker, *, is_json: bool) -> None:
        """Execute what is held in this process; raises OSError."""
        if self._archive is not None:
            takeover.execute(self._archive, self._argv, held, worker, is_json=is_json)


def _stopped(code: int) -> int:
    """The exit code of a stop somebody asked for: a worker too young to have handlers also just left."""
    if code in (0, -signal.SIGTERM, -signal.SIGINT, lifeline.RESTART_EXIT):
        return 0
    return code if code > 0 else EX_FAILED


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def main(argv: list[str], archive: HeldArchive | None = None, bounds: Bounds | None = None) -> int:
    """Supervise `serve` with these arguments until told to stop; returns the exit code.

    `archive` is the file this process runs from; without one the worker starts from the checkout.
    """
    is_concealed = conceal()
    log = LineLog(is_json=os.environ.get("LOG_FORMAT") == "json")
    if not is_concealed:
        log.warning("PR_SET_DUMPABLE cannot be set: processes of this user can read this one's environment")
    try:
        taken = takeover.take(os.environ)
        held = taken.held if taken else Held(systemd.take_listener(os.environ))
    except ValueError as error:
        log.error(str(error))
        return EX_CONFIG
    if taken:
        log.is_json = taken.is_json
    spawner = Spawner(archive or Checkout(), argv, os.environ)
    notifier = systemd.Notifier(os.environ)
    with Signals(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        takeover.listen()
        worker = taken.worker if taken else None
        updates = Updates(archive, argv)
        house = Supervisor(spawner, held, signals, notifier, log, bounds or Bounds(), worker=worker, updates=updates)
        if taken and taken.wants_restart:
            house.restart()
        return house.run()
