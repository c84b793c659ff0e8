"""GitHub's REST API, asked politely: bounded, patient with its limits, and never with the token in sight.

Sources: docs.github.com/en/rest, "Best practices", "Rate limits", "Using pagination" and "Troubleshooting".
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from jarvis import __version__
from jarvis.github.actions import rates
from jarvis.kernel import config
from jarvis.kernel.clock import SECOND, from_datetime
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, TryAgain
from jarvis.kernel.outbound import Answer, OutboundFault

Json = Any

API_VERSION = "2022-11-28"
SECONDS = 20.0
WHOLE_SECONDS = 60.0
PER_PAGE = 100
MOST_REDIRECTS = 3
FAULT_SECONDS, ODD_SECONDS, SECONDARY_SECONDS = 5, 60, 60
LONGEST_SAID = 300
NEXT = re.compile(r"<([^<>]{1,2000})>\s*;[^,]{0,200}?\brel=\"?next\"?")
CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
LOOPBACK = ("localhost", "::1")


class GitHubRetry(TryAgain):
    """It may work later; `seconds` says when to try again. A task that raises it is tried again then.

    `is_undone` says that what was asked for was certainly not done: it was not sent, or turned away at a limit.
    """

    def __init__(self, seconds: int, why: str, *, is_undone: bool = False) -> None:
        super().__init__(f"GitHub: {why}", retry_after_seconds=max(1, seconds))
        self.is_undone = is_undone
        self.seconds = max(1, seconds)
        self.why = why


class GitHubRefused(Conflict):
    """It will not work like this; `why` says what to do. `answer` is GitHub's own status, 0 when it was not asked."""

    def __init__(self, answer: int, why: str) -> None:
        super().__init__(f"GitHub: {why}")
        self.answer = answer
        self.why = why


@dataclass(frozen=True, slots=True)
class Told:
    """A good answer: status, headers in lower case, and what was in it."""

    status: int
    headers: Mapping[str, str]
    value: Json


def segment(text: str) -> str:
    """A value as one piece of a path."""
    return quote(text, safe="")


