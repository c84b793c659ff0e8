"""What can be done: export everything that is no secret, and take an export up, all of it or nothing."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from jarvis import __version__
from jarvis.bugs import store as bugs
from jarvis.chat import store as chat
from jarvis.kernel import config
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, Invalid, JarvisError
from jarvis.policy import actions as policy
from jarvis.policy import store as permissions
from jarvis.schedules import actions as schedules
from jarvis.schedules import store as plans
from jarvis.transfer import packing, rows
from jarvis.transfer.packing import Archive
from jarvis.users import actions as users
from jarvis.users import store as people

PORTION = 200
SHOWN = 200
UNFINISHED = ("pending", "streaming")


def export(ctx: Context, path: Path) -> dict[str, int]:
    """Write what is here to a new file, 0600, without any secret; returns how many rows of each part."""
    ctx.require_admin()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Conflict(f"{path} is there already; nothing is written over.") from None
    try:
        with open(fd, "wb") as file:
            manifest = {"version": __version__, "made_at": rfc3339(ctx.clock()), "by": ctx.actor}
            counts = packing.write(file, manifest, [(part, _read(ctx, part)) for part in packing.PARTS])
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    with ctx.db.write() as tx:
        tx.record("transfer.exported", "system", {"rows": counts, "count": sum(counts.values())})
    return counts


def _read(ctx: Context, part: str) -> Iterator[dict[str, Any]]:
    """The rows of one part, redacted, in portions: no reader stands in the way of writers for long."""
    found: Iterator[dict[str, Any]] = READERS[part](ctx)
    for row in found:
        yield ctx.db.redact_value({name: row[name] for name in rows.FIELDS[part]})


def _pages(ctx: Context, read: Callable[[Tx, int], list[Any]]) -> Iterator[Any]:
    before = 2**62
    while True:
        with ctx.db.read() as tx:
            found = read(tx, before)
        yield from found
        if len(found) < PORTION:
            return
        before = found[-1].seq


def _names(ctx: Context) -> dict[str, str]:
    everybody = _pages(ctx, lambda tx, before: people.newest(tx, PORTION, before))
    return {people.CLI_USER_ID: "cli"} | {person.id: person.username for person in everybody}


def _people(ctx: Context) -> Iterator[dict[str, Any]]:
    for person in _pages(ctx, lambda tx, before: people.newest(tx, PORTION, before)):
        yield {"username": person.username, "role": person.role}


def _settings(ctx: Context) -> Iterator[dict[str, Any]]:
    """What was set and is no secret; places are this host's own."""
    for name, spec in config.specs().items():
        source = ctx.settings.sources.get(name, "default")
        if source != "default" and not (spec.is_secret or spec.is_place):
            yield {"name": name, "value": _plain(getattr(ctx.settings, name.lower()))}


def _plain(value: Any) -> str:
    if isinstance(value, tuple):
        return "\n".join(map(str, value))
    return str(int(value)) if isinstance(value, bool) else str(value)


def _permissions(ctx: Context) -> Iterator[dict[str, Any]]:
    with ctx.db.read() as tx:
        found = permissions.permissions(tx)
    for one in found:
        yield {"principal": one.principal, "tool": one.tool, "effect": one.effect, "rules": one.rule_list()}


def _threads(ctx: Context) -> Iterator[dict[str, Any]]:
    names = _names(ctx)
    for thread in _pages(ctx, lambda tx, before: chat.newest_of_all(tx, PORTION, before)):
        yield asdict(thread) | {"owner": names.get(thread.user_id, "cli")}


def _messages(ctx: Context) -> Iterator[dict[str, Any]]:
    for thread in _pages(ctx, lambda tx, before: chat.newest_of_all(tx, PORTION, before)):
        after = 0
        while found := _messages_after(ctx, thread.id, after):
            for message in found:
                status = "stopped" if message.status in UNFINISHED else message.status
                yield asdict(message) | {"status": status}
            after = found[-1].seq


def _messages_after(ctx: Context, thread_id: str, after: int) -> list[chat.Message]:
    with ctx.db.read() as tx:
        return chat.messages_since(tx, thread_id, after, PORTION)


def _bugs(ctx: Context) -> Iterator[dict[str, Any]]:
    names = _names(ctx)
    for bug in _pages(ctx, lambda tx, before: bugs.newest(tx, bugs.Filter(), PORTION, before)):
        flags = {"has_recurred": int(bug.has_recurred)}
        yield asdict(bug) | {"reporter": names.get(bug.reporter_id or "")} | flags


def _schedules(ctx: Context) -> Iterator[dict[str, Any]]:
    names = _names(ctx)
    for plan in _pages(ctx, lambda tx, before: plans.newest(tx, None, PORTION, before)):
        if plan.fault is None:
            yield asdict(plan) | {"owner": names.get(plan.user_id, "cli"), "payload": plan.payload_of()}


READERS = {
    "people": _people,
    "settings": _settings,
    "permissions": _permissions,
    "threads": _threads,
    "messages": _messages,
    "bugs": _bugs,
    "schedules": _schedules,
}


@dataclass
class Taken:
    """What an import changed, or would."""

    added: dict[str, int] = field(default_factory=lambda: dict.fromkeys(packing.PARTS, 0))
    kept: dict[str, int] = field(default_factory=lambda: dict.fromkeys(packing.PARTS, 0))
    changes: list[str] = field(default_factory=list)
    """The first of them in words."""
    settings: list[str] = field(default_factory=list)
    """NAME=value lines that differ here; they are told, never written."""

    def note(self, part: str, what: str) -> None:
        self.added[part] += 1
        if len(self.changes) < SHOWN:
            self.changes.append(what)

    @property
    def count(self) -> int:
        return sum(self.added.values())

    def as_json(self) -> dict[str, Any]:
        return {"added": self.added, "kept": self.kept, "changes": self.changes, "settings": self.settings}


