"""Keep bugs and issues in step: what was changed on one side goes to the other, once, and never comes back as news."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from jarvis.bugs import actions as bugs
from jarvis.bugs import store as bug_store
from jarvis.bugs.store import Bug
from jarvis.github import payload, wording
from jarvis.github.actions import failures
from jarvis.github.client import Client, GitHubRefused, GitHubRetry
from jarvis.github.store import issues as store
from jarvis.github.store.issues import Link
from jarvis.github.wording import Shown
from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound

SETTLE_SECONDS = 20
"""So long after a request whose answer was lost, GitHub's lists may not show yet what it made."""
OLD_SECONDS = 3600
"""A bug filed before may have an issue we no longer know of: a backup was restored."""
SKEW_SECONDS = 7 * 86_400
MOST_LOOKED_THROUGH = 5000
GONE = "The issue {number} is gone from {repo}. Retry makes a new one."


def is_on(ctx: Context) -> bool:
    """Whether bugs go to GitHub at all."""
    return bugs.is_sync_on(ctx)


def sync(ctx: Context, bug_id: str) -> dict[str, Any]:
    """Make the issue as the bug is. Raises GitHubRetry or GitHubRefused; what happened, for the task's result."""
    with ctx.db.read() as tx:
        bug = bug_store.find(tx, bug_id)
        link = store.find(tx, bug_id)
    if bug is None:
        return {"skipped": "The bug was deleted."}
    if not is_on(ctx):
        return {"skipped": bugs.SYNC_IS_OFF}
    if link is None or link.number is None:
        return _create(ctx, bug, link)
    return _update(ctx, bug, link)


def _create(ctx: Context, bug: Bug, link: Link | None) -> dict[str, Any]:
    client, repo = Client(ctx), link.repo if link else ctx.settings.github_issue_sync_repo.lower()
    found = None
    if link is not None:
        found = _find_lost(client, repo, bug)
    elif ctx.clock() - bug.created_at > OLD_SECONDS * SECOND:
        found = _find_forgotten(client, repo, bug)
    if found is not None:
        return _adopt(ctx, bug, repo, found)
    if link is not None:
        age = (ctx.clock() - link.sent_at) // SECOND
        if 0 <= age < SETTLE_SECONDS:
            raise GitHubRetry(SETTLE_SECONDS - age, "whether the last request made the issue is not known yet")
    shown = wording.of_bug(ctx, bug)
    with ctx.db.write() as tx:
        store.put(tx, Link(bug.id, repo, None, shown.title, shown.description, shown.state, "", tx.now))
    labels = ctx.settings.github_issue_labels_bug if bug.kind == "bug" else ctx.settings.github_issue_labels_feature
    asked = {"title": shown.title, "body": wording.body(ctx, bug, shown), "labels": list(labels)}
    try:
        issue = client.post(f"/repos/{repo}/issues", asked)
    except (GitHubRefused, GitHubRetry) as error:
        if isinstance(error, GitHubRefused) or error.is_undone:
            with ctx.db.write() as tx:
                store.delete(tx, bug.id)
        raise
    _settle(ctx, bug, repo, issue, replace(shown, state="open"), "created")
    return _again(ctx, bug.id, {"created": payload.number(issue, "number")})


def _find_lost(client: Client, repo: str, bug: Bug) -> Any:
    """The issue that a request of ours made whose answer was lost; among the newest, whatever our clock says."""
    listed = client.pages(f"/repos/{repo}/issues", state="all", sort="created", cap=MOST_LOOKED_THROUGH)
    return next((issue for issue in listed if _is_of(issue, bug)), None)


def _find_forgotten(client: Client, repo: str, bug: Bug) -> Any:
    """The issue that we no longer know of: the oldest with the bug's mark, as somebody may have copied that."""
    since = rfc3339(bug.created_at - SKEW_SECONDS * SECOND)
    listed = client.pages(f"/repos/{repo}/issues", state="all", since=since, sort="created", cap=MOST_LOOKED_THROUGH)
    marked = [issue for issue in listed if _is_of(issue, bug)]
    return min(marked, key=lambda issue: payload.number(issue, "number"), default=None)