class Client:
    """Asks in the name of GITHUB_TOKEN at GITHUB_API_BASE_URL (GitHub Enterprise: https://HOST/api/v3)."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._base = ctx.settings.github_api_base_url.rstrip("/")
        self._origin = _origin(self._base)

    def get(self, path: str, **query: Any) -> Json:
        """What stands there. Raises GitHubRetry or GitHubRefused."""
        return self.ask("GET", path, query=query).value

    def pages(self, path: str, *, cap: int = 1000, **query: Any) -> Iterator[Json]:
        """Every entry of a list over all its pages, in order, `cap` entries at most."""
        url = self._url(path, {"per_page": min(PER_PAGE, cap), **query})
        left = cap
        while url and left > 0:
            told = self._ask("GET", url, None)
            if not isinstance(told.value, list):
                raise GitHubRetry(ODD_SECONDS, f"{_shown(url)} answered with something else than a list")
            yield from told.value[:left]
            left -= len(told.value)
            url = self._next(url, told.headers.get("link", ""))

    def post(self, path: str, body: Json = None) -> Json:
        return self.ask("POST", path, body=body).value

    def patch(self, path: str, body: Json) -> Json:
        return self.ask("PATCH", path, body=body).value

    def delete(self, path: str, body: Json = None) -> Json:
        return self.ask("DELETE", path, body=body).value

    def ask(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Json = None) -> Told:
        """One request with everything that was answered. Raises GitHubRetry or GitHubRefused."""
        return self._ask(method, self._url(path, query or {}), body)

    def _url(self, path: str, query: Mapping[str, Any]) -> str:
        if not path.startswith("/"):
            raise ValueError(f"{path!r} does not begin with a slash")
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        return self._base + quote(path, safe="/%:@!$&'()*+,;=~-._") + (f"?{asked}" if asked else "")

    def _ask(self, method: str, url: str, body: Json) -> Told:
        self._check()
        for _ in range(MOST_REDIRECTS):
            answer = self._send(method, url, body)
            if answer.status not in (301, 302, 307, 308):
                return self._judged(method, url, answer)
            url = self._moved(url, answer)
        raise GitHubRefused(answer.status, f"{_shown(url)} leads on and on; check GITHUB_API_BASE_URL")

    def _check(self) -> None:
        """Raise before a request that must not be sent, or that GitHub asked us not to send yet."""
        settings = self._ctx.settings
        if not settings.github_token:
            raise GitHubRefused(0, "GITHUB_TOKEN is not set; docs/github.md says how to make one")
        if not config.may_send(settings, "GITHUB_TOKEN", "GITHUB_API_BASE_URL"):
            raise GitHubRefused(
                0, "GITHUB_TOKEN is not sent to GITHUB_API_BASE_URL: that comes from a less trusted place"
            )
        scheme, host, _ = self._origin
        if scheme != "https" and not (host in LOOPBACK or host.startswith("127.")):
            raise GitHubRefused(
                0, "GITHUB_TOKEN is not sent in the clear: GITHUB_API_BASE_URL must begin with https://"
            )
        seconds = rates.seconds_closed(self._ctx)
        if seconds:
            raise GitHubRetry(seconds, f"its limit is reached; asked again in {seconds} s", is_undone=True)

    def _send(self, method: str, url: str, body: Json) -> Answer:
        outbound = self._ctx.registry.outbound
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": API_VERSION,
            "User-Agent": f"jarvis/{__version__}",
            "Authorization": f"Bearer {self._ctx.settings.github_token}",
        }
        kept = outbound.kept.find(url) if method == "GET" else None
        if kept is not None:
            headers["If-None-Match"] = kept.headers["etag"]
        data = None
        if body is not None:
            data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            headers["Content-Type"] = "application/json"
        try:
            answer = outbound.send(
                method, url, headers=headers, body=data, seconds=SECONDS, whole_seconds=WHOLE_SECONDS
            )
        except OutboundFault as fault:
            raise GitHubRetry(FAULT_SECONDS, f"{method} {_shown(url)}: {fault}") from None
        if answer.status == 304 and kept is not None:
            rates.remember(self._ctx, answer.headers)
            return kept
        if method == "GET" and answer.status == 200:
            outbound.kept.keep(url, answer)
        return answer

    def _moved(self, url: str, answer: Answer) -> str:
        """Where a renamed repository is now; only ever on the same server, as the token goes along."""
        to = urljoin(url, answer.headers.get("location", ""))
        if to == url or _origin(to) != self._origin:
            raise GitHubRefused(answer.status, f"{_shown(url)} leads to another server; check GITHUB_API_BASE_URL")
        return to

    def _next(self, url: str, link: str) -> str:
        found = NEXT.search(link)
        if found is None:
            return ""
        to: str = urljoin(url, found[1])
        if _origin(to) != self._origin:
            raise GitHubRefused(200, f"the next page of {_shown(url)} is said to be on another server")
        return to

    def _judged(self, method: str, url: str, answer: Answer) -> Told:
        what = f"{method} {_shown(url)}"
        if 200 <= answer.status < 300:
            rates.remember(self._ctx, answer.headers)
            return Told(answer.status, answer.headers, _value(what, answer))
        said = self._ctx.db.redact(_said(answer.body))
        seconds = self._seconds_to_wait(answer, said)
        if answer.status in (403, 429) and seconds:
            rates.remember(self._ctx, answer.headers, seconds)
            raise GitHubRetry(seconds, f"{what}: its limit is reached ({said or answer.status})", is_undone=True)
        rates.remember(self._ctx, answer.headers)
        if answer.status >= 500 or answer.status in (408, 425):
            raise GitHubRetry(seconds or FAULT_SECONDS, f"{what}: it answered {answer.status}")
        raise GitHubRefused(answer.status, _advice(what, answer, said))

    def _seconds_to_wait(self, answer: Answer, said: str) -> int:
        """How long GitHub wants to be left alone; 0 when it does not say so."""
        after = answer.headers.get("retry-after", "")
        if after.isascii() and after.isdigit():
            return min(max(1, int(after[:9])), rates.LONGEST_BLOCK_SECONDS)
        if after:
            return self._until(after)
        if answer.status in (403, 429) and answer.headers.get("x-ratelimit-remaining") == "0":
            reset = answer.headers.get("x-ratelimit-reset", "")
            if not (reset.isascii() and reset.isdigit()):
                return SECONDARY_SECONDS
            left = int(reset[:12]) - self._ctx.clock() // SECOND + 1
            return min(max(1, left), rates.LONGEST_RESET_SECONDS)
        is_secondary = "secondary rate" in said.lower() or "abuse" in said.lower()
        return SECONDARY_SECONDS if answer.status == 429 or (answer.status == 403 and is_secondary) else 0

    def _until(self, date: str) -> int:
        try:
            left = (from_datetime(parsedate_to_datetime(date)) - self._ctx.clock()) // SECOND
        except (ValueError, TypeError, OverflowError):
            return SECONDARY_SECONDS
        return min(max(1, left), rates.LONGEST_BLOCK_SECONDS)


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0


def _shown(url: str) -> str:
    """An address in an error: its path, without the query."""
    return CONTROL.sub(" ", urlsplit(url).path)[:200]


def _value(what: str, answer: Answer) -> Json:
    if not answer.body:
        return None
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        kind = CONTROL.sub(" ", answer.headers.get("content-type", "no type"))[:60]
        raise GitHubRetry(
            ODD_SECONDS, f"{what}: the answer is no JSON ({kind}); is GITHUB_API_BASE_URL the API's address?"
        ) from None


def _said(body: bytes) -> str:
    """GitHub's own words in a refusal, on one line without tricks."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    words = [str(told.get("message") or "")]
    errors = told.get("errors")
    for one in errors[:3] if isinstance(errors, list) else ():
        if isinstance(one, dict):
            words.append(" ".join(str(one[key]) for key in ("resource", "field", "code", "message") if one.get(key)))
        else:
            words.append(str(one))
    line = " ".join(CONTROL.sub(" ", "; ".join(word for word in words if word)).split())
    return line.encode("utf-8", "replace").decode()[:LONGEST_SAID]


def _advice(what: str, answer: Answer, said: str) -> str:
    """Why GitHub said no, and what to do about it."""
    needed = CONTROL.sub(" ", answer.headers.get("x-accepted-github-permissions", ""))[:100]
    todo = {
        401: "the token is not accepted; make a new one and set GITHUB_TOKEN",
        403: f"the token may not do this{f' (it needs {needed})' if needed else ''}; give it the permission",
        404: "it is not there, or the token may not see it; check the name and the token's repositories",
        410: "it is gone, or switched off for this repository (Settings, General, Features, Issues)",
        422: "GitHub does not take it",
        451: "it is not available for legal reasons",
    }.get(answer.status, "it was refused")
    return f"{what}: {answer.status}, {todo}" + (f". It said: {said}" if said else "")
