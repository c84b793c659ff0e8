"""Running one program for somebody: exactly these words, in a cage, bounded, and on record from first to last."""

import os
from pathlib import Path
from typing import Any

from jarvis.host import store
from jarvis.host.store import HostRun
from jarvis.kernel import sandbox
from jarvis.kernel.config import specs
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied, invalid
from jarvis.kernel.sandbox import Cage, Outcome
from jarvis.lockdown import actions as lockdown
from jarvis.policy.actions import rules

DEFAULT_SECONDS = 60
MOST_PROCESSES = 64
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STARTUP = 126
"""The exit code of a program that could not even be started."""


def execute(ctx: Context, argv: list[str], cwd: str, timeout_seconds: int | None) -> HostRun:
    """Run a program that the policy has allowed. Raises Denied, or Invalid, when it may not run here and so."""
    why = rules.unfit(argv[0])
    if why:
        raise Denied(f"The call {why}.")
    place = directory(ctx, cwd)
    kind = sandbox.choose(ctx.settings.exec_host_sandbox)
    run_id = _begin(ctx, argv, place, kind)
    try:
        found = sandbox.run(argv, _cage(ctx, place, timeout_seconds), kind)
    except OSError as error:
        found = Outcome(STARTUP, "", f"It could not be started: {error.strerror}.".encode(), 0, kind)
    return _end(ctx, run_id, argv, found)


def directory(ctx: Context, cwd: str) -> Path:
    """Where it may run: links followed, and under EXEC_HOST_ALLOWED_CWD_PREFIXES (else in WORKSPACE)."""
    tops = [Path(p) for p in ctx.settings.exec_host_allowed_cwd_prefixes] or [ctx.settings.workspace]
    place = Path(os.path.realpath(cwd or str(tops[0])))
    if not any(place.is_relative_to(os.path.realpath(top)) for top in tops):
        raise invalid("cwd", f"must be under {' or '.join(map(str, tops))}")
    home = Path(os.path.realpath(ctx.settings.jarvis_home))
    if place.is_relative_to(home) or home.is_relative_to(place):
        raise invalid("cwd", "may not hold Jarvis's own home")
    if not place.is_dir():
        raise invalid("cwd", "is no directory")
    return place


def _cage(ctx: Context, place: Path, timeout_seconds: int | None) -> Cage:
    settings = ctx.settings
    secret = {name for name, spec in specs().items() if spec.is_secret}
    names = [name for name in settings.exec_host_env_allowlist if name not in secret]
    env = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": str(place)} | {n: os.environ[n] for n in names if n in os.environ}
    seconds = min(timeout_seconds or DEFAULT_SECONDS, settings.exec_host_timeout_max_seconds)
    return Cage(
        cwd=place,
        write=(place,),
        env=env,
        seconds=seconds,
        memory_bytes=settings.exec_host_max_memory_mb << 20,
        processes=MOST_PROCESSES,
        output_bytes=settings.exec_host_max_output_bytes,
    )


def _begin(ctx: Context, argv: list[str], place: Path, kind: str) -> str:
    run_id = ctx.ids.new("run")
    shown = [ctx.db.redact(word) for word in argv]
    with ctx.db.write() as tx:
        store.insert(tx, run_id, shown, str(place), ctx.username, kind)
        about = {"run_id": run_id, "command": " ".join(shown)[:500], "argv": shown, "cwd": str(place), "sandbox": kind}
        tx.record("host.exec.start", f"host/{run_id}", about | {"for": ctx.username})
    return run_id


def _end(ctx: Context, run_id: str, argv: list[str], found: Outcome) -> HostRun:
    output = ctx.db.redact(found.output.decode("utf-8", "replace").replace("\x00", "�"))
    command = ctx.db.redact(" ".join(argv))[:500]
    with ctx.db.write() as tx:
        store.finish(tx, run_id, found.exit_code, found.killed_for, output, found.left_out_bytes)
        about: dict[str, Any] = {"run_id": run_id, "command": command, "ok": found.is_ok, "exit_code": found.exit_code}
        tx.record("host.exec.end", f"host/{run_id}", about | {"killed_for": found.killed_for or None})
        if not found.is_ok:
            how = f"killed for {found.killed_for}" if found.killed_for else f"exit {found.exit_code}"
            lockdown.strike(ctx, lockdown.EXEC, f"{command}: {how}")
        return store.get(tx, run_id)
