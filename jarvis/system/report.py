"""The status as people read it: the first line answers, the rest shows why."""

from typing import Any


def markdown(status: dict[str, Any]) -> str:
    """The status for the chat."""
    return "\n".join([f"**{headline(status)}**", "", *[f"- {line}" for line in _lines(status)]])


def text(status: dict[str, Any]) -> str:
    """The status for a terminal."""
    return "\n".join([headline(status), *[f"  {line}" for line in _lines(status)]])


def headline(status: dict[str, Any]) -> str:
    """The one sentence that answers "is it all right?"."""
    system, ready = status["system"], status["ready"]
    failing = [name for name, check in status["checks"].items() if not check["ok"]]
    if system["lockdown"]:
        return f"Locked down: {system['lockdown_reason'] or 'no reason was given'}."
    if system["restarting"]:
        return "Restarting: running work is being finished."
    if ready is None and status.get("server"):
        return f"A server is running here: {status['server']['url'] or 'it has not said where yet'}."
    if ready is None:
        return "No server is running here."
    if not ready:
        return f"Not ready: {', '.join(failing) or 'the first evaluation has not ended yet'}."
    return f"Ready, though not everything is well: {', '.join(failing)}." if failing else "Ready."


def _lines(status: dict[str, Any]) -> list[str]:
    lines = [f"Jarvis {status['version']} at {status['time']}"]
    for name, check in status["checks"].items():
        lines.append(f"{name}: {check['detail'] if check['ok'] else 'NOT OK, ' + check['detail']}")
    tasks = status.get("tasks")
    if tasks:
        lines.append(f"tasks: {tasks['queued']} queued, {tasks['running']} running, {tasks['failed']} failed")
    for name, provider in (status.get("providers") or {}).items():
        lines.append(f"provider {name}: {provider['state']}")
    lines += _scheduler_lines(status)
    lines += _maintenance_lines(status)
    lines += _backup_lines(status)
    return lines


def _scheduler_lines(status: dict[str, Any]) -> list[str]:
    scheduler = status.get("scheduler")
    if not scheduler:
        return []
    following = f", next at {scheduler['next_due_at']}" if scheduler["next_due_at"] else ""
    return [
        f"scheduler: {scheduler['schedules']} schedules, {scheduler['due']} due,"
        f" {scheduler['deferred']} deferred{following}"
    ]


def _maintenance_lines(status: dict[str, Any]) -> list[str]:
    maintenance = status.get("maintenance")
    if not maintenance or not maintenance["commands"]:
        return []
    last = maintenance["last_run"]
    at = f" at {last['started_at']}" if last else ""
    following = f", next at {maintenance['next_due_at']}" if maintenance["next_due_at"] else ""
    late = "" if maintenance["fresh"] else ", OVERDUE"
    return [f"maintenance: {maintenance['state']}{at}{following}{late}"]


def _backup_lines(status: dict[str, Any]) -> list[str]:
    backups = status.get("backups")
    if not backups or not backups["newest"]:
        return []
    newest, drill = backups["newest"], backups["drill"]
    good = "good" if newest["ok"] else "NOT GOOD"
    late = ", OVERDUE" if backups["late"] else ""
    elsewhere = ", NOT ELSEWHERE" if backups["upload_problem"] else ""
    tried = f", last drill {'passed' if drill['ok'] else 'FAILED'} at {drill['created_at']}" if drill else ""
    return [f"backups: newest at {newest['created_at']}, {good}{late}{elsewhere}{tried}"]
