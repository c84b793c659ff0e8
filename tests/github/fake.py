"""GitHub on this host, as its published REST description has it: what Jarvis uses of it, and its ways to fail.

Everything is kept in `repos`; every request is noted in `asked`. `fail` plants a fault for requests to come:

    fake.repo("octo/harbor").issue("Tide tables fail")
    fake.fail("POST", "/issues$", 502, times=2)
    fake.fail("POST", "/issues$", after=True)        # done, and the answer is lost
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

TOKEN = "github_pat_11FAKE0000000000000000_abcdefghijklmnopqrstuvwxyz"
Json = dict[str, Any]
EPOCH = 1_795_401_960
"""Second 0 of the fake's own clock: 2026-11-23 02:46 UTC, the tests' morning."""


@dataclass
class Repo:
    """One repository. `permissions` are logins → admin, write, read or none."""

    name: str
    server: "FakeGitHub"
    issues: list[Json] = field(default_factory=list)
    comments: dict[int, list[Json]] = field(default_factory=dict)
    pulls: dict[int, Json] = field(default_factory=dict)
    files: dict[int, list[Json]] = field(default_factory=dict)
    review_comments: dict[int, list[Json]] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    has_issues: bool = True
    labels: set[str] = field(default_factory=set)
    hooks: list[Json] = field(default_factory=list)

    def issue(self, title: str, body: str | None = "", *, by: str = "octocat", labels: tuple[str, ...] = ()) -> Json:
        """Open one, as somebody on the web would."""
        number = len(self.issues) + 1
        url = f"{self.server.url}/repos/{self.name}/issues/{number}"
        made = {
            "id": 9000 + number,
            "node_id": f"I_{number}",
            "number": number,
            "url": url,
            "html_url": f"https://github.test/{self.name}/issues/{number}",
            "title": title,
            "body": body,
            "state": "open",
            "state_reason": None,
            "labels": [{"name": label} for label in labels],
            "user": {"login": by, "type": "User"},
            "locked": False,
            "comments": 0,
            "created_at": self.server.stamp(),
            "updated_at": self.server.stamp(),
            "closed_at": None,
        }
        self.issues.append(made)
        return made

    def pull(self, title: str, body: str | None = "", *, by: str = "octocat", files: list[Json] | None = None, **more: Any) -> Json:  # fmt: skip # noqa: E501
        """Open a pull request with the files it changes, as `GET …/files` lists them."""
        issue = self.issue(title, body, by=by)
        number = issue["number"]
        issue["pull_request"] = {"url": f"{self.server.url}/repos/{self.name}/pulls/{number}"}
        changed = files or []
        self.files[number] = changed
        self.pulls[number] = {
            "number": number,
            "title": title,
            "body": body,
            "state": "open",
            "draft": False,
            "user": {"login": by, "type": "User"},
            "html_url": f"https://github.test/{self.name}/pull/{number}",
            "head": {"ref": "topic", "sha": f"{number:040x}", "repo": {"full_name": self.name}},
            "base": {"ref": "main", "sha": "b" * 40, "repo": {"full_name": self.name}},
            "additions": sum(one.get("additions", 0) for one in changed),
            "deletions": sum(one.get("deletions", 0) for one in changed),
            "changed_files": len(changed),
            "commits": 1,
            "labels": [],
            **more,
        }
        return self.pulls[number]

    def comment(self, number: int, body: str, *, by: str = "octocat") -> Json:
        """Write a comment on an issue or pull request."""
        made = self.server.new_comment(body, by)
        made["html_url"] = f"https://github.test/{self.name}/issues/{number}#issuecomment-{made['id']}"
        made["issue_url"] = f"{self.server.url}/repos/{self.name}/issues/{number}"
        self.comments.setdefault(number, []).append(made)
        return made

    def review_comment(self, number: int, body: str, *, by: str = "octocat", **more: Any) -> Json:
        """Write a comment on a line of a pull request."""
        made = self.server.new_comment(body, by) | {"path": "a.py", "line": 1, "diff_hunk": "@@ -1 +1 @@"} | more
        self.review_comments.setdefault(number, []).append(made)
        return made

    def webhook(self, action: str, number: int, *, by: str = "octocat", **more: Any) -> Json:
        """The payload of an `issues` delivery about one of them."""
        return {
            "action": action,
            "issue": self.issues[number - 1],
            "repository": {"id": 1, "full_name": self.name, "private": True},
            "sender": {"login": by, "type": "User"},
            **more,
        }


@dataclass
class Fault:
    """What becomes of some requests instead of, or after, what they ask for."""

    method: str
    path: re.Pattern[str]
    status: int
    body: Any
    headers: dict[str, str]
    after: bool
    times: int
    play: "Callable[[Handler], None] | None"


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class FakeGitHub(ThreadingHTTPServer):
    """The server, on a port of the system's choice."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, Repo] = {}
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.login = "jarvis-bot"
        self.scopes: str | None = None
        self.remaining = 5000
        self.resets_at = EPOCH + 3600
        self.base = ""
        """A path before every other, as GitHub Enterprise has "/api/v3"."""
        self.moved: dict[str, str] = {}
        self.lock = threading.RLock()
        self._ticks = 0
        self._comments = 5000

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self.base}"

    def repo(self, name: str) -> Repo:
        """A repository the token may work in; made when it is not there."""
        return self.repos.setdefault(name, Repo(name, self))

    def stamp(self) -> str:
        """The fake's time: a second later at each use, so that what follows is newer."""
        self._ticks += 1
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH + self._ticks))

    def new_comment(self, body: str, by: str) -> Json:
        self._comments += 1
        kind = "Bot" if by.endswith("[bot]") else "User"
        at = self.stamp()
        return {
            "id": self._comments,
            "body": body,
            "user": {"login": by, "type": kind},
            "author_association": "NONE",
            "created_at": at,
            "updated_at": at,
        }

    def fail(
        self, method: str, path: str, status: int = 0, body: Any = None, *, headers: dict[str, str] | None = None,
        after: bool = False, times: int = 1, play: "Callable[[Handler], None] | None" = None,
    ) -> None:  # fmt: skip
        """Let the next requests like this fail; status 0 cuts the connection. `after`: once they have been done."""
        self.faults.append(Fault(method, re.compile(path), status, body, headers or {}, after, times, play))

    def count(self, method: str, path: str) -> int:
        """How many requests there were whose path matches."""
        return sum(one.method == method and re.search(path, one.path) is not None for one in self.asked)

    def handle_error(self, *args: object) -> None:
        """A client that went away is what some tests are about."""