def _is_of(issue: Any, bug: Bug) -> bool:
    is_issue = payload.number(issue, "number") and not payload.inside(issue, "pull_request")
    return bool(is_issue) and wording.bug_marked(issue) == bug.id


def _adopt(ctx: Context, bug: Bug, repo: str, issue: Any) -> dict[str, Any]:
    """Take an issue that we made and lost sight of; then bring it up to date."""
    _settle(ctx, bug, repo, issue, wording.of_issue(issue), "found")
    return _again(ctx, bug.id, {"found": payload.number(issue, "number")})


def _again(ctx: Context, bug_id: str, told: dict[str, Any]) -> dict[str, Any]:
    """What was changed while the issue was being made goes after it."""
    with ctx.db.read() as tx:
        bug, link = bug_store.find(tx, bug_id), store.find(tx, bug_id)
    if bug is not None and link is not None and _differences(link, wording.of_bug(ctx, bug)):
        return told | _update(ctx, bug, link)
    return told


def _settle(ctx: Context, bug: Bug, repo: str, issue: Any, agreed: Shown, how: str) -> None:
    number, url = payload.number(issue, "number"), payload.text(issue, "html_url") or payload.text(issue, "url")
    if not number:
        raise GitHubRetry(SETTLE_SECONDS, "it answered without the issue's number")
    with ctx.db.write() as tx:
        if bug_store.find(tx, bug.id) is None:
            return  # deleted meanwhile; the issue stays
        stamp = payload.text(issue, "updated_at")
        link = Link(bug.id, repo, number, agreed.title, agreed.description, agreed.state, stamp, tx.now)
        store.put(tx, link)
        bugs.set_synced(ctx, bug.id, number, url if url.startswith(("https://", "http://")) else None)
        _tell(ctx, bug, "out", how, number)


def _update(ctx: Context, bug: Bug, link: Link) -> dict[str, Any]:
    number = link.number
    assert number is not None
    shown = wording.of_bug(ctx, bug)
    if not _differences(link, shown):
        with ctx.db.write():
            bugs.set_synced(ctx, bug.id, number, bug.github_issue_url)
        return {"unchanged": number}
    client, path = Client(ctx), f"/repos/{link.repo}/issues/{number}"
    try:
        take(ctx, bug.id, client.get(path), "GitHub")  # a delivery may have been lost: nobody's edit is overwritten
        with ctx.db.read() as tx:
            bug, link = bug_store.get(tx, bug.id), store.find(tx, bug.id) or link
        shown = wording.of_bug(ctx, bug)
        changed = _differences(link, shown)
        if not changed:
            return {"unchanged": number}
        asked = {name: getattr(shown, name) for name in changed if name != "description"}
        if "description" in changed:
            asked["body"] = wording.body(ctx, bug, shown)
        issue = client.patch(path, asked)
    except GitHubRefused as error:
        if error.answer == 410:
            unlink(ctx, bug.id, GONE.format(number=number, repo=link.repo))
        raise
    with ctx.db.write() as tx:
        stamp = payload.text(issue, "updated_at") or link.changed_at
        agreed = {name: getattr(shown, name) for name in changed}
        store.put(tx, replace(link, **agreed, changed_at=stamp))
        bugs.set_synced(ctx, bug.id, number, bug.github_issue_url)
        _tell(ctx, bug, "out", ", ".join(changed), number)
    return {"updated": number, "changed": changed}


def _differences(link: Link, shown: Shown) -> list[str]:
    return [name for name in ("title", "description", "state") if getattr(link, name) != getattr(shown, name)]


