"""Take what GitHub delivers: prove it is GitHub, store it with the work it causes, once."""

import hashlib
import hmac
import json
import logging
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from jarvis.github import handlers, payload
from jarvis.github.actions import failures
from jarvis.github.handlers import Handler, Ignored
from jarvis.github.store import deliveries as store
from jarvis.github.store.deliveries import Delivery
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import JarvisError, Malformed, Unauthenticated
from jarvis.queue import store as tasks
from jarvis.system import store as system

log = logging.getLogger(__name__)

SIGNATURE = re.compile(r"sha256=([0-9a-fA-F]{64})")
GUID = re.compile(r"[\x21-\x7e]{1,100}")
LONGEST_KEPT = 48 * 1024
"""Characters of a payload that are kept for people to look at."""
LONGEST_OVERLAP = 4096
"""A secret across the cut is still seen whole."""
LONGEST_REASON = 500
KEEP_DAYS = 30
PRUNED_AT_ONCE = 4
HANDLED_AT_ONCE = 20
NOT_ASKED = "ping"
"""Answered even for a repository that is not on the list: it only says that the webhook was set up."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a delivery."""

    delivery: Delivery
    is_duplicate: bool = False

    def answer(self) -> dict[str, Any]:
        """What GitHub is told."""
        if self.is_duplicate:
            return {"accepted": True, "duplicate": True}
        told: dict[str, Any] = {"accepted": True, "event": self.delivery.event, "action": self.delivery.action}
        if self.delivery.task_id is not None:
            told["task_id"] = self.delivery.task_id
        elif self.delivery.state == "waiting":
            told["waiting"] = self.delivery.reason
        elif self.delivery.reason:
            told["ignored"] = self.delivery.reason
        return told


def secrets(ctx: Context) -> list[str]:
    """The webhook's secrets: two while rotating."""
    return [one for part in ctx.settings.github_webhook_secret.split(",") if (one := part.strip())]


def sign(secret: str, body: bytes) -> str:
    """The signature header of a body, as GitHub makes it."""
    return "sha256=" + hmac.new(secret.encode("utf-8", "surrogatepass"), body, hashlib.sha256).hexdigest()


def check_signature(ctx: Context, header: str, body: bytes) -> None:
    """Raise Unauthenticated unless one of the secrets signed these very bytes. Every secret is tried, in equal time."""
    known = secrets(ctx)
    if not known:
        raise Unauthenticated("GITHUB_WEBHOOK_SECRET is not set, so no delivery can be told from a forged one.")
    found = SIGNATURE.fullmatch(header)
    if found is None:
        raise Unauthenticated("X-Hub-Signature-256 is missing or is no signature.")
    given = "sha256=" + found[1].lower()
    fits = [hmac.compare_digest(sign(secret, body), given) for secret in known]
    if not any(fits):
        raise Unauthenticated("X-Hub-Signature-256 does not fit the body: the secrets here and at GitHub differ.")


def parse(guid: str, body: bytes, value: Any) -> dict[str, Any]:
    """Raise Malformed unless there is a delivery id and an object."""
    if not GUID.fullmatch(guid):
        raise Malformed("X-GitHub-Delivery is missing or is no delivery id.")
    if not isinstance(value, dict):
        raise Malformed("The payload is JSON, but no object.")
    return value


def receive(ctx: Context, guid: str, event: str, value: Mapping[str, Any], body: bytes) -> Taken:
    """Store a delivery whose signature is good, with the work it causes, in one transaction."""
    with ctx.db.read() as tx:
        known = store.find(tx, guid)
        if known is not None and not _has_failed(tx, known):
            return Taken(known, is_duplicate=True)
    shown = _shown(ctx, body) if known is None else known.payload
    with ctx.db.write() as tx:
        known = store.find(tx, guid)
        if known is not None and not _has_failed(tx, known):
            return Taken(known, is_duplicate=True)
        if known is None:
            _prune(tx)
            delivery = _insert(tx, ctx, guid, event, value, shown, len(body))
        else:
            store.again(tx, known)
            delivery = known
        _dispose(tx, ctx, delivery, value, body)
        return Taken(_tell(tx, delivery))


def take_up(ctx: Context) -> bool:
    """Handle what was delivered during a lockdown, once that is over; whether there was any."""
    with ctx.db.read() as tx:
        if system.state(tx).lockdown or not store.waiting(tx, 1):
            return False
    with ctx.db.write() as tx:
        if system.state(tx).lockdown:
            return False
        for delivery, held in store.waiting(tx, HANDLED_AT_ONCE):
            body = zlib.decompress(held)
            _dispose(tx, ctx.joined(delivery.trace_id, ""), delivery, json.loads(body), body)
            _tell(tx, delivery)
    return True