class Cut(Exception):
    """Close the connection without a word."""


class Said(Exception):
    """An answer other than the usual one."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


def refusal(status: int, message: str, **more: Any) -> Said:
    return Said(status, {"message": message, "documentation_url": "https://docs.github.test/rest", **more})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeGitHub

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        try:
            self._one()
        except (Cut, BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            self.connection.close()

    def _one(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = json.loads(raw) if raw else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        server = self.server
        with server.lock:
            server.asked.append(Asked(self.command, path, query, headers, body))
            fault = self._fault(path)
        if fault is not None and not fault.after:
            return self._play(fault)
        try:
            with server.lock:
                status, value, more = self._answer(path, query, body, headers)
        except Said as said:
            status, value, more = said.status, said.body, said.headers
        if fault is not None:
            return self._play(fault)
        self.reply(status, value, more)
        return None

    def _fault(self, path: str) -> Fault | None:
        for fault in self.server.faults:
            if fault.method == self.command and fault.path.search(path) and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def _play(self, fault: Fault) -> None:
        if fault.play is not None:
            return fault.play(self)
        if not fault.status:
            raise Cut
        self.reply(fault.status, fault.body, fault.headers)
        return None

    def reply(self, status: int, value: Any, headers: dict[str, str]) -> None:
        """Send an answer with GitHub's usual headers."""
        data = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
        sent = {"Content-Type": "application/json; charset=utf-8", **self._rate_headers(), **headers}
        etag = '"' + hashlib.sha256(data).hexdigest()[:32] + '"'
        if self.command == "GET" and status == 200:
            sent.setdefault("ETag", etag)
            if self.headers.get("If-None-Match") == etag:
                status, data = 304, b""
        self.send_response(status)
        for name, one in sent.items():
            self.send_header(name.replace("_", "-"), one)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _rate_headers(self) -> dict[str, str]:
        server = self.server
        found = {
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": str(server.remaining),
            "X-RateLimit-Reset": str(server.resets_at),
            "X-RateLimit-Resource": "core",
            "X-GitHub-Request-Id": "FAKE:1",
        }
        return found | ({"X-OAuth-Scopes": server.scopes} if server.scopes is not None else {})

    # what is there

    def _answer(self, path: str, query: dict[str, str], body: Any, headers: dict[str, str]) -> tuple[int, Any, Any]:
        server = self.server
        if headers.get("authorization") != f"Bearer {TOKEN}":
            raise refusal(401, "Bad credentials")
        if not headers.get("user-agent"):
            raise refusal(
                403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent"
            )
        if server.remaining <= 0:
            raise refusal(403, "API rate limit exceeded for user ID 1.")
        server.remaining -= 1
        if not path.startswith(server.base):
            raise refusal(404, "Not Found")
        path = path[len(server.base) :]
        for old, new in server.moved.items():
            if path.startswith(f"/repos/{old}"):
                to = server.url + path.replace(f"/repos/{old}", f"/repos/{new}", 1)
                raise Said(301, {"message": "Moved Permanently", "url": to}, Location=to)
        if path == "/user":
            return 200, {"login": server.login, "id": 1, "type": "User"}, {}
        if path == "/rate_limit":
            rate = {"limit": 5000, "remaining": server.remaining, "reset": server.resets_at}
            return 200, {"resources": {"core": rate}, "rate": rate}, {}
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
        if found is None or found[1] not in server.repos:
            raise refusal(404, "Not Found")
        return self._in_repo(server.repos[found[1]], found[2] or "", query, body)

    def _in_repo(self, repo: Repo, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, Any]:
        for method, pattern, handler in ROUTES:
            found = re.fullmatch(pattern, path)
            if found is not None and method == self.command:
                return handler(self, repo, query, body, *found.groups())  # type: ignore[no-any-return]
        raise refusal(404, "Not Found")

    def page(self, items: list[Any], query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        """One page of a list with its Link header."""
        size, number = min(100, int(query.get("per_page", 30))), int(query.get("page", 1))
        begin = (number - 1) * size
        links = []
        if begin + size < len(items):
            path = urlsplit(self.path).path
            last = -(-len(items) // size)
            for page, rel in ((number + 1, "next"), (last, "last")):
                asked = urlencode(query | {"page": page})
                links.append(f'<http://127.0.0.1:{self.server.server_port}{path}?{asked}>; rel="{rel}"')
        return 200, items[begin : begin + size], {"Link": ", ".join(links)} if links else {}

    def repository(self, repo: Repo, query: Any, body: Any) -> tuple[int, Any, Any]:
        mine = repo.permissions.get(self.server.login, "write")
        can = {"pull": True, "push": mine in ("write", "admin"), "admin": mine == "admin"}
        return 200, {"full_name": repo.name, "has_issues": repo.has_issues, "private": True, "permissions": can}, {}

    def list_issues(self, repo: Repo, query: dict[str, str], body: Any) -> tuple[int, Any, Any]:
        found = [i for i in repo.issues if query.get("state", "open") in ("all", i["state"])]
        if since := query.get("since"):
            found = [i for i in found if i["updated_at"] >= since[:19] + "Z"]
        for label in filter(None, query.get("labels", "").split(",")):
            found = [i for i in found if label in [one["name"] for one in i["labels"]]]
        if creator := query.get("creator"):
            found = [i for i in found if i["user"]["login"] == creator]
        newest_first = query.get("direction", "desc") == "desc"
        return self.page(sorted(found, key=lambda i: i["number"], reverse=newest_first), query)

    def create_issue(self, repo: Repo, query: Any, body: Any) -> tuple[int, Any, Any]:
        if not repo.has_issues:
            raise refusal(410, "Issues are disabled for this repo")
        if repo.permissions.get(self.server.login) == "read":
            raise Said(
                403,
                {"message": "Resource not accessible by personal access token"},
                **{"X-Accepted-GitHub-Permissions": "issues=write"},
            )
        if not isinstance(body, dict) or not str(body.get("title") or "").strip():
            errors = [{"resource": "Issue", "code": "missing_field", "field": "title"}]
            raise refusal(422, "Validation Failed", errors=errors)
        if len(body.get("body") or "") > 65536:
            errors = [{"resource": "Issue", "code": "custom", "field": "body", "message": "body is too long"}]
            raise refusal(422, "Validation Failed", errors=errors)
        labels = tuple(body.get("labels") or ())
        made = repo.issue(body["title"], body.get("body"), by=self.server.login, labels=labels)
        return 201, made, {"Location": made["url"]}

    def one_issue(self, repo: Repo, number: str) -> Json:
        if not 0 < int(number) <= len(repo.issues):
            raise refusal(404, "Not Found")
        issue = repo.issues[int(number) - 1]
        if issue.get("is_deleted"):
            raise refusal(410, "This issue was deleted")
        return issue

    def show_issue(self, repo: Repo, query: Any, body: Any, number: str) -> tuple[int, Any, Any]:
        return 200, self.one_issue(repo, number), {}

    def change_issue(self, repo: Repo, query: Any, body: Any, number: str) -> tuple[int, Any, Any]:
        issue = self.one_issue(repo, number)
        known = ("title", "body", "state", "state_reason")
        issue |= {name: value for name, value in body.items() if name in known}
        if "labels" in body:
            issue["labels"] = [{"name": label} for label in body["labels"]]
        issue["updated_at"] = self.server.stamp()
        issue["closed_at"] = issue["updated_at"] if issue["state"] == "closed" else None
        return 200, issue, {}

    def list_comments(self, repo: Repo, query: dict[str, str], body: Any, number: str) -> tuple[int, Any, Any]:
        self.one_issue(repo, number)
        return self.page(repo.comments.get(int(number), []), query)

    def create_comment(self, repo: Repo, query: Any, body: Any, number: str) -> tuple[int, Any, Any]:
        self.one_issue(repo, number)
        if len(body["body"]) > 65536:
            raise refusal(422, "Validation Failed", errors=[{"field": "body", "code": "custom"}])
        return 201, repo.comment(int(number), body["body"], by=self.server.login), {}

    def one_comment(self, kept: dict[int, list[Json]], key: str) -> Json:
        for comments in kept.values():
            for comment in comments:
                if comment["id"] == int(key):
                    return comment
        raise refusal(404, "Not Found")

    def show_comment(self, repo: Repo, query: Any, body: Any, key: str) -> tuple[int, Any, Any]:
        return 200, self.one_comment(repo.comments, key), {}

    def change_comment(self, repo: Repo, query: Any, body: Any, key: str) -> tuple[int, Any, Any]:
        comment = self.one_comment(repo.comments, key)
        if comment["user"]["login"] != self.server.login and repo.permissions.get(self.server.login) != "admin":
            raise refusal(403, "You cannot edit this comment")
        comment |= {"body": body["body"], "updated_at": self.server.stamp()}
        return 200, comment, {}

    def delete_comment(self, repo: Repo, query: Any, body: Any, key: str) -> tuple[int, Any, Any]:
        found = self.one_comment(repo.comments, key)
        for comments in repo.comments.values():
            if found in comments:
                comments.remove(found)
        return 204, None, {}

    def show_pull(self, repo: Repo, query: Any, body: Any, number: str) -> tuple[int, Any, Any]:
        if int(number) not in repo.pulls:
            raise refusal(404, "Not Found")
        return 200, repo.pulls[int(number)], {}

    def list_pulls(self, repo: Repo, query: dict[str, str], body: Any) -> tuple[int, Any, Any]:
        return self.page(sorted(repo.pulls.values(), key=lambda pull: -pull["number"]), query)

    def list_files(self, repo: Repo, query: dict[str, str], body: Any, number: str) -> tuple[int, Any, Any]:
        self.show_pull(repo, query, body, number)
        return self.page(repo.files.get(int(number), [])[:3000], query)

    def list_review_comments(self, repo: Repo, query: dict[str, str], body: Any, number: str) -> tuple[int, Any, Any]:
        return self.page(repo.review_comments.get(int(number), []), query)

    def reply_to_review(self, repo: Repo, query: Any, body: Any, number: str, key: str) -> tuple[int, Any, Any]:
        self.one_comment(repo.review_comments, key)
        made = repo.review_comment(int(number), body["body"], by=self.server.login, in_reply_to_id=int(key))
        return 201, made, {}

    def show_review_comment(self, repo: Repo, query: Any, body: Any, key: str) -> tuple[int, Any, Any]:
        return 200, self.one_comment(repo.review_comments, key), {}

    def permission(self, repo: Repo, query: Any, body: Any, login: str) -> tuple[int, Any, Any]:
        found = repo.permissions.get(login)
        if found is None:
            raise refusal(404, f"{login} is not a user")
        return 200, {"permission": found, "role_name": found, "user": {"login": login}}, {}

    def list_hooks(self, repo: Repo, query: dict[str, str], body: Any) -> tuple[int, Any, Any]:
        if repo.permissions.get(self.server.login) != "admin":
            raise Said(
                403,
                {"message": "Resource not accessible by personal access token"},
                **{"X-Accepted-GitHub-Permissions": "repository_hooks=read"},
            )
        return self.page(repo.hooks, query)

    def list_labels(self, repo: Repo, query: dict[str, str], body: Any) -> tuple[int, Any, Any]:
        return self.page([{"name": label} for label in sorted(repo.labels)], query)


ROUTES = (
    ("GET", "", Handler.repository),
    ("GET", "/issues", Handler.list_issues),
    ("POST", "/issues", Handler.create_issue),
    ("GET", r"/issues/(\d+)", Handler.show_issue),
    ("PATCH", r"/issues/(\d+)", Handler.change_issue),
    ("GET", r"/issues/(\d+)/comments", Handler.list_comments),
    ("POST", r"/issues/(\d+)/comments", Handler.create_comment),
    ("GET", r"/issues/comments/(\d+)", Handler.show_comment),
    ("PATCH", r"/issues/comments/(\d+)", Handler.change_comment),
    ("DELETE", r"/issues/comments/(\d+)", Handler.delete_comment),
    ("GET", "/pulls", Handler.list_pulls),
    ("GET", r"/pulls/(\d+)", Handler.show_pull),
    ("GET", r"/pulls/(\d+)/files", Handler.list_files),
    ("GET", r"/pulls/(\d+)/comments", Handler.list_review_comments),
    ("POST", r"/pulls/(\d+)/comments/(\d+)/replies", Handler.reply_to_review),
    ("GET", r"/pulls/comments/(\d+)", Handler.show_review_comment),
    ("GET", r"/collaborators/([^/]+)/permission", Handler.permission),
    ("GET", "/hooks", Handler.list_hooks),
    ("GET", "/labels", Handler.list_labels),
)


@contextmanager
def running() -> Iterator[FakeGitHub]:
    """A fake that answers until the block ends."""
    fake = FakeGitHub()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        fake.shutdown()
        thread.join()
        fake.server_close()
