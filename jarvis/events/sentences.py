"""What each event says in one sentence, for people and for the assistant."""

from collections.abc import Callable, Mapping
from typing import Any

from jarvis.kernel.events import Event

LONGEST_VALUE = 120
Values = Mapping[str, Any]
Sentence = str | Callable[[Values], str]

FAILED = frozenset(("failed", "error", "rejected", "rollback", "triggered", "unlock_failed", "login_failed"))
BAD_OUTCOMES = frozenset(("failed", "error", "timeout", "interrupted", "refused"))


def _signed_in(values: Values) -> str:
    return "{actor} signed in" + (" from {client}" if values.get("client") else "")


def _sign_in_failed(values: Values) -> str:
    return "a sign-in as {subject_name}" + (" from {client}" if values.get("client") else "") + " failed"


def _command(values: Values) -> str:
    return "{actor} used {command}" if values.get("allowed", True) else "{actor} tried {command}, which is for admins"


def _upload(values: Values) -> str:
    return "{backup_id} was uploaded" if values.get("ok") else "{backup_id} could not be uploaded: {problem}"


def _drill(values: Values) -> str:
    return "{backup_id} was restored on trial" if values.get("ok") else "the drill on {backup_id} failed: {problem}"


def _soak(values: Values) -> str:
    return "a soak of {seconds} s passed" if values.get("ok") else "a soak did not pass: {problem}"


def _step_end(values: Values) -> str:
    word = {"done": "written", "stopped": "stopped"}.get(str(values.get("status")), "{status}")
    return f"the reply was {word}, {{characters}} characters"


def _tool_end(values: Values) -> str:
    word = {"done": "answered"}.get(str(values.get("outcome")), "{outcome}")
    return f"{{tool}} {word} in {{milliseconds}} ms"


def _message(values: Values) -> str:
    said = {"user": "{actor} wrote a message", "assistant": "a reply was begun", "system": "Jarvis answered a command"}
    return said.get(str(values.get("role")), "a {role} message was kept")


def _message_done(values: Values) -> str:
    return {"done": "the reply is complete", "stopped": "the reply was stopped"}.get(
        str(values.get("status")), "the reply {status}"
    )


def _created(values: Values) -> str:
    return "{username} was added as {role}" + (" by the {by}" if values.get("by") else "")


def _exec_end(values: Values) -> str:
    return "{command} ended with exit code {exit_code}" if values.get("exit_code") else "{command} succeeded"


def _update_test(values: Values) -> str:
    return "“{title}” passed its test" if values.get("ok") else "“{title}” failed its test: {detail}"


def _update_drill(values: Values) -> str:
    return "the rollback drill went well" if values.get("ok") else "the rollback drill failed: {problem}"


def _update_apply(values: Values) -> str:
    return "“{title}” is on trial" if values.get("ok") else "“{title}” was not applied: {detail}"


def _sync(values: Values) -> str:
    if values.get("direction") == "in":
        return "{actor} changed {what} of {title} on GitHub, issue {issue}"
    word = {"created": "made", "found": "found again"}.get(str(values.get("what")))
    return f"issue {{issue}} was {word} for {{title}}" if word else "{what} of {title} went to GitHub, issue {issue}"


def _delivery(values: Values) -> str:
    said = "GitHub delivered {name} of {repo}" if values.get("repo") else "GitHub delivered {name}"
    return said + (", ignored: {reason}" if values.get("outcome") == "ignored" else ", {outcome}")


def _summary(values: Values) -> str:
    outcome = str(values.get("outcome"))
    done = {
        "created": "was summarised in a comment",
        "edited": "was summarised anew",
        "untouched": "was looked at: its summary still holds",
        "skipped": "was not summarised: {reason}",
        "failed": "could not be summarised: {reason}",
    }
    return "pull request {subject_name} " + done.get(outcome, "was looked at: {outcome}")


def _answer(values: Values) -> str:
    if values.get("outcome") == "answered":
        return "{login} was answered in {subject_name}"
    return "{login} was not answered in {subject_name}: {reason}"


