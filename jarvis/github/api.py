"""The webhook, and deliveries as JSON for admins."""

from typing import Any
from urllib.parse import parse_qs

from jarvis.github.actions import deliveries
from jarvis.github.store import deliveries as store
from jarvis.github.store.deliveries import Delivery
from jarvis.kernel.errors import Malformed, Unauthenticated
from jarvis.kernel.schema import Field, Fields
from jarvis.kernel.throttle import Throttle
from jarvis.web.bodies import FORM, parse_json
from jarvis.web.parts import Parts
from jarvis.web.replies import as_json, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

WEBHOOK = "/api/v1/webhooks/github"
DELIVERIES = "/api/v1/github/deliveries"
MOST_BYTES = 25 * 1024 * 1024
"""GitHub sends no more (docs.github.com, "Webhook events and payloads", payload cap)."""

_TEXT = Field(kind="string", is_required=True)
DELIVERY: Fields = {
    "id": _TEXT,
    "delivery_id": Field(kind="string", is_required=True, help="GitHub's X-GitHub-Delivery."),
    "event": _TEXT,
    "action": _TEXT,
    "repo": _TEXT,
    "sender": _TEXT,
    "state": Field(kind="string", is_required=True, choices=store.STATES),
    "reason": Field(kind="string", is_required=True, help="Why it was ignored, waits or failed."),
    "task_id": Field(kind="string", is_required=True, is_nullable=True, help="What it caused."),
    "payload_bytes": Field(kind="integer", is_required=True),
    "attempts": Field(kind="integer", is_required=True),
    "trace_id": _TEXT,
    "received_at": _TEXT,
}
QUERY = {**LIST_QUERY, "state": Field(kind="string", choices=("", *store.STATES))}


def routes(parts: Parts) -> Routes:
    """The routes of this feature's API."""
    table = Routes("github", schemas={"Delivery": DELIVERY})
    bad = Throttle(parts.settings.rate_limit_webhooks_per_minute)
    answers = {
        200: "The delivery was seen before; nothing is done.",
        202: "Stored, with what it causes or why it is ignored.",
        400: "No X-GitHub-Delivery, or bad JSON.",
        401: "The signature is missing or wrong.",
        429: "Too many bad signatures.",
    }

    @table.post(
        WEBHOOK, Access.SIGNED, "Take a delivery of GitHub.", takes_raw=True, most_bytes=MOST_BYTES, answers=answers
    )
    def receive(request: Request) -> Reply:
        ctx = request.ctx
        try:
            deliveries.check_signature(ctx, request.header("X-Hub-Signature-256"), request.raw)
        except Unauthenticated:  # only bad ones are counted: whoever shares GitHub's address cannot shut it out
            bad.check(ctx.clock(), ctx.client)
            bad.count(ctx.clock(), ctx.client)
            raise
        guid = request.header("X-GitHub-Delivery")
        value = deliveries.parse(guid, request.raw, _parsed(request))
        taken = deliveries.receive(ctx, guid, request.header("X-GitHub-Event"), value, request.raw)
        return as_json(taken.answer(), 200 if taken.is_duplicate else 202)

    @table.get(DELIVERIES, Access.ADMIN, "Deliveries, newest first.", query=QUERY, answers={200: "Delivery[]"})
    def index(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, request.query.get("state", ""), limit + 1, before)
        return page_of(found, Delivery.as_json, limit, lambda delivery: delivery.seq)

    @table.get(f"{DELIVERIES}/{{id}}", Access.ADMIN, "One delivery with its payload, redacted.")
    def show(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            delivery = store.get(tx, request.path["id"])
        return as_json(delivery.as_json() | {"payload": delivery.payload})

    return table


def _parsed(request: Request) -> Any:
    """The payload as GitHub's two content types carry it."""
    kind = request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind != FORM:
        return parse_json(request.raw)
    try:
        fields = parse_qs(request.raw.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=10)
    except ValueError:
        raise Malformed("The form cannot be read. Choose application/json as the webhook's content type.") from None
    return parse_json(fields.get("payload", [""])[0].encode())
