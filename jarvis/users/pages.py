"""Signing in and out, and one's own account."""

from dataclasses import dataclass

from jarvis.kernel.context import Context
from jarvis.kernel.errors import Denied, JarvisError
from jarvis.kernel.schema import Field
from jarvis.kernel.throttle import Throttle
from jarvis.users import actions, cookies, fields, store
from jarvis.users.store import Session, Token, User
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.identity import COOKIE, cookie
from jarvis.web.parts import Parts
from jarvis.web.replies import local_path, see_other
from jarvis.web.routes import Access, Reply, Request, Routes

HOME = "/chat"
GATES = ("/login", "/logout", "/setup")
DONE = {
    "password": "Your password is changed. Every other session has ended.",
    "session": "That session has ended.",
    "token": "That token is revoked.",
    "preferences": "Your preferences are saved.",
}
NEXT = Field(kind="string", longest=2000)
SETUP_TOKEN = Field(kind="string", longest=200)
LIST = 50


@dataclass(frozen=True, slots=True)
class LoginPage:
    form: Form
    next: str
    has_ended: bool
    """Whether somebody comes with a session that is over."""
    is_first: bool
    """Whether nobody has an account yet."""


@dataclass(frozen=True, slots=True)
class SetupPage:
    form: Form
    token: str
    """"" when the link is no good (any more)."""


@dataclass(frozen=True, slots=True)
class AccountPage:
    user: User
    sessions: list[Session]
    tokens: list[Token]
    session_id: str | None
    done: str
    password: Form = EMPTY
    token: Form = EMPTY
    plain: str = ""
    """The key of a token just made, shown this once."""


def routes(parts: Parts) -> Routes:
    """The pages of this feature that everybody may need."""
    table = Routes("account", pages=True)
    _gate_routes(table, parts.logins)
    _account_routes(table)
    _key_routes(table)
    return table


def _gate_routes(table: Routes, logins: Throttle) -> None:
    @table.get("/", Access.ALL, "Go to the chat.")
    def home(request: Request) -> Reply:
        return see_other(HOME)

    @table.get("/login", Access.ALL, "The form to sign in.", query={"next": NEXT})
    def show_login(request: Request) -> Reply:
        target = _next(request.query.get("next", ""))
        if request.ctx.user_id is not None:
            return see_other(target)
        return _login_page(request, EMPTY, request.query.get("next", ""), 200)

    def show_login_again(request: Request, error: JarvisError) -> Reply:
        typed = request.typed or {}
        return _login_page(request, refused(typed, error), typed.get("next", ""), error.status)

    @table.post("/login", Access.ALL, "Sign in.", body={**fields.LOGIN, "next": NEXT}, again=show_login_again)
    def login(request: Request) -> Reply:
        name, password = request.body["username"], request.body["password"]
        started = actions.sign_in(request.ctx, logins, name, password, request.header("User-Agent"))
        return see_other(_next(request.body.get("next", "")), **cookies.begun(request, started))

    @table.post("/logout", Access.USER, "Sign out.")
    def logout(request: Request) -> Reply:
        actions.sign_out(request.ctx)
        return see_other("/login", **cookies.ended(request))

    @table.get("/setup", Access.ALL, "The form that makes the first admin.", query={"token": SETUP_TOKEN})
    def show_setup(request: Request) -> Reply:
        return _setup_page(request, EMPTY, request.query.get("token", ""), 200)

    def show_setup_again(request: Request, error: JarvisError) -> Reply:
        typed = request.typed or {}
        return _setup_page(request, refused(typed, error), typed.get("token", ""), error.status)

    body = {"token": SETUP_TOKEN, "username": fields.USERNAME, "password": fields.PASSWORD}

    @table.post("/setup", Access.ALL, "Make the first admin.", body=body, again=show_setup_again)
    def set_up(request: Request) -> Reply:
        given = request.body
        agent = request.header("User-Agent")
        started = actions.set_up(request.ctx, given.get("token", ""), given["username"], given["password"], agent)
        return see_other(HOME, **cookies.begun(request, started))