def take(ctx: Context, bug_id: str, issue: Any, who: str) -> dict[str, Any]:
    """Take over what was changed in an issue since both sides agreed; what is as it was is no news."""
    told = wording.of_issue(issue)
    with ctx.db.write() as tx:
        link, bug = store.find(tx, bug_id), bug_store.find(tx, bug_id)
        if link is None or bug is None or link.number is None:
            return {"skipped": "The bug has no issue any more."}
        changed = _differences(link, told)
        if not told.title:
            changed = [name for name in changed if name != "title"]
        values = {name: getattr(told, name) for name in changed if name != "state"}
        if "state" in changed and bug.is_active != (told.state == "open"):
            values["status"] = "open" if told.state == "open" else "closed"
        acting = ctx.acting(actor=f"github:{who}", user_id=None, username="", role="admin")
        after = bugs.change(acting, bug_id, **values) if values else bug
        ours = wording.of_bug(ctx, after)  # as it would go out again, so that it does not
        agreed = {name: getattr(ours, name) for name in changed}
        stamp = max(link.changed_at, payload.text(issue, "updated_at"))
        if changed or stamp != link.changed_at:
            store.put(tx, replace(link, **agreed, changed_at=stamp))
        if changed:
            bugs.set_synced(ctx, bug_id, link.number, bug.github_issue_url)
            _tell(acting, after, "in", ", ".join(changed), link.number)
    return {"taken": changed} if changed else {"skipped": "Nothing new: it is as Jarvis knows it."}


def take_delivered(ctx: Context, bug_id: str, issue: Any, who: str) -> dict[str, Any]:
    """Take over an issue as a delivery told it; when that may be old news, as it is now."""
    with ctx.db.read() as tx:
        link = store.find(tx, bug_id)
    if link is None or link.number is None:
        return {"skipped": "The bug has no issue any more."}
    stamp = payload.text(issue, "updated_at")
    if stamp and stamp <= link.changed_at and _differences(link, wording.of_issue(issue)):
        issue = Client(ctx).get(f"/repos/{link.repo}/issues/{link.number}")
    return take(ctx, bug_id, issue, who)


def unlink(ctx: Context, bug_id: str, why: str) -> None:
    """Forget which issue a bug has: it was deleted or moved away."""
    with ctx.db.write() as tx:
        bug = bug_store.get(tx, bug_id)
        store.delete(tx, bug_id)
        bugs.set_synced(ctx, bug_id, None, None)
        bugs.set_sync_failed(ctx, bug_id, why)
        about = {"bug_id": bug_id, "title": bug.title, "error": why, "final": True}
        tx.record("github.sync_failed", f"bug/{bug_id}", about)


def note_trouble(ctx: Context, bug_id: str, why: str, *, is_final: bool) -> None:
    """Say on the bug why it is not in step; an event when that is new, a bug of its own when it is final."""
    said = why if is_final else f"{why}. It is tried again."
    with ctx.db.write() as tx:
        bug = bug_store.find(tx, bug_id)
        if bug is None or (bug.github_sync_error == said and not is_final):
            return
        bugs.set_sync_failed(ctx, bug_id, said)
        about = {"bug_id": bug_id, "title": bug.title, "error": said, "final": is_final}
        tx.record("github.sync_failed", f"bug/{bug_id}", about)
        if is_final:
            failures.note(ctx, "keep bugs and issues in step", why, {"bug_id": bug_id}, kind=failures.shape(why))


def _tell(ctx: Context, bug: Bug, way: str, what: str, number: int) -> None:
    with ctx.db.write() as tx:
        about = {"bug_id": bug.id, "title": bug.title, "direction": way, "what": what, "issue": number}
        tx.record("github.sync", f"bug/{bug.id}", about)


def wants_sync(tx: Tx, bug_ids: Iterable[str]) -> list[Bug]:
    """Those of some bugs that have an issue, or are to have one."""
    found = [bug for bug_id in bug_ids if (bug := bug_store.find(tx, bug_id)) is not None]
    return [bug for bug in found if bug.is_sync_wanted or store.find(tx, bug.id) is not None]


def require_bug(bug_id: Any) -> str:
    """The id in a task's payload; raises NotFound when there is none."""
    if not isinstance(bug_id, str) or not bug_id:
        raise NotFound("The task names no bug.")
    return bug_id
