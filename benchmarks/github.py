"""GitHub's webhook under load, and bugs on their way to a GitHub on this host, each beside the same done barely."""

import hashlib
import hmac
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

F = TypeVar("F")

ROOT = Path(__file__).resolve().parent.parent
SECRET = "a secret of the bench"  # noqa: S105 — of a throw-away home
REPO = "octo/harbor"
PER_SECOND, SECONDS, SENDERS = 50, 10, 8
ISSUES = 20
BUGS, CUT = 1000, 5


def settings(api: str) -> dict[str, str]:
    """The environment of a Jarvis that syncs with a fake."""
    from tests.github.fake import TOKEN

    return {
        "GITHUB_API_BASE_URL": api,
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_WEBHOOK_SECRET": SECRET,
        "GITHUB_ISSUE_SYNC_ENABLED": "1",
        "GITHUB_ISSUE_SYNC_REPO": REPO,
    }


def payload(n: int) -> bytes:
    """An edit of one of the issues, about as large as GitHub's own deliveries."""
    issue = {
        "number": n % ISSUES + 1,
        "title": f"Edited {n}",
        "body": f"Words {n} " + "of the tide. " * 300,
        "state": "open",
        "updated_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(4_000_000_000 + n)),
    }
    about = {"full_name": REPO, "description": "x" * 4000}
    return json.dumps(
        {"action": "edited", "issue": issue, "repository": about, "sender": {"login": "octocat"}}
    ).encode()


def deliver(url: str, path: str) -> list[float]:
    """Seconds from when each delivery was due to the end of its answer; a connection each, as GitHub does."""
    due_first = time.perf_counter() + 0.5
    took: list[float] = []
    numbers = iter(range(PER_SECOND * SECONDS))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                n = next(numbers, None)
            if n is None:
                return
            body = payload(n)
            due = due_first + n / PER_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            _post(url, path, body, n)
            took.append(time.perf_counter() - due)

    threads = [threading.Thread(target=work) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(took)


def _post(url: str, path: str, body: bytes, n: int) -> None:
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": f"bench-{time.time_ns()}-{n}",
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 202):
            raise SystemExit(f"delivery {n} was answered with {answer.status}")
    finally:
        connection.close()


def _measured(url: str, path: str) -> tuple[float, float]:
    """Median and 99th percentile, in milliseconds, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.github", url, path]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    took = json.loads(ran.stdout)
    return statistics.median(took) * 1000, took[int(len(took) * 0.99)] * 1000


def webhooks(figure: Callable[[str, str, str, str, str], F], server: object, bare: str) -> Iterator[F]:
    """Deliveries that each cause a task, whose tasks run meanwhile."""
    call = server.call  # type: ignore[attr-defined]
    for n in range(ISSUES):
        call("POST", "/api/v1/bugs", {"title": f"Bug {n}", "sync_to_github": True})
    while any(bug["github_issue_number"] is None for bug in call("GET", "/api/v1/bugs?limit=200")["items"]):
        time.sleep(0.1)
    pairs = [
        (_measured(server.url, "/api/v1/webhooks/github"), _measured(bare, "/"))  # type: ignore[attr-defined]
        for _ in range(3)
    ]
    (middle, last), (bare_middle, bare_last) = sorted(pairs, key=lambda pair: pair[0][1])[1]
    yield figure(
        f"webhook, {PER_SECOND} deliveries a second with their tasks, p99",
        f"{last:.1f} ms (median {middle:.1f})",
        f"the same to a bare hello: {bare_last:.1f} ms (median {bare_middle:.1f})",
        f"{last / bare_last:.2f}",
        "≤ 25 ms",
    )
    raw = 1000 / _raw_commits()
    yield figure(
        "… beside one raw commit", f"{middle:.1f} ms in the middle", f"apsw: {raw:.1f} ms", f"{middle / raw:.2f}", ""
    )


def _raw_commits() -> float:
    """Commits a second of the barest database on the same disk, as each delivery needs one before it is answered."""
    command = [sys.executable, "-m", "benchmarks.yardsticks", "commits", str(ROOT / "build")]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


def syncing(figure: Callable[[str, str, str, str, str], F]) -> Iterator[F]:
    """Every bug an issue, also where the answer to the request that made it was lost."""
    from tests.github.fake import running

    with running() as fake:
        fake.remaining = 10**6
        fake.repo("octo/bare")
        bare = _bare(fake.url)
    with running() as fake:
        fake.remaining = 10**6
        repo = fake.repo(REPO)
        fake.fail("POST", "/issues$", after=True, times=CUT)
        took = _synced(fake.url)
        marks = {issue["body"].split("jarvis:bug=")[1][:30] for issue in repo.issues}
    if len(marks) != BUGS or len(repo.issues) != BUGS:
        raise SystemExit(f"{len(repo.issues)} issues for {BUGS} bugs, {len(marks)} of them different")
    yield figure(
        f"{BUGS:,} bugs synced, {CUT} answers lost, no duplicate",
        f"{BUGS / took:.0f} /s",
        f"bare POSTs to the same server: {BUGS / bare:.0f} /s",
        f"{bare / took:.2f}",
        f"{BUGS:,} issues",
    )


def _bare(url: str) -> float:
    from tests.github.fake import TOKEN

    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {"Authorization": f"Bearer {TOKEN}", "User-Agent": "bench", "Content-Type": "application/json"}
    began = time.perf_counter()
    for n in range(BUGS):
        connection.request("POST", "/repos/octo/bare/issues", json.dumps({"title": f"Bug {n}"}), headers)
        connection.getresponse().read()
    connection.close()
    return time.perf_counter() - began


def _synced(api: str) -> float:
    from jarvis import app
    from jarvis.bugs import actions as bugs
    from jarvis.github.services import loops
    from jarvis.kernel import config, migrate
    from jarvis.kernel.clock import system_clock
    from jarvis.kernel.service import Services
    from jarvis.queue import epochs
    from jarvis.queue.services import Runner

    with tempfile.TemporaryDirectory() as folder:
        found = config.load({"JARVIS_HOME": folder, **settings(api)}, None, Path(folder))
        migrate.migrate(found.app_db, system_clock)
        ctx = app.make_context(found, system_clock, app.make_registry())
        epoch = epochs.begin(ctx, "server")
        runner = Runner(ctx, epoch)
        services = Services([*runner.loops(4), *loops(ctx)], on_stop=ctx.db.wake.raise_flag)
        for n in range(BUGS):
            bugs.file(ctx.traced(), f"Bug {n}", "Of the bench.", sync_to_github=True)
        began = time.perf_counter()
        services.start()
        while _left(ctx):
            time.sleep(0.05)
        took = time.perf_counter() - began
        runner.is_stopping.set()
        services.close(5)
        epoch.close()
        ctx.db.close()
    return took


def _left(ctx: object) -> int:
    with ctx.db.read() as tx:  # type: ignore[attr-defined]
        found: int = tx.one(int, "SELECT count(*) FROM bugs WHERE github_issue_number IS NULL")
        return found


if __name__ == "__main__":
    print(json.dumps(deliver(sys.argv[1], sys.argv[2])))
