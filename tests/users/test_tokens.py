"""API tokens: told once, kept as digests, useless when revoked."""

from jarvis.users import store

ME = "/api/v1/auth/me"


def id_of(ctx, username):
    with ctx.db.read() as tx:
        return store.get_by_name(tx, username).id


def test_an_admin_makes_a_token_that_acts_as_its_owner(client, ctx, events):
    answer = client.as_("ada").post(f"/api/v1/users/{id_of(ctx, 'bob')}/tokens", json={"name": "CI"})
    assert answer.status == 201
    assert answer.location == f"/api/v1/users/{id_of(ctx, 'bob')}/tokens/{answer.json['id']}"
    me = client.get(ME, headers={"Authorization": f"Bearer {answer.json['token']}"})
    assert (me.json["username"], me.json["session_id"]) == ("bob", None)
    assert events("token.") == ["token.created"]


def test_the_key_is_told_once_and_kept_nowhere(client, ctx):
    ada, bob = client.as_("ada"), id_of(ctx, "bob")
    key = ada.post(f"/api/v1/users/{bob}/tokens", json={"name": "CI"}).json["token"]
    listed = ada.get(f"/api/v1/users/{bob}/tokens").json["items"]
    assert [item["name"] for item in listed] == ["CI"]
    assert "token" not in listed[0]
    ctx.db.close()
    for path in ctx.db.path.parent.iterdir():
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path


def test_a_revoked_token_is_useless_at_once(client, ctx, events):
    ada, bob = client.as_("ada"), id_of(ctx, "bob")
    made = ada.post(f"/api/v1/users/{bob}/tokens", json={"name": "CI"}).json
    assert ada.delete(f"/api/v1/users/{bob}/tokens/{made['id']}").status == 204
    assert client.get(ME, headers={"Authorization": f"Bearer {made['token']}"}).status == 401
    assert ada.delete(f"/api/v1/users/{bob}/tokens/{made['id']}").status == 404
    assert events("token.") == ["token.created", "token.revoked"]


def test_a_token_is_found_only_under_its_owner(client, ctx):
    ada = client.as_("ada")
    made = ada.post(f"/api/v1/users/{id_of(ctx, 'bob')}/tokens", json={"name": "CI"}).json
    assert ada.delete(f"/api/v1/users/{id_of(ctx, 'alice')}/tokens/{made['id']}").status == 404


def test_a_token_with_days_expires(client, ctx, clock):
    made = client.as_("ada").post(f"/api/v1/users/{id_of(ctx, 'bob')}/tokens", json={"name": "CI", "days": 2}).json
    bearer = {"Authorization": f"Bearer {made['token']}"}
    clock.step(2 * 86400 - 1)
    assert client.get(ME, headers=bearer).status == 200
    clock.step(1)
    assert client.get(ME, headers=bearer).status == 401


def test_a_token_of_nobody_is_not_made(client):
    answer = client.as_("ada").post("/api/v1/users/usr_00000000000000000000000009/tokens", json={"name": "CI"})
    assert answer.status == 404


def test_wrong_input_names_its_fields(client, ctx):
    answer = client.as_("ada").post(f"/api/v1/users/{id_of(ctx, 'bob')}/tokens", json={"name": " ", "days": 0})
    assert answer.status == 422
    assert answer.fields_at_fault() == ["name", "days"]


def test_tokens_of_somebody_shut_out_stop_working_and_start_again(client, ctx):
    script, ada = client.bearer("bob"), client.as_("ada")
    ada.patch(f"/api/v1/users/{id_of(ctx, 'bob')}", json={"disabled": True})
    assert script.get(ME).status == 401
    ada.patch(f"/api/v1/users/{id_of(ctx, 'bob')}", json={"disabled": False})
    assert script.get(ME).status == 200
