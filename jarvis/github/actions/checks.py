"""What is missing in the set-up with GitHub, one finding for each thing, with what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jarvis.github import payload
from jarvis.github.actions import deliveries
from jarvis.github.client import Client, GitHubRefused, GitHubRetry, Told
from jarvis.github.store import deliveries as store
from jarvis.github.store import rates
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context

SHORTEST_SECRET = 16
WANTED_EVENTS = ("issues", "issue_comment", "pull_request", "pull_request_review_comment")
TOO_MUCH = ("admin:org", "admin:enterprise", "admin:repo_hook", "delete_repo", "user", "workflow", "write:packages")
WEBHOOK = "/api/v1/webhooks/github"
OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `severity` is ok, warning or error; `fix` is empty when it is ok."""

    id: str
    severity: str
    message: str
    fix: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "severity": self.severity, "message": self.message, "fix": self.fix}


def check(ctx: Context) -> list[Finding]:
    """Look at everything. GitHub is asked a few questions; nothing is changed there."""
    found = list(_settings(ctx))
    if ctx.settings.github_token:
        found += _of_github(ctx)
    return [*found, *_of_deliveries(ctx)]


def _settings(ctx: Context) -> Iterator[Finding]:
    settings = ctx.settings
    token = settings.github_token
    if not token:
        yield Finding(
            "token", ERROR, "GITHUB_TOKEN is not set.", "Make a fine-grained token and set it: docs/github.md."
        )
    elif token.startswith("ghp_"):
        fix = "Make a fine-grained one for the repository alone: docs/github.md."
        yield Finding("token", WARNING, "GITHUB_TOKEN is a classic token, which may do more than is needed.", fix)
    else:
        yield Finding("token", OK, "GITHUB_TOKEN is set.")
    secrets = deliveries.secrets(ctx)
    if not secrets:
        fix = "Set it to the output of: openssl rand -hex 32"
        yield Finding("secret", ERROR, "GITHUB_WEBHOOK_SECRET is not set; every delivery is refused.", fix)
    elif min(map(len, secrets)) < SHORTEST_SECRET:
        fix = "Set it to the output of: openssl rand -hex 32"
        yield Finding("secret", WARNING, f"A webhook secret is shorter than {SHORTEST_SECRET} characters.", fix)
    else:
        word = (
            "is set"
            if len(secrets) == 1
            else f"has {len(secrets)} secrets; take the old one out once GitHub uses the new"
        )
        yield Finding("secret", OK, f"GITHUB_WEBHOOK_SECRET {word}.")
    yield from _features(ctx)


def _features(ctx: Context) -> Iterator[Finding]:
    settings = ctx.settings
    repo = settings.github_issue_sync_repo
    if settings.github_issue_sync_enabled and not payload.REPO.fullmatch(repo):
        said = f"GITHUB_ISSUE_SYNC_REPO is {repo!r}, which is not owner/repo." if repo else "It names no repository."
        yield Finding("issue-sync", ERROR, f"Issue sync is on, but {said}", "Set GITHUB_ISSUE_SYNC_REPO=owner/repo.")
    elif settings.github_issue_sync_enabled:
        yield Finding("issue-sync", OK, f"Bugs go to {repo} as issues.")
    else:
        yield Finding("issue-sync", OK, "Issue sync is off (GITHUB_ISSUE_SYNC_ENABLED=0).")
    is_on = settings.github_pr_summary_enabled
    said = (
        "Pull requests are summarised." if is_on else "Pull requests are not summarised (GITHUB_PR_SUMMARY_ENABLED=0)."
    )
    yield Finding("pr-summary", OK, said)


def _of_github(ctx: Context) -> Iterator[Finding]:
    client = Client(ctx)
    try:
        told = client.ask("GET", "/user")
    except GitHubRefused as error:
        if error.answer != 403:
            yield Finding("api", ERROR, str(error), "Set GITHUB_TOKEN and GITHUB_API_BASE_URL as docs/github.md says.")
            return
        told = Told(403, {}, {})  # an app's installation token is nobody, and may still do the work
    except GitHubRetry as error:
        yield Finding("api", ERROR, str(error), "Try again later; check that this host reaches GITHUB_API_BASE_URL.")
        return
    yield from _identity(ctx, told)
    for repo in _repositories(ctx):
        yield from _repository(ctx, client, repo)


def _identity(ctx: Context, told: Told) -> Iterator[Finding]:
    login = payload.login({"user": told.value}, "user")
    yield Finding("api", OK, f"GitHub answers; the token is {f'of {login}' if login else 'no person’s'}.")
    mine = ctx.settings.github_bot_login
    if login and login.lower() != mine.lower() and ctx.settings.github_pr_summary_enabled:
        fix = f"Set GITHUB_BOT_LOGIN={login}, or use a token of {mine}."
        yield Finding("bot-login", WARNING, f"GITHUB_BOT_LOGIN is {mine}, but the token writes as {login}.", fix)
    scopes = told.headers.get("x-oauth-scopes")
    if scopes is not None:
        held = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        extra = [scope for scope in held if scope in TOO_MUCH]
        if not {"repo", "public_repo"} & set(held):
            yield Finding(
                "scope", ERROR, f"The token's scopes are {scopes or 'none'}.", "It needs repo, or public_repo."
            )
        elif extra:
            fix = "Make a fine-grained token for the repository alone: docs/github.md."
            yield Finding("scope", WARNING, f"The token may do more than is needed: {', '.join(extra)}.", fix)
        else:
            yield Finding("scope", OK, f"The token's scopes are {scopes}.")