def _next(text: str) -> str:
    target = local_path(text, HOME)
    return HOME if target.partition("?")[0] in GATES else target


def _login_page(request: Request, form: Form, target: str, status: int) -> Reply:
    with request.ctx.db.read() as tx:
        is_first = store.count(tx) == 0
    has_ended = bool(cookie(request.header("Cookie"), COOKIE)) and form is EMPTY
    return request.page("users/login.html", LoginPage(form, target, has_ended, is_first), status)


def _setup_page(request: Request, form: Form, token: str, status: int) -> Reply:
    with request.ctx.db.read() as tx:
        is_done = store.count(tx) > 0
    if is_done:
        return see_other("/login")
    is_good = actions.is_setup_link(request.ctx, token)  # looking spends nothing: mail scanners follow links
    page = SetupPage(form, token if is_good else "")
    return request.page("users/setup.html", page, status if is_good else Denied.status)


def _account_page(
    request: Request, status: int = 200, *, password: Form = EMPTY, token: Form = EMPTY, plain: str = ""
) -> Reply:
    ctx = request.ctx
    assert ctx.user_id is not None
    with ctx.db.read() as tx:
        user = store.get(tx, ctx.user_id)
        sessions, tokens = store.sessions(tx, user.id, LIST), store.tokens(tx, user.id)
    done = DONE.get(request.query.get("done", ""), "")
    page = AccountPage(user, sessions, tokens, ctx.session_id, done, password, token, plain)
    return request.page("users/account.html", page, status)


def _account_routes(table: Routes) -> None:
    done = Field(kind="string", longest=40)

    @table.get("/account", Access.USER, "One's own account.", query={"done": done})
    def show(request: Request) -> Reply:
        return _account_page(request)

    def show_password_again(request: Request, error: JarvisError) -> Reply:
        return _account_page(request, error.status, password=refused(request.typed, error))

    body = {"current": Field(kind="string", is_required=True, longest=10_000), "password": fields.PASSWORD}

    @table.post("/account/password", Access.USER, "Change one's own password.", body=body, again=show_password_again)
    def change_password(request: Request) -> Reply:
        actions.change_password(request.ctx, request.body["current"], request.body["password"])
        return see_other("/account?done=password")

    body = {
        "theme": Field(kind="string", is_required=True, choices=("system", "light", "dark")),
        "has_keys": Field(kind="boolean"),
    }

    @table.post("/account/preferences", Access.USER, "Choose the theme and single keys.", body=body)
    def change_preferences(request: Request) -> Reply:
        actions.set_preferences(request.ctx, request.body["theme"], request.body.get("has_keys", False))
        return see_other("/account?done=preferences")


def _key_routes(table: Routes) -> None:
    @table.post("/account/sessions/{id}/end", Access.USER, "End one of one's own sessions.")
    def end_session(request: Request) -> Reply:
        actions.revoke_session(_own(request.ctx), request.path["id"])
        return see_other("/account?done=session")

    def show_token_again(request: Request, error: JarvisError) -> Reply:
        return _account_page(request, error.status, token=refused(request.typed, error))

    @table.post("/account/tokens", Access.USER, "Make an API token.", body=fields.CREATE_TOKEN, again=show_token_again)
    def create_token(request: Request) -> Reply:
        ctx = request.ctx
        assert ctx.user_id is not None
        _, plain = actions.create_token(ctx, ctx.user_id, request.body["name"], request.body.get("days"))
        return _account_page(request, 201, plain=plain)

    @table.post("/account/tokens/{id}/revoke", Access.USER, "Revoke one of one's own API tokens.")
    def revoke_token(request: Request) -> Reply:
        actions.revoke_token(_own(request.ctx), request.path["id"])
        return see_other("/account?done=token")


def _own(ctx: Context) -> Context:
    """The same person without an admin's reach: /account is about one's own things only."""
    return ctx.acting(actor=ctx.actor, user_id=ctx.user_id, username=ctx.username, role="user")
