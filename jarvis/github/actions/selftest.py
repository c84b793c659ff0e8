"""Send a signed ping to our own webhook, as GitHub would: what comes back says whether signature and storage work."""

import http.client
import json

from jarvis.github.actions import deliveries
from jarvis.kernel.context import Context
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import Conflict, Unavailable
from jarvis.lockdown import actions as lockdown

WEBHOOK = "/api/v1/webhooks/github"
SECONDS = 5.0
LARGEST_ANSWER = 64 * 1024
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 — what to call, not to listen on


def ping(ctx: Context, port: int) -> str:
    """Deliver a ping to the server on this host's port; its delivery id. Raises Conflict or Unavailable."""
    ctx.require_admin()
    lockdown.require_open(ctx, "a ping of the webhook")
    secrets = deliveries.secrets(ctx)
    if not secrets:
        raise Conflict("GITHUB_WEBHOOK_SECRET is not set; docs/github.md says how to make one.")
    guid = ctx.ids.new("whk")
    body = json.dumps({"zen": "A ping of Jarvis to itself.", "hook_id": 0, "sender": None}).encode()
    headers = {
        "Host": _host(ctx, port),
        "Content-Type": "application/json",
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": guid,
        "X-Hub-Signature-256": deliveries.sign(secrets[0], body),
    }
    status, said = _post(_address(ctx), port, body, headers)
    if status != 202:
        raise Conflict(f"The ping was answered with {status}: {said}")
    return guid


def _address(ctx: Context) -> str:
    host = ctx.settings.bind_host
    return ANY_ADDRESS.get(host, host)


def _host(ctx: Context, port: int) -> str:
    """A name the server answers to."""
    named = [name for name in ctx.settings.allowed_hosts if name != "*"]
    address = _address(ctx)
    return named[0] if named else f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _post(address: str, port: int, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    forbid_inside_write("a ping to our own webhook")
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    try:
        connection.request("POST", WEBHOOK, body, headers)
        answer = connection.getresponse()
        told = answer.read(LARGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"The ping did not arrive on port {port}: {type(error).__name__}.") from None
    finally:
        connection.close()
    try:
        said = json.loads(told)
    except ValueError:
        return answer.status, "no JSON"
    return answer.status, str(said.get("detail", "")) if isinstance(said, dict) else ""
