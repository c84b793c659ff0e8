"""What can be done with bugs: file, change, count a failure, let three green runs resolve. Check, store, record."""

from collections.abc import Mapping
from typing import Any

from jarvis.bugs import store
from jarvis.bugs.store import Bug, Filter
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, NotFound, invalid

GREEN_RUNS_TO_RESOLVE = 3
SYNC_IS_OFF = "GitHub sync is off: set GITHUB_ISSUE_SYNC_ENABLED=1 and GITHUB_ISSUE_SYNC_REPO."


def wanted(ctx: Context, query: Mapping[str, Any]) -> Filter:
    """A filter as it was asked for (status, priority, kind, q), within what the asker may see."""
    mine = "" if ctx.is_admin else ctx.user_id or "nobody"
    chosen = {name: str(query.get(name) or "") for name in ("kind", "status", "priority")}
    return Filter(**chosen, query=str(query.get("q") or ""), reporter_id=mine)


def is_sync_on(ctx: Context) -> bool:
    """Whether bugs can go to GitHub at all."""
    return ctx.settings.github_issue_sync_enabled and bool(ctx.settings.github_issue_sync_repo)


def read(ctx: Context, bug_id: str) -> Bug:
    """A bug of one's own; any for an admin."""
    with ctx.db.read() as tx:
        bug = store.get(tx, bug_id)
    if bug.reporter_id != ctx.user_id and not ctx.is_admin:
        raise NotFound("There is no such bug.")
    return bug


def file(
    ctx: Context,
    title: str,
    description: str = "",
    *,
    kind: str = "bug",
    priority: str = "medium",
    assignee: str | None = None,
    thread_id: str | None = None,
    sync_to_github: bool = False,
) -> Bug:
    """Write down something wrong or wanted."""
    name = " ".join(title.split())
    if not name:
        raise invalid("title", "may not be empty")
    with ctx.db.write() as tx:
        if thread_id is not None and store.owner_of_thread(tx, thread_id) != ctx.user_id:
            raise invalid("thread_id", "is no conversation of yours")
        bug = store.insert(
            tx,
            ctx.ids.new("bug"),
            kind=kind,
            title=name[:200],
            description=description.strip(),
            priority=priority,
            reporter_id=ctx.user_id,
            assignee=assignee or None,
            thread_id=thread_id,
            is_sync_wanted=sync_to_github,
        )
        about = {"bug_id": bug.id, "kind": kind, "title": bug.title, "sync_to_github": sync_to_github}
        tx.record("bug.created", f"bug/{bug.id}", about, thread_id=thread_id)
        if sync_to_github and not is_sync_on(ctx):
            store.set_sync_error(tx, bug.id, SYNC_IS_OFF)
        return store.get(tx, bug.id)


def change(ctx: Context, bug_id: str, **values: str | None) -> Bug:
    """Change some fields of a bug of one's own (any for an admin)."""
    with ctx.db.write() as tx:
        bug = read(ctx, bug_id)
        title = values.get("title")
        if "title" in values:
            if not title or not title.strip():
                raise invalid("title", "may not be empty")
            values["title"] = " ".join(title.split())[:200]
        if "assignee" in values:
            values["assignee"] = (values["assignee"] or "").strip() or None
        changed = {name: value for name, value in values.items() if getattr(bug, name) != value}
        if not changed:
            return bug
        after = store.update(tx, bug, **changed)
        was = {name: getattr(bug, name) for name in changed}
        about = {"bug_id": bug_id, "title": bug.title, "changed": changed, "was": was}
        tx.record("bug.updated", f"bug/{bug_id}", about, thread_id=bug.thread_id)
        return after


def ask_sync(ctx: Context, bug_id: str) -> Bug:
    """Make a GitHub issue of a bug, or try again where that failed. Raises Conflict while sync is off."""
    with ctx.db.write() as tx:
        bug = read(ctx, bug_id)
        if not is_sync_on(ctx):
            raise Conflict(SYNC_IS_OFF)
        store.want_sync(tx, bug_id)
        tx.record("bug.sync_asked", f"bug/{bug_id}", {"bug_id": bug_id, "title": bug.title}, thread_id=bug.thread_id)
        return store.get(tx, bug_id)


def set_synced(ctx: Context, bug_id: str, number: int | None, url: str | None) -> None:
    """Note that a bug and its issue are in step, or with None that it has none any more."""
    with ctx.db.write() as tx:
        store.set_synced(tx, bug_id, number, url)


def set_sync_failed(ctx: Context, bug_id: str, why: str) -> None:
    """Note why a bug and GitHub are not in step."""
    with ctx.db.write() as tx:
        store.set_sync_error(tx, bug_id, ctx.db.redact(why)[:1000])


def delete(ctx: Context, bug_id: str) -> None:
    """Remove a bug for good."""
    with ctx.db.write() as tx:
        bug = read(ctx, bug_id)
        store.delete(tx, bug)
        tx.record("bug.deleted", f"bug/{bug_id}", {"bug_id": bug_id, "title": bug.title}, thread_id=bug.thread_id)


def close(ctx: Context, bug_id: str) -> Bug:
    """It is over, or will not be done. Closing twice conflicts."""
    with ctx.db.write():
        bug = read(ctx, bug_id)
        if bug.status == "closed":
            raise Conflict("The bug is closed already.")
        return change(ctx, bug_id, status="closed")


def record_failure(
    ctx: Context, fingerprint: str, title: str, evidence: dict[str, Any], *, source: str | None = None
) -> Bug:
    """File a failure once per fingerprint; from then on count, and reopen when it comes back.

    `source` is what was run: every run of it, green or not, counts for what was found by it.
    """
    with ctx.db.write() as tx:
        known = store.find_by_fingerprint(tx, fingerprint)
        if known is None:
            bug = _file_failure(ctx, fingerprint, title, evidence, source)
        else:
            bug = store.count_failure(tx, known, evidence, reopens=not known.is_active)
            about = {"bug_id": bug.id, "title": bug.title, "occurrences": bug.occurrences, "rate": bug.rate}
            tx.record("bug.recurred", f"bug/{bug.id}", {**about, "reopened": not known.is_active})
        if source is not None:
            store.count_other_runs(tx, source, bug.id)
        return bug


def _file_failure(ctx: Context, fingerprint: str, title: str, evidence: dict[str, Any], source: str | None) -> Bug:
    with ctx.db.write() as tx:
        bug = store.insert(
            tx,
            ctx.ids.new("bug"),
            kind="bug",
            title=" ".join(title.split())[:200],
            description="",
            priority="high",
            reporter_id=ctx.user_id,
            fingerprint=fingerprint,
            source=source,
            evidence=evidence,
        )
        tx.record("bug.created", f"bug/{bug.id}", {"bug_id": bug.id, "kind": "bug", "title": bug.title})
        return bug


def record_success(ctx: Context, source: str) -> list[Bug]:
    """A green run of what once failed; three in a row resolve its bugs. Returns those resolved now."""
    with ctx.db.write() as tx:
        counted = store.count_success(tx, source)
        return [_resolve(ctx, bug) for bug in counted if bug.is_active and bug.green_runs >= GREEN_RUNS_TO_RESOLVE]


def _resolve(ctx: Context, bug: Bug) -> Bug:
    with ctx.db.write() as tx:
        resolved = store.update(tx, bug, status="resolved")
        about = {
            "bug_id": bug.id,
            "title": bug.title,
            "changed": {"status": "resolved"},
            "why": f"{bug.green_runs} green runs in a row",
        }
        tx.record("bug.updated", f"bug/{bug.id}", about)
        return resolved
