"""`jarvis secrets status` and `rotate`: what stands where, since when, and new ones in the place of old ones."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jarvis.kernel import config
from jarvis.kernel.errors import Conflict, Denied, Misconfigured, NotFound, Unavailable, Usage
from jarvis.secrets import cli
from jarvis.secrets.actions import rotating, standing
from jarvis.users import actions as users
from tests.commandline import Start, as_cli, run
from tests.conftest import acting

OLD = "old-" + "words" * 5


@pytest.fixture
def load(home: Path) -> Callable[..., config.Settings]:
    """The settings as a command finds them: load(environment…)."""
    return lambda **environ: config.load({"JARVIS_HOME": str(home), **environ}, None, home)


@pytest.fixture
def jarvis(home: Path, clock: Any, make_ctx: Any, load: Any) -> Callable[..., Any]:
    """jarvis("secrets status", environment…): a command of its own, with its own settings, as on a host."""

    def command(line: str, stdin: str = "", **environ: str) -> Any:
        import io

        from jarvis.cli import _parse
        from jarvis.kernel.console import Console

        settings = load(**environ)
        start = Start(as_cli(make_ctx(settings)), settings, clock)
        if not stdin:
            return run(cli, line, start, is_json=True)
        console = Console(True, io.StringIO(), io.StringIO(), io.StringIO(stdin))
        cli.run(start, _parse(cli.__doc__ or "", line.split()) or {}, console)
        return console.out.getvalue()

    return command


@pytest.fixture
def env(home: Path) -> Path:
    """The home's settings file, with something of everything in it."""
    path = home / ".env"
    path.write_text(f"# ours\nBIND_PORT=8123\nGITHUB_WEBHOOK_SECRET={OLD} # since May\nUNKNOWN_THING='a b'\n\nX=1\n")
    path.chmod(0o600)
    return path


def row(ran: Any, name: str) -> dict[str, Any]:
    (found,) = (item for item in ran.json["items"] if item["name"] == name)
    return dict(found)


def test_every_secret_setting_has_its_row_and_no_value_is_shown(jarvis: Any) -> None:
    values = {name: f"value-of-{name}" for name, spec in config.specs().items() if spec.is_secret}
    ran = jarvis("secrets status", **values)
    assert {item["setting"] for item in ran.json["items"] if item["setting"]} == set(values)
    assert all(item["set"] and item["source"] == "environment" for item in ran.json["items"] if item["setting"])
    assert "value-of" not in ran.out


def test_age_counts_from_when_a_value_was_first_seen_and_anew_with_another(jarvis: Any, clock: Any) -> None:
    first = row(jarvis("secrets status", GITHUB_TOKEN="one-value"), "github-token")["since"]
    clock.step(3 * 86400)
    assert row(jarvis("secrets status", GITHUB_TOKEN="one-value"), "github-token")["since"] == first
    assert row(jarvis("secrets status", GITHUB_TOKEN="another-value"), "github-token")["since"] > first
    assert not row(jarvis("secrets status"), "github-token")["set"]


def test_last_use_is_read_from_the_record(jarvis: Any, ctx: Any, clock: Any) -> None:
    with ctx.db.write() as tx:
        tx.record("model.run.end", "provider/openai", {"provider": "openai", "outcome": "answered"})
        tx.record("model.run.end", "provider/builtin", {"provider": "builtin", "outcome": "answered"})
    ran = jarvis("secrets status", OPENAI_API_KEY="a-key-a-key", GEMINI_API_KEY="another-key")
    assert row(ran, "openai")["last_used_at"] is not None
    assert row(ran, "gemini")["last_used_at"] is None


def test_nothing_of_a_value_is_kept(jarvis: Any, home: Path, ctx: Any) -> None:
    jarvis("secrets status", GITHUB_TOKEN="one-value-of-words")
    with ctx.db.read() as tx:
        digests = tx.all(bytes, "SELECT digest FROM secret_values")
    assert [len(digest) for digest in digests] == [32]
    assert b"one-value-of-words" not in (home / "jarvis.db-wal").read_bytes()


