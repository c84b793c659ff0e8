"""How every secret stands: set or not, where from, since when, last used when. Never its value."""

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Any

from jarvis.events import store as events
from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.lockdown import actions as lockdown
from jarvis.secrets import kinds, store
from jarvis.secrets.kinds import Kind
from jarvis.secrets.store import Rotation
from jarvis.users import store as people

SCRYPT_N = 1 << 10
"""These are keys drawn at random, so a few milliseconds each are enough; at a start there may be ten of them."""
HOUR = 3600 * SECOND
LOOKED_BACK = 200
MOST_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How one secret stands. Its value is not in it."""

    kind: Kind
    count: int
    """How many there are: 2 while one is rotated; of sessions and tokens those that are good."""
    source: str
    since: int | None
    last_used_at: int | None
    rotation: Rotation | None
    now: int

    @property
    def is_set(self) -> bool:
        return self.count > 0

    @property
    def is_overdue(self) -> bool:
        """Whether the old one should be gone by now and is not."""
        found = self.rotation
        return found is not None and found.is_open and (found.old_until or 0) <= self.now and self.count > 1

    @property
    def days(self) -> int | None:
        return None if self.since is None else max(0, self.now - self.since) // (24 * HOUR)

    @property
    def says(self) -> str:
        """What somebody should know or do, "" for nothing."""
        if self.kind.name == kinds.WEBHOOK and self.count > 1:
            ended = "the old one still counts"
            until = self.rotation.old_until if self.rotation and self.rotation.is_open else None
            return f"{ended}, meant until {rfc3339(until)}" if until else f"{ended}: rotate it with --finish"
        if self.kind.name == "setup-password" and self.is_set:
            return "needed at the first start only: take it out"
        return ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.kind.name,
            "setting": self.kind.setting or None,
            "set": self.is_set,
            "count": self.count,
            "source": self.source or None,
            "since": rfc3339(self.since) if self.since else None,
            "last_used_at": rfc3339(self.last_used_at) if self.last_used_at else None,
            "rotation": self.rotation.as_json() if self.rotation else None,
            "overdue": self.is_overdue,
        }


def note(ctx: Context) -> None:
    """Remember since when each secret setting has its value: whenever a server starts, and when somebody asks."""
    present = kinds.values(ctx.settings)
    for kind in kinds.KINDS:
        if not kind.setting:
            continue
        value = present.get(kind.setting, "")
        with ctx.db.read() as tx:
            kept = store.find_value(tx, kind.setting)
        if value and (kept is None or not hmac.compare_digest(kept.digest, _digest(value, kept.salt))):
            salt = os.urandom(16)
            digest = _digest(value, salt)
            with ctx.db.write() as tx:
                store.set_value(tx, kind.setting, salt, digest)
        elif not value and kept is not None:
            with ctx.db.write() as tx:
                store.delete_value(tx, kind.setting)


def _digest(value: str, salt: bytes) -> bytes:
    return hashlib.scrypt(value.encode("utf-8", "surrogatepass"), salt=salt, n=SCRYPT_N, r=8, p=1, dklen=32)


def standings(ctx: Context) -> list[Standing]:
    """Every secret: whether it is set, where from, since when, when it was used last."""
    ctx.require_admin()
    with ctx.db.read() as tx:
        return [_standing(ctx, tx, kind) for kind in kinds.KINDS]


def overdue(ctx: Context) -> list[Standing]:
    """Secrets of which the old one still counts, though it should be gone by now."""
    with ctx.db.read() as tx:
        found = [_standing(ctx, tx, kind) for kind in kinds.ROTATED_IN_STEPS]
    return [one for one in found if one.is_overdue]


def _standing(ctx: Context, tx: Tx, kind: Kind) -> Standing:
    match kind.name:
        case kinds.SESSIONS:
            found = people.sessions(tx, None, MOST_SESSIONS)
            since = min((session.created_at for session in found), default=None)
            used = max((session.last_seen_at or session.created_at for session in found), default=None)
            count, source = len(found), "database"
        case kinds.TOKEN:
            tokens = people.all_tokens(tx)
            since = min((token.created_at for token in tokens), default=None)
            used = max((token.last_used_at for token in tokens if token.last_used_at), default=None)
            count, source = len(tokens), "database"
        case kinds.CODE:
            code = lockdown.standing(ctx).code
            is_good = code is not None and code.is_good(tx.now)
            since = code.made_at if code is not None and is_good else None
            count, source, used = int(is_good), str(ctx.settings.admin_unlock_code_path), None
        case _:
            value = str(getattr(ctx.settings, kind.setting.lower()))
            count = len([part for part in value.split(",") if part.strip()])
            count = count if kind.name == kinds.WEBHOOK else int(bool(value))
            source = ctx.settings.sources.get(kind.setting, "default") if value else ""
            noted = store.find_value(tx, kind.setting) if value else None
            since, used = noted.first_seen_at if noted else None, _last_used(tx, kind)
    return Standing(kind, count, source, since, used, store.newest_rotation(tx, kind.name), tx.now)


def _last_used(tx: Tx, kind: Kind) -> int | None:
    found = []
    for type_, provider in kind.used:
        newest = events.newest(tx, events.Filter(types=(type_,)), LOOKED_BACK if provider else 1)
        found += [event.at for event in newest if not provider or event.payload().get("provider") == provider][:1]
    return max(found, default=None)