def _repositories(ctx: Context) -> list[str]:
    """Those that are named without a glob."""
    settings = ctx.settings
    named = [settings.github_issue_sync_repo] if settings.github_issue_sync_enabled else []
    if settings.github_pr_summary_enabled:
        named += settings.github_repo_allowlist
    return [name for name in dict.fromkeys(named) if payload.REPO.fullmatch(name)][:10]


def _repository(ctx: Context, client: Client, repo: str) -> Iterator[Finding]:
    fix = f"Give the token access to {repo}: Repository access, Only select repositories."
    try:
        about = client.get(f"/repos/{repo}")
    except (GitHubRefused, GitHubRetry) as error:
        yield Finding(f"{repo}/metadata", ERROR, str(error), fix)
        return
    yield Finding(f"{repo}/metadata", OK, f"The token sees {repo}.")
    if ctx.settings.github_issue_sync_enabled and repo == ctx.settings.github_issue_sync_repo:
        if payload.inside(about, "has_issues") is False:
            fix = f"In {repo}: Settings, General, Features, tick Issues."
            yield Finding(f"{repo}/issues", ERROR, f"Issues are switched off in {repo}.", fix)
        else:
            yield _issues_write(client, repo)
    if ctx.settings.github_pr_summary_enabled:
        yield _may_read(client, repo, "pulls", "Pull requests: Read and write")
    yield _hook(client, repo)


def _issues_write(client: Client, repo: str) -> Finding:
    """Ask for an issue without a title: who may make one is told that it lacks, who may not is turned away."""
    name, fix = f"{repo}/issues", "In the token's Repository permissions set Issues: Read and write."
    try:
        client.post(f"/repos/{repo}/issues", {})
    except GitHubRefused as error:
        if error.answer == 422:
            return Finding(name, OK, f"The token may write issues in {repo}.")
        return Finding(name, ERROR, f"The token may not write issues in {repo}: {error.why}", fix)
    except GitHubRetry as error:
        return Finding(name, WARNING, str(error), "Try again later.")
    return Finding(name, WARNING, "GitHub took an issue without a title, which it should not.", "Look at the issue.")


def _may_read(client: Client, repo: str, what: str, permission: str) -> Finding:
    try:
        client.get(f"/repos/{repo}/{what}", per_page=1)
    except GitHubRefused as error:
        fix = f"In the token's Repository permissions set {permission}."
        return Finding(f"{repo}/{what}", ERROR, str(error), fix)
    except GitHubRetry as error:
        return Finding(f"{repo}/{what}", WARNING, str(error), "Try again later.")
    return Finding(f"{repo}/{what}", OK, f"The token reads the {what} of {repo}.")


def _hook(client: Client, repo: str) -> Finding:
    """How the webhook is set up, where the token may look; it need not be able to."""
    name = f"{repo}/webhook"
    try:
        hooks = list(client.pages(f"/repos/{repo}/hooks", cap=100))
    except (GitHubRefused, GitHubRetry):
        return Finding(name, OK, "The token may not look at webhooks, and need not; the last delivery below tells.")
    ours = [hook for hook in hooks if payload.text(hook, "config", "url").rstrip("/").endswith(WEBHOOK)]
    fix = f"In {repo}: Settings, Webhooks, Add webhook, as docs/github.md says."
    if not ours:
        return Finding(name, ERROR, f"{repo} has no webhook that ends in {WEBHOOK}.", fix)
    hook = ours[0]
    if payload.inside(hook, "active") is False:
        return Finding(name, ERROR, "The webhook is not active.", f"In {repo}: Settings, Webhooks, tick Active.")
    events = payload.inside(hook, "events")
    known = [str(one) for one in events] if isinstance(events, list) else []
    lacking = [] if "*" in known else [event for event in WANTED_EVENTS if event not in known]
    if lacking:
        return Finding(name, WARNING, f"The webhook does not send {', '.join(lacking)}.", fix)
    answer = payload.number(hook, "last_response", "code")
    if answer >= 300:
        fix = "Look at Recent Deliveries of the webhook; GITHUB_WEBHOOK_SECRET must be the same on both sides."
        return Finding(name, ERROR, f"The last delivery was answered with {answer}.", fix)
    return Finding(name, OK, "The webhook is set up and sends what is needed.")


def _of_deliveries(ctx: Context) -> Iterator[Finding]:
    with ctx.db.read() as tx:
        newest = [one for one in store.newest(tx, "", 20) if not one.delivery_id.startswith("whk_")]
        failed = store.count(tx, "failed", 1000)
        budgets = rates.known(tx)
    if newest:
        yield Finding(
            "deliveries", OK, f"The last delivery came at {rfc3339(newest[0].received_at)}: {newest[0].name}."
        )
    else:
        fix = f"Let the webhook point at https://YOUR-HOST{WEBHOOK}; then press Redeliver at its ping."
        yield Finding("deliveries", WARNING, "GitHub has not delivered anything yet.", fix)
    if failed:
        yield Finding(
            "failed", WARNING, f"{failed} deliveries could not be handled.", "Look at /admin/github?state=failed."
        )
    for rate in budgets:
        if rate.most and rate.remaining * 10 < rate.most:
            said = (
                f"{rate.remaining} of {rate.most} requests are left until {rfc3339(rate.resets_at)} ({rate.resource})."
            )
            yield Finding("rate", WARNING, said, "Wait; Jarvis does, too.")