def test_a_webhook_secret_overlaps_with_the_new_one_first(jarvis: Any, env: Path, load: Any) -> None:
    before = env.read_text()
    ran = jarvis("secrets rotate github-webhook").json
    new = ran["secret"]
    assert env.read_text() == before.replace(f"{OLD} # since May", f"{new},{OLD}")
    assert load().github_webhook_secret == f"{new},{OLD}"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert len(new) == 64
    standing_now = row(jarvis("secrets status"), "github-webhook")
    assert (standing_now["count"], standing_now["overdue"]) == (2, False)


def test_an_overlap_that_is_over_is_overdue_until_it_is_finished(jarvis: Any, env: Path, load: Any, clock: Any) -> None:
    new = jarvis("secrets rotate github-webhook --overlap 1").json["secret"]
    clock.step(3601)
    assert row(jarvis("secrets status"), "github-webhook")["overdue"]
    jarvis("secrets rotate github-webhook --finish")
    assert load().github_webhook_secret == new
    assert OLD not in env.read_text()
    assert not row(jarvis("secrets status"), "github-webhook")["overdue"]
    with pytest.raises(Conflict, match="nothing is being rotated"):
        jarvis("secrets rotate github-webhook --finish")


def test_a_leaked_webhook_secret_ends_at_once(jarvis: Any, env: Path, load: Any) -> None:
    new = jarvis("secrets rotate github-webhook --overlap 0").json["secret"]
    assert load().github_webhook_secret == new


def test_a_setting_not_set_yet_goes_into_the_homes_file_which_is_made_0600(jarvis: Any, home: Path, load: Any) -> None:
    new = jarvis("secrets rotate GITHUB_WEBHOOK_SECRET").json["secret"]
    assert load().github_webhook_secret == new
    assert stat.S_IMODE((home / ".env").stat().st_mode) == 0o600


def test_what_the_environment_sets_is_not_written_anywhere(jarvis: Any, home: Path) -> None:
    with pytest.raises(Conflict, match="comes from the environment"):
        jarvis("secrets rotate github-webhook", GITHUB_WEBHOOK_SECRET=OLD)
    assert not (home / ".env").exists()


def test_a_settings_file_others_may_write_to_is_not_touched(jarvis: Any, env: Path) -> None:
    env.chmod(0o666)
    before = env.read_text()
    with pytest.raises(Misconfigured, match="others may write"):
        jarvis("secrets rotate github-webhook")
    assert env.read_text() == before


