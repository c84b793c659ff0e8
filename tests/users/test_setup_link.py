"""The setup link: makes the first admin once, and looking at it spends nothing."""

import pytest

from jarvis import app as composition
from jarvis.users import actions, store
from tests.conftest import make_client, make_settings

TYPED = {"username": "ada", "password": "correct horse battery"}


@pytest.fixture
def empty(empty_home, make_ctx):
    return make_ctx(make_settings(empty_home))


@pytest.fixture
def visitor(empty):
    return make_client(composition.build_application(empty), empty)


@pytest.fixture
def link(empty):
    return f"/setup?token={actions.new_setup_link(empty)}"


def test_the_link_makes_the_first_admin_and_signs_them_in(visitor, link):
    answer = visitor.submit(link, "/setup", **TYPED)
    assert (answer.status, answer.location) == (303, "/chat")
    assert visitor.get("/api/v1/auth/me").json["role"] == "admin"


def test_looking_at_the_link_spends_nothing(visitor, link):
    for _ in range(3):
        assert visitor.get(link).status == 200
        assert visitor.request("HEAD", link).status == 200
    assert visitor.submit(link, "/setup", **TYPED).status == 303


def test_the_link_works_once(visitor, empty, link):
    visitor.submit(link, "/setup", **TYPED)
    other = make_client(visitor.app, empty)
    token = link.partition("=")[2]
    again = other.post("/setup", form={"token": token, "username": "eve", "password": "correct horse battery"})
    assert (again.status, again.location) == (303, "/login")
    assert other.cookies == {}
    assert other.get(link).location == "/login"
    with empty.db.read() as tx:
        assert store.find_by_name(tx, "eve") is None


def test_a_wrong_or_missing_token_shows_no_form(visitor, link):
    for path in ("/setup", "/setup?token=", "/setup?token=wrong"):
        page = visitor.get(path)
        assert page.status == 403
        assert "<form" not in page.text
        assert "jarvis user add NAME --role admin" in page.text


def test_a_post_with_a_wrong_token_makes_nobody(visitor, empty, link):
    answer = visitor.post("/setup", form=TYPED | {"token": "wrong"})
    assert answer.status == 403
    with empty.db.read() as tx:
        assert store.count(tx) == 0


def test_only_the_newest_link_counts(visitor, empty, link):
    newer = f"/setup?token={actions.new_setup_link(empty)}"
    assert visitor.get(link).status == 403
    assert visitor.get(newer).status == 200


def test_a_link_expires_after_a_day(visitor, clock, link):
    clock.step(24 * 3600)
    assert visitor.get(link).status == 403


def test_a_refused_form_keeps_name_and_link_and_not_the_password(visitor, link):
    answer = visitor.submit(link, "/setup", username="Ada L", password="hunter2")
    assert answer.status == 422
    assert 'value="Ada L"' in answer.text
    assert "hunter2" not in answer.text
    assert "needs at least 8 characters" in answer.text
    assert link.partition("=")[2] in answer.text


def test_somebody_added_on_the_command_line_spends_the_link(visitor, empty, link):
    from dataclasses import replace

    actions.create(replace(empty, role="admin"), "ada", "correct horse battery", "admin")
    assert visitor.get(link).location == "/login"


def test_the_link_is_kept_as_a_digest(empty, link):
    with empty.db.read() as tx:
        kept = store.find_setup_link(tx)
    assert kept is not None
    assert link.partition("=")[2].encode() not in kept