def _has_failed(tx: Tx, delivery: Delivery) -> bool:
    """Whether GitHub may deliver it once more to have it handled again."""
    if delivery.state == "failed":
        return True
    task = tasks.find(tx, delivery.task_id) if delivery.task_id else None
    return task is not None and task.state in ("failed", "cancelled")


def _insert(tx: Tx, ctx: Context, guid: str, event: str, value: Mapping[str, Any], shown: str, size: int) -> Delivery:
    return store.insert(
        tx,
        ctx.ids.new("whk"),
        guid,
        event=payload.name(event),
        action=payload.name(value.get("action")),
        repo=payload.repo(value),
        sender=payload.login(value, "sender"),
        payload=shown,
        size=size,
    )


def _shown(ctx: Context, body: bytes) -> str:
    """The payload for people: without secrets, and not all of a long one."""
    text = body[: 4 * (LONGEST_KEPT + LONGEST_OVERLAP)].decode("utf-8", "replace")
    return ctx.db.redact(text[: LONGEST_KEPT + LONGEST_OVERLAP])[:LONGEST_KEPT]


def _prune(tx: Tx) -> None:
    store.delete_before(tx, tx.now - KEEP_DAYS * 86_400 * SECOND, PRUNED_AT_ONCE)


def _dispose(tx: Tx, ctx: Context, delivery: Delivery, value: Mapping[str, Any], body: bytes) -> None:
    """Decide what becomes of a delivery, and write that down."""
    reason = _unwanted(ctx, delivery, value)
    handler = handlers.find(delivery.event, delivery.action)
    if reason or handler is None:
        store.settle(tx, delivery, "ignored", reason or _unhandled(delivery), None)
    elif delivery.event != NOT_ASKED and system.state(tx).lockdown:
        reason = "Jarvis is locked down; it is handled once somebody unlocks."
        store.settle(tx, delivery, "waiting", reason, None, zlib.compress(body, 1))
    else:
        _handle(tx, ctx, delivery, value, handler)


def _unwanted(ctx: Context, delivery: Delivery, value: Mapping[str, Any]) -> str:
    """Why a delivery is none of our business, or ""."""
    listed = ctx.settings.github_repo_allowlist
    if not listed or delivery.event == NOT_ASKED:
        return ""
    if not delivery.repo:
        return "It names no repository, and GITHUB_REPO_ALLOWLIST is set."
    if any(fnmatchcase(delivery.repo.lower(), pattern.lower()) for pattern in listed):
        return ""
    return f"{delivery.repo} is not on GITHUB_REPO_ALLOWLIST."


def _unhandled(delivery: Delivery) -> str:
    if not delivery.event:
        return "X-GitHub-Event is missing or names no event."
    if handlers.is_known(delivery.event):
        return f"Nothing is done about {delivery.event} with the action {delivery.action or 'none'}."
    return f"Nothing is done about {delivery.event}."


def _handle(tx: Tx, ctx: Context, delivery: Delivery, value: Mapping[str, Any], handler: Handler) -> None:
    acting = ctx.acting(actor=f"github:{delivery.sender or 'unknown'}", user_id=None, username="", role="")
    try:
        with ctx.db.write() as inner:  # a savepoint: what a handler left half done goes, the delivery stays
            outcome = handler(inner, acting, delivery, value)
    except Exception as error:
        if isinstance(error, JarvisError) and error.status >= 500:
            raise  # the database's own trouble: GitHub is told to come again
        log.exception("delivery %s (%s) could not be handled", delivery.id, delivery.name)
        words = ctx.db.redact(f"{type(error).__name__}: {error}")[:LONGEST_REASON]
        failures.note(ctx, f"handle {delivery.name}", words, {"delivery": delivery.id}, kind=type(error).__name__)
        store.settle(tx, delivery, "failed", f"Handling it failed ({words}). Redeliver it once that is mended.", None)
        return
    if isinstance(outcome, Ignored):
        store.settle(tx, delivery, "ignored", outcome.reason[:LONGEST_REASON], None)
    else:
        store.settle(tx, delivery, "accepted", "", outcome or None)


def _tell(tx: Tx, delivery: Delivery) -> Delivery:
    settled = store.get(tx, delivery.id)
    names = ("delivery_id", "event", "action", "repo", "sender", "reason", "task_id")
    about = {name: getattr(settled, name) for name in names} | {"outcome": settled.state, "name": settled.name}
    tx.record("github.delivery", f"delivery/{settled.id}", about)
    return settled
