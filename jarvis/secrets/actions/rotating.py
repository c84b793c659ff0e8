"""Putting a new secret in the place of an old one, with a time in which both count where that is possible."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis.kernel import envedit
from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, NotFound, Unavailable
from jarvis.lockdown import actions as lockdown
from jarvis.secrets import kinds, store
from jarvis.secrets.kinds import Kind
from jarvis.users import actions as users
from jarvis.users import store as people

HOUR = 3600 * SECOND
TOKEN_CACHE = ("tokens", "google.json")


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did; `secret` is told once, "" where there is nothing to tell."""

    name: str
    secret: str
    where: str
    old_until: int | None
    says: str

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": self.name, "where": self.where, "says": self.says}
        shown["old_until"] = rfc3339(self.old_until) if self.old_until else None
        return shown | ({"secret": self.secret} if self.secret else {})


def rotate_sessions(ctx: Context) -> Rotated:
    """End every session of everybody at once."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        count = users.end_every_session(ctx)
        _record(tx, kinds.SESSIONS, f"{count} ended", None)
    return Rotated(kinds.SESSIONS, "", "database", None, f"{count} sessions have ended; everybody signs in again.")


def rotate_token(ctx: Context, which: str, overlap_hours: int) -> Rotated:
    """A new API token of the same name for the same person; the old one is good for `overlap_hours` more."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        old = _token(tx, which)
        until = tx.now + overlap_hours * HOUR if overlap_hours else None
        new, plain = users.replace_token(ctx, old.id, until)
        _record(tx, kinds.TOKEN, new.id, until)
    ended = f"good until {rfc3339(until)}" if until else "useless now"
    says = f"Token {new.id} ({new.name}) takes the place of {old.id}, which is {ended}."
    return Rotated(kinds.TOKEN, plain, "database", until, says)


def _token(tx: Tx, which: str) -> people.Token:
    found = [token for token in people.all_tokens(tx) if which in (token.id, token.name)]
    if not found:
        raise NotFound(f"There is no API token {which}. See: jarvis token list")
    if len(found) > 1:
        raise Conflict(f"{len(found)} tokens are named {which}; name one by its id: {', '.join(t.id for t in found)}")
    return found[0]


def rotate_code(ctx: Context) -> Rotated:
    """A fresh unlock code; the one before it is no good any more."""
    code = lockdown.rotate(ctx)
    with ctx.db.write() as tx:
        _record(tx, kinds.CODE, "", None)
    where = str(ctx.settings.admin_unlock_code_path)
    return Rotated(kinds.CODE, code, where, None, "It is good once and for a short time.")


def rotate_webhook(ctx: Context, overlap_hours: int) -> Rotated:
    """A new webhook secret before the old one, which counts until `finish_webhook`, or not at all."""
    ctx.require_admin()
    old = ctx.settings.github_webhook_secret.split(",")[0].strip()
    new = secrets.token_hex(32)
    has_overlap = bool(old and overlap_hours)
    path = _file_of(ctx, "GITHUB_WEBHOOK_SECRET")
    with ctx.db.write() as tx:
        until = tx.now + overlap_hours * HOUR if has_overlap else None
        _record(tx, kinds.WEBHOOK, str(path), until)
        envedit.write_value(path, "GITHUB_WEBHOOK_SECRET", f"{new},{old}" if has_overlap else new)
    ending = (
        f"Both count until you run, before {rfc3339(until)}: jarvis secrets rotate github-webhook --finish"
        if until
        else ("The old one no longer counts." if old else "There was none before.")
    )
    says = f"Written to {path}. Restart (jarvis restart), then put it into the webhook's settings at GitHub. {ending}"
    return Rotated(kinds.WEBHOOK, new, str(path), until, says)


def finish_webhook(ctx: Context) -> Rotated:
    """Let go of the old webhook secret."""
    ctx.require_admin()
    parts = [part.strip() for part in ctx.settings.github_webhook_secret.split(",") if part.strip()]
    if len(parts) < 2:
        raise Conflict("Only one webhook secret is set: nothing is being rotated.")
    path = _file_of(ctx, "GITHUB_WEBHOOK_SECRET")
    with ctx.db.write() as tx:
        store.finish(tx, kinds.WEBHOOK)
        about = {"name": kinds.WEBHOOK, "where": str(path), "is_finished": True}
        tx.record("secret.rotated", f"secret/{kinds.WEBHOOK}", about)
        envedit.write_value(path, "GITHUB_WEBHOOK_SECRET", parts[0])
    says = f"The old one is out of {path} and stops counting with the next start: jarvis restart"
    return Rotated(kinds.WEBHOOK, "", str(path), None, says)


def replace(ctx: Context, kind: Kind, value: str) -> Rotated:
    """Put a new value that was made elsewhere into the settings file that holds the old one."""
    ctx.require_admin()
    if not value.strip():
        raise Conflict("No value was given.")
    if value.strip() == str(getattr(ctx.settings, kind.setting.lower())):
        raise Conflict(f"That is the value {kind.setting} has already.")
    path = _file_of(ctx, kind.setting)
    with ctx.db.write() as tx:
        _record(tx, kind.name, str(path), None)
        envedit.write_value(path, kind.setting, value.strip())
    says = f"{kind.setting} is changed in {path} and holds from the next start: jarvis restart"
    if kind.name in kinds.GOOGLE:
        ctx.settings.jarvis_home.joinpath(*TOKEN_CACHE).unlink(missing_ok=True)
        says += ". The cached access token is gone"
    return Rotated(kind.name, "", str(path), None, f"{says}. Now revoke the old one.")


def elsewhere(kind: Kind) -> Unavailable:
    """What to say of a secret that only somebody else can make."""
    how = f"jarvis secrets rotate {kind.name} --value-stdin"
    return Unavailable(f"A new {kind.setting} is made {kind.how}. Then hand it over: {how}")


def _file_of(ctx: Context, name: str) -> Path:
    """The settings file that a setting stands in, or the home's when it is not set; raises Conflict."""
    source = ctx.settings.sources.get(name, "default")
    if source == "environment":
        raise Conflict(
            f"{name} comes from the environment, which is made elsewhere (a unit's EnvironmentFile or credentials, a"
            f" container's settings). Change it there, or take it out there and set it in the home's .env."
        )
    return ctx.settings.jarvis_home / ".env" if source == "default" else Path(source)


def _record(tx: Tx, name: str, where: str, old_until: int | None) -> None:
    store.insert_rotation(tx, name, where, old_until)
    about = {"name": name, "where": where, "old_until": rfc3339(old_until) if old_until else None}
    tx.record("secret.rotated", f"secret/{name}", about)