class _Rehearsed(Exception):
    """Takes a rehearsal back."""


def take(ctx: Context, path: Path, *, is_rehearsal: bool) -> Taken:
    """Take an export up in one transaction: what is missing here is added, what is here stays.

    Only permissions change what is there. A rehearsal does all of it, and takes it back.
    """
    ctx.require_admin()
    taken = Taken()
    with Archive(path) as archive:
        try:
            with ctx.db.write() as tx:
                taking = _Taking(ctx, tx, taken)
                for part in packing.PARTS:
                    for row in archive.rows(part):
                        taking.one(part, rows.checked(part, row))
                if is_rehearsal:
                    raise _Rehearsed
                if taken.count:
                    made_at = str(archive.manifest.get("made_at"))[:40]
                    about = {"count": taken.count, "added": taken.added, "made_at": made_at}
                    tx.record("transfer.imported", "system", about)
        except _Rehearsed:
            pass
    return taken


@dataclass
class _Taking:
    """One import under way."""

    ctx: Context
    tx: Tx
    taken: Taken

    def __post_init__(self) -> None:
        self._new_threads: set[str] = set()

    def one(self, part: str, row: dict[str, Any]) -> None:
        is_new = getattr(self, f"_take_{part}")(row)
        if not is_new:
            self.taken.kept[part] += 1

    def _take_people(self, row: dict[str, Any]) -> bool:
        name = row["username"]
        if people.find_by_name(self.tx, name) is not None:
            return False
        try:
            users.create(self.ctx, name, None, "user")  # an archive makes nobody an admin
        except Invalid as error:
            why = "; ".join(f"{fault.field} {fault.message}" for fault in error.fields)
            raise Conflict(f"The person {name!r}: {why}.") from None
        was = ", who was an admin there" if row["role"] == "admin" else ""
        self.taken.note("people", f"add {name} as a user without a password{was}")
        return True

    def _take_settings(self, row: dict[str, Any]) -> bool:
        spec = config.specs().get(row["name"])
        if spec is None or spec.is_secret or spec.is_place:
            return False
        if _plain(getattr(self.ctx.settings, row["name"].lower())) != row["value"]:
            value = row["value"].replace("\n", "\\n")
            self.taken.settings.append(f"{row['name']}={value}")
        return False

    def _take_permissions(self, row: dict[str, Any]) -> bool:
        found = permissions.find_permission(self.tx, row["principal"], row["tool"])
        if found is not None and (found.effect, found.rule_list()) == (row["effect"], row["rules"]):
            return False
        try:
            policy.put(self.ctx, row["principal"], row["tool"], row["effect"], row["rules"])
        except JarvisError as error:
            raise Conflict(f"The permission of {row['principal']} for {row['tool']}: {error}") from None
        before = f", {found.effect} until now" if found is not None else ""
        self.taken.note("permissions", f"{row['effect']} {row['tool']} for {row['principal']}{before}")
        return True

    def _take_threads(self, row: dict[str, Any]) -> bool:
        if chat.find(self.tx, row["id"]) is not None:
            return False
        chat.insert_whole(self.tx, row | {"user_id": self._owner(row["owner"])})
        self._new_threads.add(row["id"])
        self.taken.note("threads", f"add the conversation {row['title'][:80]!r} of {row['owner']}")
        return True

    def _take_messages(self, row: dict[str, Any]) -> bool:
        """Only of threads that are new by this import: what goes on here is not mixed with what went on there."""
        if row["thread_id"] not in self._new_threads:
            return False
        if chat.find_message(self.tx, row["id"]) is not None:
            raise Conflict(f"The message {row['id']} is in another conversation here.")
        chat.insert_message_whole(self.tx, row)
        self.taken.added["messages"] += 1
        return True

    def _take_bugs(self, row: dict[str, Any]) -> bool:
        mark = row["fingerprint"]
        is_here = bugs.find(self.tx, row["id"]) or (mark and bugs.find_by_fingerprint(self.tx, mark))
        if is_here:
            return False
        reporter = people.find_by_name(self.tx, row["reporter"]) if row["reporter"] else None
        thread = row["thread_id"] if row["thread_id"] and chat.find(self.tx, row["thread_id"]) else None
        bugs.insert_whole(self.tx, row | {"reporter_id": reporter.id if reporter else None, "thread_id": thread})
        self.taken.note("bugs", f"add the {row['kind']} {row['title'][:80]!r}")
        return True

    def _take_schedules(self, row: dict[str, Any]) -> bool:
        if plans.find(self.tx, row["id"]) is not None:
            return False
        owner = people.get(self.tx, self._owner(row["owner"]))
        acting = self.ctx.acting(actor=self.ctx.actor, user_id=owner.id, username=owner.username, role=owner.role)
        thread = row["thread_id"] if row["thread_id"] and chat.find(self.tx, row["thread_id"]) else None
        given = row | {"thread_id": thread, "enabled": False, "paused_reason": "imported"}
        try:
            schedules.create(replace(acting, client=self.ctx.client), given, row["id"])
        except JarvisError as error:
            raise Conflict(f"The schedule {row['name'][:80]!r} of {row['owner']}: {error}") from None
        self.taken.note("schedules", f"add the schedule {row['name'][:80]!r} of {row['owner']}, paused")
        return True

    def _owner(self, name: str) -> str:
        if name == "cli":
            return people.CLI_USER_ID
        owner = people.find_by_name(self.tx, name)
        if owner is None:
            raise Conflict(f"The archive names {name[:63]!r}, who is not among its people.")
        return owner.id
