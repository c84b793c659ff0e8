"""A soak tells how a server did, and passes only what was watched to its end."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jarvis import __version__
from jarvis.evidence import actions, cli, soaking, store
from jarvis.evidence.soaking import Sample, Watch
from jarvis.kernel.errors import Denied, Unavailable, Usage
from jarvis.kernel.outbound import Outbound
from tests import commandline

READY = {"ok": True, "checks": {"disk": {"ok": True, "core": True, "detail": ""}}, "version": __version__}
SICK = READY | {"ok": False, "checks": {"disk": {"ok": False, "core": True, "detail": "full"}}}


class Stopwatch:
    """Time that passes only while somebody pauses."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds


class Watched:
    """A server that gives the answers of a list to /readyz, the last for ever, and counts loop restarts in /metrics."""

    def __init__(self, *answers, restarts=(0,)):
        self.answers, self.restarts = list(answers), list(restarts)

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self):
        watched = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/metrics":
                    count = watched.restarts.pop(0) if len(watched.restarts) > 1 else watched.restarts[0]
                    status, body = 200, f'jarvis_loop_restarts_total{{loop="tasks.1"}} {count}\n'.encode()
                else:
                    status, told = watched.answers.pop(0) if len(watched.answers) > 1 else watched.answers[0]
                    body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture
def ada(as_user):
    return as_user("ada").traced()


def soak(ctx, server, seconds=20, **more):
    clock = Stopwatch()
    watch = Watch(server.url, Outbound(), clock)
    return actions.soak(ctx, watch, seconds, pause=more.pop("pause", clock.pause), **more)


def test_a_server_that_stays_ready_passes_and_that_is_kept(ada, events):
    with Watched((200, READY)) as server:
        kept = soak(ada, server)
    figures = kept.as_json()["measured"]
    assert kept.problem is None
    assert (figures["samples"], figures["ready"], figures["seconds"]) == (21, 21, 20.0)
    assert figures["loop_restarts"] == {}
    assert kept.version == __version__
    with ada.db.read() as tx:
        assert store.newest(tx) == [kept]
    assert events() == ["evidence.soak"]


def test_one_look_that_was_not_ready_fails_it_and_is_told_at_once(ada):
    told = []
    with Watched((200, READY), (200, READY), (503, SICK), (200, READY)) as server:
        kept = soak(ada, server, tell=told.append)
    assert kept.problem == "It was not ready 1 of 21 times; 1 times: disk."
    assert [sample.failing for sample in told if sample.status != 200] == [("disk",)]


def test_a_server_that_goes_away_fails_it(ada):
    with Watched((200, READY)) as server:
        clock = Stopwatch()
        watch = Watch(server.url, Outbound(), clock)

        def pause(seconds):
            clock.pause(seconds)
            if clock.now == 105.0:
                server.__exit__()
                watch.outbound = Outbound()  # its open connections end with it

        kept = actions.soak(ada, watch, 10, pause=pause)
        server.__enter__()
    assert "nothing listens there" in (kept.problem or "")


def test_a_soak_that_was_interrupted_did_not_pass(ada):
    def pause(seconds):
        raise KeyboardInterrupt

    with Watched((200, READY)) as server:
        assert soak(ada, server, pause=pause).problem == "It ended after 0 of 20 seconds."


def test_where_nothing_answers_there_is_no_soak(ada):
    with Watched((200, READY)) as server:
        pass
    with pytest.raises(Unavailable, match="Nothing answers"):
        soak(ada, server)
    with ada.db.read() as tx:
        assert store.newest(tx) == []


def test_a_loop_that_failed_meanwhile_fails_it(ada):
    with Watched((200, READY), restarts=(3, 3, 4)) as server:
        assert soak(ada, server).problem == "Loops failed and were started again: tasks.1."


def test_another_release_in_between_fails_it(ada):
    with Watched((200, READY), (200, READY | {"version": "9.9.9"})) as server:
        assert "The release changed meanwhile" in (soak(ada, server).problem or "")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"checks": [], "version": 1}'])
def test_an_answer_that_is_none_of_jarvis_is_not_understood(body):
    assert soaking._told(body) == (("what /readyz said is not understood",), "")


def samples(*resident):
    return [Sample(float(n), 200, 5.0, (), __version__, memory << 20) for n, memory in enumerate(resident)]


@pytest.mark.parametrize(
    ("resident", "is_growth"),
    [([50] * 40, False), ([50, 90] + [52] * 38, False), (range(50, 90), True), ([50] * 20 + [70] * 20, False)],
)
def test_memory_that_goes_on_growing_fails_it(resident, is_growth):
    problem = soaking.problem(soaking.measured(samples(*resident), len(list(resident)) - 1))
    assert (problem is not None and problem.startswith("Its memory grew")) is is_growth


def test_the_memory_of_the_worker_is_read_where_it_runs_here(tmp_path):
    (tmp_path / "77").mkdir()
    (tmp_path / "77" / "status").write_text("Name:\tpython\nVmRSS:\t  51200 kB\n")
    watch = Watch("http://127.0.0.1:9", Outbound(), Stopwatch(), 77, tmp_path)
    assert watch._resident() == 51200 * 1024
    watch.pid = 78
    assert watch._resident() is None


def test_only_admins_watch(as_user):
    with Watched((200, READY)) as server, pytest.raises(Denied):
        soak(as_user("alice"), server)


@pytest.mark.parametrize(
    "line",
    ["--seconds 0", "--seconds x", "--seconds 99999999", "--url ftp://x", "--url http://a:b@c", "--url nowhere"],
)
def test_what_cannot_be_watched_is_a_usage_error(ada, clock, line):
    with pytest.raises(Usage):
        commandline.run(cli, f"evidence soak {line}", commandline.Start(ada, ada.settings, clock))


def test_the_command_needs_a_server_and_says_how_it_went(ada, clock):
    ctx = commandline.as_cli(ada)
    start = commandline.Start(ctx, ctx.settings, clock)
    with pytest.raises(Unavailable, match="No server runs on this home"):
        commandline.run(cli, "evidence soak", start)
    with Watched((503, SICK)) as server:
        ran = commandline.run(cli, f"evidence soak --seconds 1 --url {server.url}", start)
    assert ran.code == 1
    assert "not ready: disk" in ran.err
    assert "Ready 0 of 2 times" in ran.out
