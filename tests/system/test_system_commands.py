"""`jarvis status`, `version`, `migrate` and `config`."""

import dataclasses
import fcntl
import json
import os
import threading
from contextlib import closing, contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from jarvis import __version__
from jarvis import app as composition
from jarvis.kernel import migrate
from jarvis.kernel.errors import NotFound, Unavailable
from jarvis.system import actions, cli, report, server
from jarvis.system.api import routes
from jarvis.system.readiness import Readiness
from jarvis.system.samples import samples
from jarvis.web.metrics import Metrics
from tests.commandline import Start, as_cli, run
from tests.conftest import make_settings


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def jarvis(ctx, settings, clock):
    return lambda line, **more: run(cli, line, Start(as_cli(ctx), more.pop("settings", settings), clock), **more)


@pytest.fixture
def readiness(ctx):
    found = Readiness(ctx)
    found.evaluate()
    return found


@pytest.fixture
def serving(ctx, settings, readiness):
    """A server on this home: it holds the lock, says where it is, and answers."""
    app = composition.build_application(ctx, more=[routes(readiness, Metrics(), samples)])
    httpd = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with holding(settings.jarvis_home, {"pid": os.getpid(), "url": f"http://127.0.0.1:{httpd.server_port}"}):
        yield httpd
    httpd.shutdown()
    thread.join(10)
    httpd.server_close()


@contextmanager
def holding(home, told):
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "server.json").write_text(told if isinstance(told, str) else json.dumps(told))
    lock = os.open(home / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield
    os.close(lock)


def test_status_without_a_server_says_so_and_is_no_failure(jarvis):
    ran = jarvis("status")
    assert ran.code == 0
    assert ran.out.startswith("No server is running here.")
    assert "start one: jarvis serve" in ran.out


def test_status_has_the_promised_shape(jarvis):
    found = jarvis("status", is_json=True).json
    assert {"time", "version", "system", "providers", "tasks", "ready", "checks", "server"} <= set(found)
    assert found["system"] == {"lockdown": False, "lockdown_reason": None, "restarting": False}
    assert found["tasks"] == {"queued": 0, "running": 0, "failed": 0}
    assert (found["ready"], found["server"]) == (None, None)


def test_status_asks_the_server_that_runs(jarvis, serving):
    ran = jarvis("status")
    assert ran.code == 0
    assert ran.out.startswith("Ready.")
    assert "  migrations: " in ran.out
    assert jarvis("status", is_json=True).json["server"]["url"].endswith(str(serving.server_port))


def test_status_fails_when_the_server_is_not_ready(jarvis, serving, readiness):
    readiness.last = dataclasses.replace(readiness.last, findings=())
    ran = jarvis("status")
    assert ran.code == 1
    assert ran.out.startswith("Not ready")


@pytest.mark.parametrize("told", ["", "[]", "{}", '{"pid": "x", "url": 1}', '{"pid": 1, "url": "http://127.0.0.1:1"}'])
def test_a_server_that_does_not_answer_is_unavailable(jarvis, settings, told):
    with holding(settings.jarvis_home, told), pytest.raises(Unavailable):
        jarvis("status")


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:80", "https://127.0.0.1:80", "file:///etc/passwd", "http://x@:1", ""]
)
def test_only_this_host_is_asked(settings, monkeypatch, url):
    monkeypatch.setattr("http.client.HTTPConnection.connect", lambda self: pytest.fail("it went there"))
    assert server.ask_ready(server.Running(1, url), settings) is None


def test_a_lock_nobody_holds_is_no_server(settings):
    with holding(settings.jarvis_home, {"pid": 1, "url": "http://127.0.0.1:1"}):
        assert server.running(settings)
    assert server.running(settings) is None


def test_the_server_is_asked_by_a_name_it_answers_to(ctx, settings, serving):
    named = dataclasses.replace(settings, allowed_hosts=("127.0.0.1", "jarvis.example"))
    found = server.running(named)
    assert server.ask_ready(found, named)["ok"] is True


def test_status_over_http(ctx, readiness, client):
    from tests.conftest import make_client

    ctx.registry.add(*readiness.parts())
    app = composition.build_application(ctx, more=[routes(readiness, Metrics(), samples)])
    alice = make_client(app, ctx).as_("alice")
    found = alice.get("/api/v1/system/status").json
    assert found["ready"] is True
    assert found["checks"]["database"]["ok"] is True
    assert alice.get("/readyz").json["ok"] is True
    metrics = make_client(app, ctx).get("/metrics").text
    assert "jarvis_events_total " in metrics
    assert 'jarvis_tasks{state="queued"} 0' in metrics


