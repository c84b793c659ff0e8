"""People, as admins see them: add, change, shut out, let in."""

from dataclasses import dataclass

from jarvis.kernel.errors import JarvisError
from jarvis.kernel.schema import Field
from jarvis.users import actions, fields, store
from jarvis.users.store import Session, Token, User
from jarvis.web.forms import EMPTY, Form, refused
from jarvis.web.parts import Parts
from jarvis.web.replies import see_other, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

PEOPLE = "/admin/users"
DONE = {
    "added": "Added. Tell them the password yourself; they can change it under Account.",
    "role": "The role is changed, at once and everywhere.",
    "disabled": "Shut out: every session has ended and tokens no longer work.",
    "enabled": "Let in again: they can sign in with their old password.",
    "password": "The password is set. Every session of theirs has ended.",
    "session": "That session has ended.",
    "token": "That token is revoked.",
}
PASSWORD_OR_NONE = Field(kind="string", longest=1024)
DONE_FIELD = Field(kind="string", longest=40)


@dataclass(frozen=True, slots=True)
class PeoplePage:
    people: list[User]
    next: int | None
    admins: int
    total: int


@dataclass(frozen=True, slots=True)
class NewPersonPage:
    form: Form


@dataclass(frozen=True, slots=True)
class PersonPage:
    user: User
    sessions: list[Session]
    tokens: list[Token]
    is_self: bool
    done: str
    problem: str = ""
    password: Form = EMPTY


def routes(parts: Parts) -> Routes:
    """The pages of this feature for admins."""
    table = Routes("people", pages=True)
    _list_routes(table)
    _change_routes(table)
    _key_routes(table)
    return table


def _list_routes(table: Routes) -> None:
    @table.get(PEOPLE, Access.ADMIN, "Everybody who has an account.", query=LIST_QUERY)
    def index(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, limit + 1, before)
            admins, total = store.count_active_admins(tx), store.count(tx)
        next = found[limit - 1].seq if len(found) > limit else None
        return request.page("users/index.html", PeoplePage(found[:limit], next, admins, total))

    @table.get(f"{PEOPLE}/new", Access.ADMIN, "The form to add somebody.")
    def show_new(request: Request) -> Reply:
        return request.page("users/new.html", NewPersonPage(EMPTY))

    def show_new_again(request: Request, error: JarvisError) -> Reply:
        return request.page("users/new.html", NewPersonPage(refused(request.typed, error)), error.status)

    body = {"username": fields.USERNAME, "password": PASSWORD_OR_NONE, "role": fields.ROLE}

    @table.post(PEOPLE, Access.ADMIN, "Add somebody.", body=body, again=show_new_again)
    def create(request: Request) -> Reply:
        given = request.body
        password = given.get("password") or None
        user = actions.create(request.ctx, given["username"], password, given.get("role", "user"))
        return see_other(f"{PEOPLE}/{user.id}?done=added")


def _person_page(request: Request, status: int = 200, *, problem: str = "", password: Form = EMPTY) -> Reply:
    with request.ctx.db.read() as tx:
        user = store.get(tx, request.path["id"])
        sessions, tokens = store.sessions(tx, user.id), store.tokens(tx, user.id)
    done = DONE.get(request.query.get("done", ""), "")
    is_self = user.id == request.ctx.user_id
    return request.page("users/show.html", PersonPage(user, sessions, tokens, is_self, done, problem, password), status)


def _show_problem(request: Request, error: JarvisError) -> Reply:
    return _person_page(request, error.status, problem=str(error))


def _change_routes(table: Routes) -> None:
    person = f"{PEOPLE}/{{id}}"

    @table.get(person, Access.ADMIN, "One person.", query={"done": DONE_FIELD})
    def show(request: Request) -> Reply:
        return _person_page(request)

    role = Field(kind="string", is_required=True, choices=actions.ROLES)

    @table.post(f"{person}/role", Access.ADMIN, "Change a role.", body={"role": role}, again=_show_problem)
    def set_role(request: Request) -> Reply:
        actions.set_role(request.ctx, request.path["id"], request.body["role"])
        return _back(request, "role")

    @table.post(f"{person}/disable", Access.ADMIN, "Shut somebody out.", again=_show_problem)
    def disable(request: Request) -> Reply:
        actions.set_disabled(request.ctx, request.path["id"], True)
        return _back(request, "disabled")

    @table.post(f"{person}/enable", Access.ADMIN, "Let somebody in again.", again=_show_problem)
    def enable(request: Request) -> Reply:
        actions.set_disabled(request.ctx, request.path["id"], False)
        return _back(request, "enabled")

    def show_password_again(request: Request, error: JarvisError) -> Reply:
        return _person_page(request, error.status, password=refused(request.typed, error))

    @table.post(
        f"{person}/password", Access.ADMIN, "Set a password.",
        body={"password": fields.PASSWORD}, again=show_password_again,
    )  # fmt: skip
    def set_password(request: Request) -> Reply:
        actions.set_password(request.ctx, request.path["id"], request.body["password"])
        return _back(request, "password")


def _key_routes(table: Routes) -> None:
    person = f"{PEOPLE}/{{id}}"

    @table.post(f"{person}/sessions/{{session_id}}/end", Access.ADMIN, "End somebody's session.", again=_show_problem)
    def end_session(request: Request) -> Reply:
        actions.revoke_session(request.ctx, request.path["session_id"])
        return _back(request, "session")

    @table.post(f"{person}/tokens/{{token_id}}/revoke", Access.ADMIN, "Revoke somebody's token.", again=_show_problem)
    def revoke_token(request: Request) -> Reply:
        actions.revoke_token(request.ctx, request.path["token_id"])
        return _back(request, "token")


def _back(request: Request, done: str) -> Reply:
    return see_other(f"{PEOPLE}/{request.path['id']}?done={done}")
