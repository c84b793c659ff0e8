"""A GitHub on this host, settings that point at it, and deliveries as GitHub signs them."""

import dataclasses
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jarvis import app as composition
from jarvis.kernel.context import Context
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from tests.client import Answer, Client
from tests.conftest import make_client
from tests.github.fake import TOKEN, FakeGitHub, Repo, running

SECRET = "hush a webhook's secret"
REPO = "octo/harbor"
HOOK = "/api/v1/webhooks/github"


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with running() as found:
        yield found


@pytest.fixture
def repo(fake: FakeGitHub) -> Repo:
    return fake.repo(REPO)


@pytest.fixture
def settings(settings: Any, fake: FakeGitHub, repo: Repo) -> Any:
    """Everything about GitHub on, at the fake."""
    return dataclasses.replace(
        settings,
        github_token=TOKEN,
        github_webhook_secret=SECRET,
        github_api_base_url=fake.url,
        github_issue_sync_enabled=True,
        github_issue_sync_repo=REPO,
        github_pr_summary_enabled=True,
        github_bot_login=fake.login,
    )


def changed(ctx: Context, **changes: Any) -> Context:
    """The same context with other settings."""
    return dataclasses.replace(ctx, settings=dataclasses.replace(ctx.settings, **changes))


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


Deliver = Callable[..., Answer]


@pytest.fixture
def deliver(client: Client) -> Deliver:
    return delivering(client)


def delivering(client: Client) -> Deliver:
    """Posts a delivery: deliver("issues", payload); headers given as None are left out."""

    def deliver(event: str, payload: Any, *, guid: str | None = None, secret: str = SECRET, **headers: Any) -> Answer:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        sent = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": guid or str(uuid.uuid4()),
            "X-Hub-Signature-256": signature(body, secret),
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/044aadd",
            "Origin": None,
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(HOOK, body=body, headers=sent)

    return deliver


def client_of(ctx: Context) -> Client:
    """A client of an application built on a context."""
    return make_client(composition.build_application(ctx), ctx)


def work(ctx: Context, most: int = 1000) -> list[tasks.Task]:
    """Run what is queued now, in order, as a server's workers would; the tasks as they are afterwards."""
    done = []
    for _ in range(most):
        with ctx.db.read() as tx:
            waiting = tasks.newest(tx, "queued", "", 200)
            due = [
                task for task in reversed(waiting) if task.run_at <= tx.now and task.name.startswith("jarvis.tasks.g")
            ]
        if not due:
            return done
        done.append(queue.run_here(ctx, due[0]))
    raise AssertionError("it never ends")
