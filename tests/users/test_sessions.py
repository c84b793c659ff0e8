"""Sessions: listed, revoked, expired, and never anybody else's."""

ME, SESSIONS = "/api/v1/auth/me", "/api/v1/auth/sessions"


def test_everybody_sees_their_own_sessions_newest_first(client):
    first, second = client.as_("alice"), client.as_("alice")
    client.as_("bob")
    items = second.get(SESSIONS).json["items"]
    assert [item["username"] for item in items] == ["alice", "alice"]
    assert [item["current"] for item in items] == [True, False]
    assert first.get(SESSIONS).json["items"][1]["current"] is True


def test_a_list_goes_on_where_it_stopped(client):
    browsers = [client.as_("alice") for _ in range(5)]
    first = browsers[0].get(f"{SESSIONS}?limit=2").json
    second = browsers[0].get(f"{SESSIONS}?limit=2&after={first['next']}").json
    last = browsers[0].get(f"{SESSIONS}?limit=2&after={second['next']}").json
    ids = [item["id"] for page in (first, second, last) for item in page["items"]]
    assert len(ids) == len(set(ids)) == 5
    assert last["next"] is None


def test_a_made_up_next_is_refused(client):
    alice = client.as_("alice")
    for after in ("x", "-1", "1e9", "9" * 30, "٣"):
        assert alice.get(f"{SESSIONS}?after={after}").status == 422, after


def test_a_revoked_session_is_over_at_once(client, events):
    one, other = client.as_("alice"), client.as_("alice")
    its_id = other.get(ME).json["session_id"]
    assert one.delete(f"{SESSIONS}/{its_id}").status == 204
    assert other.get(ME).status == 401
    assert events("auth.session_revoked") == ["auth.session_revoked"]


def test_revoking_twice_finds_nothing(client):
    one, other = client.as_("alice"), client.as_("alice")
    its_id = other.get(ME).json["session_id"]
    one.delete(f"{SESSIONS}/{its_id}")
    assert one.delete(f"{SESSIONS}/{its_id}").status == 404


def test_charlie_cannot_tell_alices_session_from_none(client):
    alice, charlie = client.as_("alice"), client.as_("charlie")
    hers = charlie.delete(f"{SESSIONS}/{alice.get(ME).json['session_id']}")
    none = charlie.delete(f"{SESSIONS}/ses_00000000000000000000000000")
    assert hers.status == none.status == 404
    assert hers.json["detail"] == none.json["detail"]
    assert alice.get(ME).status == 200


def test_an_admin_ends_anybodys_session(client):
    alice = client.as_("alice")
    assert client.as_("ada").delete(f"{SESSIONS}/{alice.get(ME).json['session_id']}").status == 204
    assert alice.get(ME).status == 401


def test_a_session_lasts_as_long_as_the_setting_says(client, clock):
    alice = client.as_("alice")
    clock.step(720 * 3600 - 1)
    assert alice.get(ME).status == 200
    clock.step(1)
    assert alice.get(ME).status == 401


def test_using_a_session_shows_when_it_was_seen(client, clock):
    alice = client.as_("alice")
    clock.step(120)
    alice.get(ME)
    assert alice.get(SESSIONS).json["items"][0]["last_seen_at"] == "2026-11-23T02:48:00.000Z"
