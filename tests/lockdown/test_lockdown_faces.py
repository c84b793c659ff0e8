"""The switch in the API, in the chat, on the command line and on its page."""

import json

import pytest

from jarvis import cli
from jarvis.chat import actions as chat
from jarvis.kernel.clock import SECOND
from jarvis.lockdown import actions
from jarvis.maintenance import actions as maintenance
from jarvis.schedules import actions as schedules
from jarvis.schedules.actions import dispatching
from jarvis.system.actions import status
from jarvis.system.samples import samples

PATH = "/api/v1/system/lockdown"
PAGE = "/admin/lockdown"


@pytest.fixture
def ada(as_user):
    return as_user("ada")


def code_of(ctx):
    return ctx.settings.admin_unlock_code_path.read_text().strip()


def test_the_api_locks_and_unlocks_and_says_the_same_twice(client, ctx):
    ada = client.bearer("ada")
    for _ in range(2):
        answer = ada.post(PATH, json={"lockdown": True, "reason": "drill"})
        assert (answer.status, answer.json["system"]["lockdown_reason"]) == (200, "drill")
    assert ada.post(PATH, json={"lockdown": False, "code": "AAAAAAAAAA"}).status == 403
    assert ada.post(PATH, json={"lockdown": False}).json["errors"][0]["field"] == "code"
    for _ in range(2):
        answer = ada.post(PATH, json={"lockdown": False, "code": code_of(ctx)})
        assert (answer.status, answer.json["system"]["lockdown"]) == (200, False)


@pytest.mark.parametrize("wish", ["true", 1, None, [], "yes"])
def test_what_is_no_boolean_is_refused(client, wish):
    assert client.bearer("ada").post(PATH, json={"lockdown": wish}).status == 422


def test_the_api_never_tells_the_code(client, ctx):
    ada = client.bearer("ada")
    ada.post(PATH, json={"lockdown": True})
    assert code_of(ctx) not in ada.get(PATH).text


@pytest.mark.parametrize("who", ["alice", "charlie"])
def test_nobody_else_may(client, who):
    assert client.bearer(who).post(PATH, json={"lockdown": True}).status == 403
    assert client.as_(who).get(PAGE).status == 403


def say(ctx, text):
    thread = chat.open_thread(ctx)
    return chat.post(ctx, thread.id, text)


def test_the_chat_locks_and_unlocks(ada):
    assert "Locked down" in say(ada, "/lockdown the tide is odd").reply.content
    assert "not right" in say(ada, "/unlock AAAAAAAAAA").reply.content
    assert actions.standing(ada).tries_left == 4
    assert "Unlocked" in say(ada, f"/unlock {code_of(ada)}").reply.content


def test_a_code_sent_in_the_chat_stands_nowhere_afterwards(ada):
    say(ada, "/lockdown odd")
    code = code_of(ada)
    posted = say(ada, f"/unlock {code}")
    assert posted.message.content == "/unlock ••••••"
    database = b"".join(path.read_bytes() for path in ada.settings.jarvis_home.glob("jarvis.db*"))
    assert code.encode() not in database


@pytest.mark.parametrize("text", ["/unlock\n{}", "/UNLOCK {}", "/unlok {}", "  /unlock\t{} "])
def test_a_code_is_hidden_however_the_command_is_written(ada, text):
    code = actions.rotate(ada)
    posted = say(ada, text.format(code))
    assert code not in posted.message.content
    assert code not in posted.reply.content


def test_guessing_in_the_chat_costs_tries(ada):
    actions.lock_by_hand(ada, "odd")
    for _ in range(5):
        say(ada, "/unlock AAAAAAAAAA")
    assert "no tries left" in say(ada, f"/unlock {code_of(ada)}").reply.content


def test_a_user_is_told_that_it_is_for_admins(as_user, events):
    assert "is for admins" in say(as_user("alice"), "/lockdown please").reply.content
    assert "lockdown.triggered" not in events("lockdown")


def test_the_command_line_locks_rotates_and_unlocks(capsys, settings, monkeypatch):
    monkeypatch.setenv("JARVIS_HOME", str(settings.jarvis_home))

    def jarvis(*words):
        code = cli.main(words)
        return code, capsys.readouterr().out

    assert jarvis("lockdown", "status")[1] == "Not locked down.\n"
    assert jarvis("lockdown", "on", "drill")[0] == 0
    assert "drill" in jarvis("lockdown", "status")[1]
    _, out = jarvis("unlock-code", "rotate", "--json")
    fresh = json.loads(out)["code"]
    assert jarvis("lockdown", "off", "AAAAAAAAAA")[0] == 77
    assert fresh not in jarvis("unlock-code")[1]
    assert jarvis("lockdown", "off", fresh) == (0, "Not locked down.\n")


def test_the_page_locks_and_unlocks(client, ctx):
    ada = client.as_("ada")
    assert "Not locked down" in ada.get(PAGE).text
    assert ada.submit(PAGE, f"{PAGE}/lock", reason="<b>odd</b>").status == 303
    page = ada.get(PAGE).text
    assert "&lt;b&gt;odd&lt;/b&gt;" in page
    answer = ada.submit(PAGE, f"{PAGE}/unlock", code="AAAAAAAAAA")
    assert (answer.status, "4 of 5 tries left" in answer.text) == (403, True)
    assert ada.submit(PAGE, f"{PAGE}/unlock", code=code_of(ctx)).status == 303
    assert "Unlocked" in ada.get(f"{PAGE}?done=unlocked").text


def test_every_page_says_that_it_is_locked_and_why(client, ada):
    actions.lock_by_hand(ada, "the tide is odd")
    for who, path in (("alice", "/chat"), ("alice", "/account"), ("ada", "/admin/events")):
        page = client.as_(who).get(path).text
        assert "Locked down" in page
        assert "the tide is odd" in page
    assert 'href="/admin/lockdown">Unlock' in client.as_("ada").get("/chat").text
    assert 'href="/admin/lockdown"' not in client.as_("alice").get("/chat").text


def test_what_was_refused_is_listed(client, ada):
    actions.lock_by_hand(ada, "odd")
    for _ in range(2):
        actions.note_refused(ada, "an update", actions.refusal(ada))
    page = client.as_("ada").get(PAGE).text
    assert "2 refusals" in page
    assert "an update" in page
    assert "2 times" in page


def test_instants_and_runs_that_were_refused_are_listed_with_their_number(ctx, ada, clock):
    payload = {"kind": "prompt", "text": "hello"}
    schedules.create(ada, {"cron_expr": "@every:60", "payload": payload, "name": "disk-watch"})
    actions.lock_by_hand(ada, "odd")
    clock.step(179)
    dispatching.tick(ctx)
    for _ in range(3):
        maintenance.refuse(ctx, "interval", maintenance.refusal(ctx))
    found = {one.what: (one.kind, one.detail, one.count) for one in actions.refused(ctx, clock() - 200 * SECOND)}
    assert found["disk-watch"] == ("Schedule", "3 instants", 3)
    assert found["A run"] == ("Maintenance", "due by its interval", 3)
    assert actions.refused(ctx, clock() + 1) == []


def test_the_status_says_it(ada):
    actions.lock_by_hand(ada, "odd")
    system = status(ada)["system"]
    assert (system["lockdown"], system["lockdown_reason"]) == (True, "odd")
    assert ("jarvis_lockdown", "gauge", "", 1.0) in samples(ada)