TABLE: Mapping[str, Sentence] = {
    "auth.login": _signed_in,
    "auth.login_failed": _sign_in_failed,
    "auth.logout": "{actor} signed out",
    "auth.session_revoked": "{actor} ended a session",
    "user.created": _created,
    "user.password_changed": "the password of {username} was changed",
    "user.role_changed": "{username} is now {role}",
    "user.disabled": "{username} was shut out",
    "user.enabled": "{username} was let in again",
    "user.setup_link": "a setup link was made",
    "token.created": "{actor} made the token {name}",
    "token.revoked": "{actor} revoked the token {name}",
    "thread.created": "{actor} began “{title}”",
    "thread.changed": "{actor} changed a conversation",
    "thread.deleted": "{actor} deleted “{title}”",
    "thread.read_by_admin": "{actor} read a conversation of somebody else",
    "message.created": _message,
    "message.done": _message_done,
    "message.retried": "{actor} asked again for a reply",
    "command.executed": _command,
    "agent.step.start": "{provider} began a reply",
    "agent.step.end": _step_end,
    "model.run.start": "{provider} was asked",
    "model.run.end": "{provider} answered",
    "model.run.error": "{provider} failed: {error}",
    "model.run.fallback": "{provider} did not answer, {fallback} did",
    "tool.call.start": "{tool} was called for {for}",
    "tool.call.end": _tool_end,
    "policy.decision": "{decision}: {reason}",
    "note.added": "{for} had something remembered",
    "note.changed": "{for} changed a note",
    "note.removed": "{for} had a note forgotten",
    "permission.set": "{actor} set {tool} to {effect} for {principal}",
    "permission.removed": "{actor} removed the permission of {principal} for {tool}",
    "approval.requested": "{tool} waits for an approval",
    "approval.granted": "{actor} approved {tool}",
    "approval.denied": "{actor} denied {tool}",
    "approval.expired": "nobody decided on {tool} in time",
    "host.exec.start": "{command} was started",
    "host.exec.end": _exec_end,
    "schedule.created": "{actor} made the schedule {name}",
    "schedule.trigger": "{name} was due at {due_at}",
    "maintenance.heartbeat": "maintenance is alive",
    "maintenance.run.start": "{command} was started",
    "maintenance.run.end": _exec_end,
    "bug.created": "a bug was filed: {title}",
    "bug.recurred": "{title} happened again",
    "bug.sync_asked": "{actor} sent {title} to GitHub",
    "github.delivery": _delivery,
    "github.summary": _summary,
    "github.answer": _answer,
    "github.sync": _sync,
    "github.sync_failed": "{title} is not in step with GitHub: {error}",
    "lockdown.triggered": "locked down: {reason}",
    "lockdown.rehearsed": "{actor} rehearsed a lockdown: {tried} tried, {leaks} got through",
    "lockdown.cleared": "{actor} cleared the lockdown",
    "lockdown.code_rotated": "{actor} made a fresh unlock code",
    "lockdown.refused": "the lockdown refused {what}",
    "lockdown.unlock_failed": "{actor} tried a wrong unlock code",
    "system.start": "Jarvis {version} started",
    "system.stop": "Jarvis stopped",
    "system.restart.start": "{actor} asked for a restart",
    "system.restart.drain": "running work is being finished for a restart",
    "system.restart.exec": "left for a new server",
    "system.restart.complete": "the restart is complete",
    "system.restart.failed": "the restart failed",
    "task.failed": "{name} gave up after {attempts} attempts: {error}",
    "task.cancelled": "{actor} cancelled {name}",
    "task.retried": "{actor} retried {name}",
    "doctor.fix": "doctor: {did}",
    "doctor.undo": "doctor put back: {did}",
    "self_update.propose": "{actor} proposed “{title}”",
    "self_update.validate": "“{title}” applies",
    "self_update.test": _update_test,
    "self_update.approve": "{actor} approved “{title}”",
    "self_update.apply": _update_apply,
    "self_update.verified": "“{title}” is applied and proven",
    "self_update.rollback": "“{title}” was taken back: {detail}",
    "self_update.rejected": "“{title}” was rejected: {detail}",
    "self_update.drill": _update_drill,
    "self_update.void": "“{title}” is not approved any more: {detail}",
    "backup.snapshot": "a backup was made",
    "backup.restore": "{actor} restored the backup {source}",
    "backup.verified": "a backup was checked",
    "backup.upload": _upload,
    "backup.drill": _drill,
    "evidence.soak": _soak,
    "evidence.report": "{actor} wrote the evidence for {version}",
    "secret.rotated": "{name} was rotated",
    "transfer.exported": "{actor} exported {count} things",
    "transfer.imported": "{actor} imported {count} things",
    "secret.scanned": "{actor} looked for secrets: {findings} found",
}


def summary(event: Event) -> str:
    """The event in a sentence without its full stop; from its type and subject where nothing better is known."""
    try:
        return _sentence(event).format_map(_values(event)) or _plain(event)
    except KeyError:
        return _plain(event)


def title(event: Event) -> str:
    """The summary as a heading: with a capital, unless it begins with somebody's or something's name."""
    said = summary(event)
    return said if _sentence(event).startswith("{") else said[:1].upper() + said[1:]


def _sentence(event: Event) -> str:
    found = TABLE.get(event.type, "")
    return found if isinstance(found, str) else found(event.payload())


def is_failure(event: Event) -> bool:
    """Whether an event tells of something that did not work, by its type or by what its data says."""
    if event.type.rpartition(".")[2] in FAILED:
        return True
    data = event.payload()
    if data.get("ok") is False or data.get("outcome") in BAD_OUTCOMES or data.get("status") == "failed":
        return True
    code = data.get("exit_code")
    return isinstance(code, int) and code != 0


def _values(event: Event) -> dict[str, str]:
    data = {str(name): _shown(value) for name, value in event.payload().items() if value not in (None, "")}
    return data | {"actor": event.actor, "subject_name": event.subject.partition("/")[2] or event.subject}


def _shown(value: Any) -> str:
    text = " ".join(f"{value:,}".split() if type(value) is int else str(value).split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _plain(event: Event) -> str:
    what = event.type.replace(".", " ").replace("_", " ")
    return f"{what}, {event.subject}" if event.subject else what
