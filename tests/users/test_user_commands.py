"""`jarvis user` and `jarvis token`: the same actions from the shell."""

import io
import json
from dataclasses import replace

import pytest

from jarvis.cli import _parse
from jarvis.kernel.console import Console
from jarvis.kernel.errors import Conflict, Denied, Invalid, NotFound, Usage
from jarvis.users import actions, cli, store


class Start:
    """What a command begins with, on a context of our own."""

    def __init__(self, ctx):
        self._ctx = ctx

    def context(self, *, registry=False):
        return self._ctx


@pytest.fixture
def jarvis(ctx):
    """jarvis("user add dave", typed="secret\\n") → what was printed; `by` acts as somebody."""

    def run(line, *, typed="", by=None, is_json=False):
        acting = by or replace(ctx, user_id=store.CLI_USER_ID, username="cli", role="admin", actor="cli:root")
        console = Console(is_json, io.StringIO(), io.StringIO(), io.StringIO(typed))
        args = _parse(cli.__doc__, line.split())
        assert cli.run(Start(acting), args, console) == 0
        return json.loads(console.out.getvalue()) if is_json else console.out.getvalue()

    return run


def test_somebody_added_can_sign_in(jarvis, client):
    out = jarvis("user add Dave --role admin --password-stdin", typed="correct horse battery\n")
    assert out == "Added dave (admin).\n"
    answer = client.post("/api/v1/auth/login", json={"username": "dave", "password": "correct horse battery"})
    assert answer.json["role"] == "admin"


def test_json_gives_the_same_shape_as_the_api(jarvis, client):
    made = jarvis("user add dave --no-password", is_json=True)
    assert client.as_("ada").get(f"/api/v1/users/{made['id']}").json == made


def test_people_are_listed(jarvis):
    lines = jarvis("user list").splitlines()
    assert lines[0].split() == ["NAME", "ROLE", "STATE", "LAST", "SEEN", "ID"]
    assert [line.split()[0] for line in lines[1:]] == ["ada", "charlie", "bob", "alice"]
    assert jarvis("user list", is_json=True)["items"][0]["username"] == "ada"


def test_a_new_password_ends_sessions(jarvis, client):
    alice = client.as_("alice")
    jarvis("user passwd alice --password-stdin", typed="another password\n")
    assert alice.get("/api/v1/auth/me").status == 401


def test_role_disable_and_enable(jarvis):
    assert jarvis("user role bob admin") == "bob is an admin.\n"
    assert "shut out" in jarvis("user disable bob")
    assert jarvis("user enable bob") == "bob can sign in again.\n"


def test_refusals_are_the_actions_own(jarvis):
    with pytest.raises(Conflict):
        jarvis("user disable ada")
    with pytest.raises(NotFound):
        jarvis("user role nobody admin")
    with pytest.raises(Invalid):
        jarvis("user role bob emperor")
    with pytest.raises(Invalid):
        jarvis("user add dave --password-stdin", typed="short\n")


def test_without_a_terminal_the_password_must_come_by_standard_input(jarvis):
    with pytest.raises(Usage, match="--password-stdin"):
        jarvis("user add dave")


def test_acting_as_a_user_one_cannot_add_or_list_people(jarvis, as_user):
    for line in ("user add dave --no-password", "user list", "token list --user bob", "user disable bob"):
        with pytest.raises(Denied):
            jarvis(line, by=as_user("alice"))


def test_a_token_is_printed_alone_so_that_scripts_can_take_it(jarvis, client, events):
    key = jarvis("token create laptop --user bob --days 7").strip()
    me = client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {key}"})
    assert me.json["username"] == "bob"
    assert events("token.") == ["token.created"]


def test_tokens_are_listed_and_revoked(jarvis, as_user):
    made = jarvis("token create laptop", by=as_user("alice"), is_json=True)
    assert [item["id"] for item in jarvis("token list --user alice", is_json=True)["items"]] == [made["id"]]
    assert "laptop" in jarvis("token list", by=as_user("alice"))
    jarvis(f"token revoke {made['id']}", by=as_user("alice"))
    assert jarvis("token list --user alice", is_json=True)["items"] == []
    with pytest.raises(NotFound):
        jarvis(f"token revoke {made['id']}")


def test_another_persons_token_is_not_there_to_revoke(jarvis, as_user):
    made = jarvis("token create laptop", by=as_user("alice"), is_json=True)
    with pytest.raises(NotFound):
        jarvis(f"token revoke {made['id']}", by=as_user("charlie"))


@pytest.mark.parametrize("days", ["0", "-1", "soon", "99999"])
def test_days_are_a_sensible_number(jarvis, days):
    with pytest.raises(Usage, match="--days"):
        jarvis(f"token create laptop --days={days}")


def test_a_token_made_by_cli_belongs_to_cli(jarvis, ctx):
    made = jarvis("token create cron", is_json=True)
    assert made["user_id"] == store.CLI_USER_ID
    assert actions.recognise(ctx, made["token"]) is not None