def test_a_link_in_the_place_of_the_file_is_not_followed(jarvis: Any, home: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("X=1\n")
    (home / ".env").symlink_to(target)
    with pytest.raises(Misconfigured, match="symbolic link"):
        jarvis("secrets rotate github-webhook")
    assert (target.read_text(), (home / ".env").is_symlink()) == ("X=1\n", True)


def test_the_event_names_the_secret_and_holds_no_value(jarvis: Any, env: Path, ctx: Any) -> None:
    new = jarvis("secrets rotate github-webhook").json["secret"]
    with ctx.db.read() as tx:
        data = tx.one(str, "SELECT data FROM events WHERE type = 'secret.rotated'")
    assert '"github-webhook"' in data
    assert new not in data
    assert OLD not in data


def test_a_key_made_elsewhere_is_taken_from_standard_input(jarvis: Any, env: Path, load: Any, home: Path) -> None:
    (home / "tokens").mkdir()
    (home / "tokens" / "google.json").write_text("{}")
    value = 'it\'s a #key with \\ and "quotes" and $HOME'
    told = jarvis("secrets rotate google-refresh --value-stdin", stdin=value + "\n")
    assert load().google_oauth_refresh_token == value
    assert value not in told
    assert not (home / "tokens" / "google.json").exists()
    assert "UNKNOWN_THING='a b'" in env.read_text()
    with pytest.raises(Conflict, match="already"):
        jarvis("secrets rotate google-refresh --value-stdin", stdin=value + "\n")


def test_what_is_made_elsewhere_says_where(jarvis: Any) -> None:
    with pytest.raises(Unavailable, match=r"github\.com/settings/tokens"):
        jarvis("secrets rotate github-token")


def test_rotating_sessions_signs_everybody_out(ctx: Any, settings: Any, clock: Any, client: Any, events: Any) -> None:
    browsers = [client.as_("alice"), client.as_("bob")]
    assert all(browser.get("/chat").status == 200 for browser in browsers)
    ran = run(cli, "secrets rotate sessions", Start(as_cli(ctx), settings, clock), is_json=True)
    assert "2 sessions" in ran.json["says"]
    assert [browser.get("/chat").status for browser in browsers] == [303, 303]
    assert events("auth.session_revoked") == ["auth.session_revoked"] * 2


def test_a_token_is_replaced_and_the_old_one_ends_with_the_overlap(jarvis: Any, ctx: Any, clock: Any) -> None:
    alice = acting(ctx, "alice")
    old, plain = users.create_token(alice, alice.user_id or "", "deploy", None)
    new = jarvis("secrets rotate api-token deploy --overlap 2").json["secret"]
    assert all(users.recognise(ctx, key) for key in (plain, new))
    clock.step(2 * 3600 + 1)
    assert users.recognise(ctx, plain) is None
    holder = users.recognise(ctx, new)
    assert holder is not None
    assert holder[0].username == "alice"
    assert old.id


def test_a_leaked_token_is_useless_at_once(jarvis: Any, ctx: Any) -> None:
    alice = acting(ctx, "alice")
    old, plain = users.create_token(alice, alice.user_id or "", "deploy", 30)
    answered = jarvis(f"secrets rotate api-token {old.id} --overlap 0").json
    assert users.recognise(ctx, plain) is None
    assert answered["old_until"] is None


def test_an_overlap_never_makes_a_token_live_longer(jarvis: Any, ctx: Any, clock: Any) -> None:
    alice = acting(ctx, "alice")
    old, plain = users.create_token(alice, alice.user_id or "", "deploy", 1)
    clock.step(23 * 3600)
    jarvis(f"secrets rotate api-token {old.id} --overlap 48")
    clock.step(3601)
    assert users.recognise(ctx, plain) is None


def test_two_tokens_of_one_name_have_to_be_told_apart(jarvis: Any, ctx: Any) -> None:
    for name in ("alice", "bob"):
        person = acting(ctx, name)
        users.create_token(person, person.user_id or "", "deploy", None)
    with pytest.raises(Conflict, match="2 tokens"):
        jarvis("secrets rotate api-token deploy")
    with pytest.raises(NotFound):
        jarvis("secrets rotate api-token nothing")


def test_the_unlock_code_is_made_anew(jarvis: Any, home: Path) -> None:
    code = jarvis("secrets rotate unlock-code").json["secret"]
    assert (home / "unlock_code").read_text().strip() == code


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("secrets rotate nothing", NotFound),
        ("secrets rotate api-token", Usage),
        ("secrets rotate sessions --finish", Usage),
        ("secrets rotate sessions --value-stdin", Usage),
        ("secrets rotate github-token more", Usage),
        ("secrets rotate github-webhook --overlap soon", Usage),
        ("secrets rotate github-webhook --overlap 9999", Usage),
    ],
)
def test_what_makes_no_sense_is_refused(jarvis: Any, line: str, error: type[Exception], home: Path) -> None:
    with pytest.raises(error):
        jarvis(line)
    assert not (home / ".env").exists()


@pytest.mark.parametrize("name", ["alice", "charlie"])
def test_only_an_admin_may(as_user: Any, settings: Any, clock: Any, name: str) -> None:
    for line in ("secrets status", "secrets rotate sessions", "secrets rotate github-webhook"):
        with pytest.raises(Denied):
            run(cli, line, Start(as_user(name), settings, clock))
    for act in (rotating.rotate_sessions, rotating.rotate_code, rotating.finish_webhook, standing.standings):
        with pytest.raises(Denied):
            act(as_user(name))
