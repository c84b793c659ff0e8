"""The frame: who gets which links, what the strip says, where signed-out people are sent."""

import pytest

from jarvis.app import build_application, navigation
from jarvis.web.routes import Access, Routes
from jarvis.web.shell import NavItem, Shells, StripState, existing
from tests.conftest import make_client


def links_of(page):
    import re

    return re.findall(r'<li><a href="([^"]+)"', page[page.index("<nav") : page.index("<main")])


def test_a_user_gets_no_link_to_what_only_admins_see(client):
    alices, adas = (links_of(client.as_(name).get("/account").text) for name in ("alice", "ada"))
    may_see = [item.path for item in navigation() if item.access is Access.USER]
    assert alices == [path for path in may_see if path in adas]
    assert "/account" in alices
    assert {"/admin/users", "/admin/events"} <= set(adas) - set(alices)


def test_pages_that_are_not_there_are_not_in_the_rail():
    kept = existing(navigation(), ["/account", "/admin/users"])
    assert [item.path for item in kept] == ["/admin/users", "/account"]


def test_the_current_page_and_those_below_it_are_marked(client):
    page = client.as_("ada").get("/admin/users/new").text
    assert '<a href="/admin/users" aria-current="page"' in page
    assert page.count('aria-current="page"') == 1


def test_many_links_are_grouped_behind_more(ctx, as_user):
    nav = tuple(NavItem(f"/p{n}", f"P{n}", Access.USER, "M0 0", "" if n < 2 else f"G{n % 2}") for n in range(6))
    shells = Shells(ctx.clock, "here", nav, lambda _: StripState(), lambda _: None)
    shell = shells(as_user("alice"), "/p3")
    assert [link.item.path for link in shell.dock] == ["/p0", "/p1"]
    assert [(g.title, len(g.links)) for g in shell.groups] == [("G0", 2), ("G1", 2)]
    assert not shell.is_short


def test_few_links_all_stand_in_the_dock(ctx, as_user):
    nav = tuple(NavItem(f"/p{n}", f"P{n}", Access.USER, "M0 0", "G" if n else "") for n in range(4))
    shell = Shells(ctx.clock, "here", nav, lambda _: StripState(), lambda _: None)(as_user("alice"), "/")
    assert len(shell.dock) == 4
    assert shell.is_short


@pytest.fixture
def locked(ctx):
    with ctx.db.write() as tx:
        tx.run(
            "UPDATE system_state SET lockdown = 1, lockdown_reason = :why, lockdown_by = 'manual', lockdown_at = :at",
            why="<b>disk</b>\u202e", at=ctx.clock(),
        )  # fmt: skip


def test_a_lockdown_is_said_on_every_page(client, locked):
    page = client.as_("alice").get("/account").text
    assert '<header class="strip is-danger">' in page
    assert "Locked down</span> since" in page
    assert "&lt;b&gt;disk&lt;/b&gt;\\u202e" in page
    assert ">Ready<" not in page


def test_signed_out_people_are_not_told_how_things_stand(client, locked):
    page = client.get("/docs").text
    assert "Locked down</span>" not in page
    assert "strip is-danger" not in page
    assert "disk" not in page
    assert 'href="/login">Sign in</a>' in page
    assert "<nav" not in page


def test_a_restart_is_said_too(client, ctx):
    with ctx.db.write() as tx:
        tx.run("UPDATE system_state SET restarting = 1")
    assert '<header class="strip is-busy">' in client.as_("alice").get("/account").text


def test_the_server_may_say_more_in_the_strip(ctx):
    state = StripState(running=2, waiting={"/admin/users": 3})
    app = build_application(ctx, read_strip=lambda _: state)
    page = make_client(app, ctx).as_("ada").get("/account").text
    assert "2 tasks running" in page
    assert '<a class="call" href="/admin#person">3 need you</a>' in page
    assert "need you" not in make_client(app, ctx).as_("alice").get("/account").text
    assert '3<span class="sr"> waiting</span>' in page


def test_more_routes_can_come_from_the_server(ctx):
    table = Routes("extra")

    @table.get("/extra", Access.ALL, "Something only the server has.")
    def show(request):
        from jarvis.web.replies import text

        return text("here")

    client = make_client(build_application(ctx, more=[table]), ctx)
    assert client.get("/extra").text == "here"


@pytest.mark.parametrize("path", ["/account", "/admin/users"])
def test_htmx_is_told_to_leave_instead_of_swapping_the_sign_in_page_in(client, path):
    answer = client.get(path, headers={"HX-Request": "true"})
    assert answer.status == 401
    assert answer.headers["hx-redirect"] == "/login"


def test_a_fault_for_htmx_is_a_part_and_not_a_page(client):
    answer = client.as_("ada").get("/admin/users/usr_nobody", headers={"HX-Request": "true"})
    assert answer.status == 404
    assert "<html" not in answer.text
    assert 'id="fault"' in answer.text
    assert "There is no such user." in answer.text


def test_next_keeps_the_whole_address(client):
    assert client.get("/admin/users?limit=5&after=7").location == "/login?next=/admin/users%3Flimit%3D5%26after%3D7"
    assert client.post("/account/preferences", form={}).location == "/login"