def test_version(jarvis):
    assert jarvis("version").out.startswith(f"jarvis {__version__}, Python 3.")
    assert jarvis("version", is_json=True).json["version"] == __version__


def test_migrate_makes_a_database_and_then_has_nothing_to_do(tmp_path, clock):
    fresh = make_settings(tmp_path / "fresh")
    start = Start(None, fresh, clock)
    rehearsed = run(cli, "migrate --dry-run", start, is_json=True).json["pending"]
    assert not fresh.app_db.exists()
    assert run(cli, "migrate", start, is_json=True).json["applied"] == rehearsed
    assert fresh.app_db.stat().st_mode & 0o777 == 0o600
    assert run(cli, "migrate", start).out == "Nothing to do: the database is up to date.\n"
    assert run(cli, "migrate --dry-run", start).out == "Nothing to do.\n"
    assert migrate.standing(fresh.app_db).is_current


def test_config_show_tells_value_source_and_meaning(jarvis, settings, tmp_path):
    changed = dataclasses.replace(
        settings, bind_port=9000, sources={**settings.sources, "BIND_PORT": "/srv/.env", "JARVIS_HOME": "default"}
    )
    rows = {row["name"]: row for row in jarvis("config show", settings=changed, is_json=True).json}
    assert rows["BIND_PORT"]["value"] == "9000"
    assert rows["BIND_PORT"]["source"] == "/srv/.env"
    assert rows["BIND_PORT"]["meaning"].startswith("TCP port")
    lines = jarvis("config show --changed", settings=changed).out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "BIND_PORT"]
    assert jarvis("config show bind_port", settings=changed).out.splitlines()[1].startswith("BIND_PORT  9000")


def test_secrets_are_never_shown(jarvis, settings):
    secret = "an-uncommonly-secret-value"
    changed = dataclasses.replace(settings, openai_api_key=secret, openai_base_url=f"https://x/{secret}")
    for is_json in (False, True):
        ran = jarvis("config show", settings=changed, is_json=is_json)
        assert secret not in ran.out
        assert "••••••••" in ran.out


def test_an_unknown_setting_suggests_the_nearest(jarvis):
    with pytest.raises(NotFound, match="BIND_PORT"):
        jarvis("config show BIND_PROT")


def test_config_check_refuses_what_production_would(jarvis, settings):
    unsafe = dataclasses.replace(settings, app_env="prod", bind_host="0.0.0.0")
    ran = jarvis("config check", settings=unsafe)
    assert ran.code == 78
    assert "refused: BIND_HOST=0.0.0.0" in ran.out
    lenient = jarvis("config check", settings=dataclasses.replace(unsafe, app_env="dev"), is_json=True)
    assert (lenient.code, lenient.json["ok"], len(lenient.json["refusals"])) == (0, True, 1)


def test_config_check_says_when_nothing_is_odd(jarvis):
    ran = jarvis("config check")
    assert (ran.code, ran.out) == (0, "Every value parses, and nothing is odd about the settings.\n")


def test_the_settings_page_masks_secrets(ctx, settings, make_ctx):
    from tests.conftest import make_client

    secret = "an-uncommonly-secret-value"
    other = make_ctx(dataclasses.replace(settings, openai_api_key=secret))
    with closing(other.db):
        page = make_client(composition.build_application(other), other).as_("ada").get("/admin/settings").text
        assert secret not in page
        assert "set, not shown" in page


MAINTAINED = {
    "commands": ["true"],
    "state": "passed",
    "last_run": {"started_at": "2026-11-20T10:00:00Z"},
    "next_due_at": "2026-11-20T11:00:00Z",
    "fresh": True,
}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "maintenance: passed at 2026-11-20T10:00:00Z, next at 2026-11-20T11:00:00Z"),
        ({"fresh": False}, "maintenance: passed at 2026-11-20T10:00:00Z, next at 2026-11-20T11:00:00Z, OVERDUE"),
        ({"state": "never run", "last_run": None, "next_due_at": None}, "maintenance: never run"),
    ],
)
def test_the_status_says_how_fresh_maintenance_is(ctx, changed, line):
    status = actions.status(ctx)
    assert "maintenance" not in report.text(status)
    assert report.text(status | {"maintenance": MAINTAINED | changed}).splitlines()[-1].strip() == line
