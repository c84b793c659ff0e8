"""People, sessions and tokens as JSON."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.errors import NotFound
from jarvis.kernel.throttle import Throttle
from jarvis.users import actions, cookies, fields, store
from jarvis.users.store import Session, User
from jarvis.web.parts import Parts
from jarvis.web.replies import as_json, created, no_content, page_of, window
from jarvis.web.routes import LIST_QUERY, Access, Reply, Request, Routes

AUTH, USERS = "/api/v1/auth", "/api/v1/users"


def routes(parts: Parts) -> Routes:
    """The routes of this feature's API."""
    table = Routes("users", schemas=fields.SHOWN)
    _auth_routes(table, Auth(parts.logins))
    _people_routes(table)
    _token_routes(table)
    return table


@dataclass(frozen=True, slots=True)
class Auth:
    """Signing in and out, and the sessions that come of it."""

    logins: Throttle

    def login(self, request: Request) -> Reply:
        name, password = request.body["username"], request.body["password"]
        started = actions.sign_in(request.ctx, self.logins, name, password, request.header("User-Agent"))
        shown = {
            "token": started.token,
            "session_id": started.session.id,
            "user_id": started.user.id,
            "username": started.user.username,
            "role": started.user.role,
            "expires_at": rfc3339(started.session.expires_at),
        }
        return as_json(shown, 200, **cookies.begun(request, started))

    def me(self, request: Request) -> Reply:
        ctx = request.ctx
        shown = {"id": ctx.user_id, "user_id": ctx.user_id, "username": ctx.username, "role": ctx.role}
        return as_json(shown | {"session_id": ctx.session_id})

    def logout(self, request: Request) -> Reply:
        actions.sign_out(request.ctx)
        return no_content(**cookies.ended(request))

    def sessions(self, request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.sessions(tx, request.ctx.user_id, limit + 1, before)
        return page_of(found, lambda session: _session(request.ctx, session), limit, lambda session: session.seq)

    def revoke(self, request: Request) -> Reply:
        actions.revoke_session(request.ctx, request.path["id"])
        return no_content()


def _session(ctx: Context, session: Session) -> dict[str, Any]:
    return session.as_json() | {"current": session.id == ctx.session_id}


def _auth_routes(table: Routes, auth: Auth) -> None:
    table.post(
        f"{AUTH}/login", Access.ALL, "Sign in; also sets the session cookie.", body=fields.LOGIN,
        answers={200: "SignedIn", 401: "The name or the password is wrong.", 429: "Too many failed tries."},
    )(auth.login)  # fmt: skip
    table.get(f"{AUTH}/me", Access.USER, "Who is asking.", answers={200: "Me"})(auth.me)
    table.post(f"{AUTH}/logout", Access.USER, "End this session.", answers={204: "Signed out."})(auth.logout)
    table.get(
        f"{AUTH}/sessions", Access.USER, "One's own sessions, newest first.",
        query=LIST_QUERY, answers={200: "Session[]"},
    )(auth.sessions)  # fmt: skip
    table.delete(
        f"{AUTH}/sessions/{{id}}", Access.USER, "End a session: one's own, or anybody's for an admin.",
        answers={204: "It is over."},
    )(auth.revoke)  # fmt: skip


def _people_routes(table: Routes) -> None:
    @table.get(USERS, Access.ADMIN, "People, newest first.", query=LIST_QUERY, answers={200: "User[]"})
    def index(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            found = store.newest(tx, limit + 1, before)
        return page_of(found, User.as_json, limit, lambda user: user.seq)

    @table.post(
        USERS, Access.ADMIN, "Add somebody.", body=fields.CREATE,
        answers={201: "User", 409: "The name is taken."},
    )  # fmt: skip
    def create(request: Request) -> Reply:
        body = request.body
        user = actions.create(request.ctx, body["username"], body.get("password"), body.get("role", "user"))
        return created(user.as_json(), f"{USERS}/{user.id}")

    @table.get(f"{USERS}/{{id}}", Access.ADMIN, "One person.", answers={200: "User"})
    def show(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            return as_json(store.get(tx, request.path["id"]).as_json())

    @table.patch(
        f"{USERS}/{{id}}", Access.ADMIN, "Change role or password, shut out or let in.", body=fields.CHANGE,
        answers={200: "User", 409: "It would leave no admin who can sign in."},
    )  # fmt: skip
    def change(request: Request) -> Reply:
        body = request.body
        user = actions.change(
            request.ctx,
            request.path["id"],
            role=body.get("role"),
            is_disabled=body.get("disabled"),
            password=body.get("password"),
        )
        return as_json(user.as_json())


def _token_routes(table: Routes) -> None:
    tokens = f"{USERS}/{{id}}/tokens"

    @table.get(tokens, Access.ADMIN, "Somebody's API tokens.", query=LIST_QUERY, answers={200: "Token[]"})
    def index(request: Request) -> Reply:
        limit, before = window(request)
        with request.ctx.db.read() as tx:
            user = store.get(tx, request.path["id"])
            found = store.tokens(tx, user.id, limit + 1, before)
        return page_of(found, lambda token: token.as_json(), limit, lambda token: token.seq)

    @table.post(tokens, Access.ADMIN, "Make an API token.", body=fields.CREATE_TOKEN, answers={201: "NewToken"})
    def create(request: Request) -> Reply:
        body = request.body
        token, plain = actions.create_token(request.ctx, request.path["id"], body["name"], body.get("days"))
        return created(token.as_json() | {"token": plain}, f"{USERS}/{token.user_id}/tokens/{token.id}")

    @table.delete(f"{tokens}/{{token_id}}", Access.ADMIN, "Revoke an API token.", answers={204: "It is useless now."})
    def revoke(request: Request) -> Reply:
        with request.ctx.db.read() as tx:
            if store.get_token(tx, request.path["token_id"]).user_id != request.path["id"]:
                raise NotFound("There is no such token.")
        actions.revoke_token(request.ctx, request.path["token_id"])
        return no_content()
