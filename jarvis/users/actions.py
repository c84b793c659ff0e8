"""What can be done to people, sessions and tokens. Each action: check, store, record."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, Denied, FieldError, Invalid, NotFound, Unauthenticated, invalid
from jarvis.kernel.throttle import Throttle
from jarvis.users import passwords, store
from jarvis.users.store import Session, Token, User

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
ROLES = ("user", "admin")
RESERVED = frozenset(("system", "scheduler", "agent", "nobody", "jarvis"))
SETUP_SECONDS = 24 * 3600
TOUCH_SECONDS = 60


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session and its token, which is told once and never kept."""

    user: User
    session: Session
    token: str


def key_digest(token: str) -> bytes:
    """What is kept of a session or API token: they are random, so a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _new_key(kind: str) -> str:
    return f"jrv_{kind}_{secrets.token_urlsafe(32)}"


def _hour(hours: int) -> int:
    return hours * 3600 * SECOND


def sign_in(ctx: Context, throttle: Throttle, username: str, password: str, agent: str) -> SignedIn:
    """Start a session; the answer takes as long and reads the same whichever part is wrong."""
    name = username.strip().lower()
    keys = (f"client {ctx.client}", f"name {name}")
    throttle.check(ctx.clock(), *keys)
    with ctx.db.read() as tx:
        user = store.find_by_name(tx, name)
    usable = user is not None and not user.is_disabled and not user.is_builtin
    is_right = passwords.matches(password, user.password if usable and user else None)
    if not is_right or user is None:
        throttle.count(ctx.clock(), *keys)
        with ctx.db.write() as tx:
            tx.record("auth.login_failed", f"user/{name[:64]}", {"client": ctx.client})
        raise Unauthenticated("The name or the password is wrong.")
    with ctx.db.write() as tx:
        current = store.get(tx, user.id)
        if current.is_disabled or current.password != user.password:
            raise Unauthenticated("The name or the password is wrong.")
        return start_session(_as(ctx, user), user, agent)


def _as(ctx: Context, user: User) -> Context:
    return ctx.acting(actor=user.username, user_id=user.id, username=user.username, role=user.role)


def start_session(ctx: Context, user: User, agent: str, seconds: int = 0) -> SignedIn:
    """A session for a person already recognised. `seconds` 0 means the configured time."""
    token = _new_key("ses")
    lifetime = seconds * SECOND or _hour(ctx.settings.web_auth_token_ttl_hours)
    with ctx.db.write() as tx:
        store.delete_expired(tx)
        session = store.insert_session(
            tx,
            ctx.ids.new("ses"),
            user.id,
            key_digest(token),
            ctx.client[:200],
            agent[:200],
            tx.now + lifetime,
        )
        store.touch(tx, session.id, user.id)
        tx.record("auth.login", f"session/{session.id}", {"client": ctx.client, "user_id": user.id})
    return SignedIn(user, session, token)


def recognise(ctx: Context, token: str) -> tuple[store.Holder, bool] | None:
    """Whose key this is and whether it is a session; None when it is no good."""
    table = {"jrv_ses_": "sessions", "jrv_tok_": "tokens"}.get(token[:8])
    if table is None or len(token) > 200:
        return None
    with ctx.db.read() as tx:
        holder = store.find_holder(tx, table, key_digest(token))
        now = tx.now
    if holder is None:
        return None
    if holder.last_used_at is None or abs(now - holder.last_used_at) > TOUCH_SECONDS * SECOND:
        with ctx.db.write() as tx:
            store.touch(tx, holder.key_id, holder.user_id)
    return holder, table == "sessions"


def sign_out(ctx: Context) -> None:
    """End the session that is asking."""
    if ctx.session_id is None:
        raise Conflict("An API token is not signed out; revoke it instead.")
    with ctx.db.write() as tx:
        store.delete_session(tx, ctx.session_id)
        tx.record("auth.logout", f"session/{ctx.session_id}", {"session_id": ctx.session_id})


def revoke_session(ctx: Context, session_id: str) -> None:
    """End a session: one's own, or anybody's for an admin."""
    with ctx.db.write() as tx:
        session = store.get_session(tx, session_id)
        if session.user_id != ctx.user_id and not ctx.is_admin:
            raise NotFound("There is no such session.")
        _end(ctx, [session_id], session.user_id)


def _end(ctx: Context, session_ids: list[str], user_id: str) -> None:
    with ctx.db.write() as tx:
        for session_id in session_ids:
            store.delete_session(tx, session_id)
            tx.record(
                "auth.session_revoked",
                f"session/{session_id}",
                {"session_id": session_id, "user_id": user_id},
            )


def create(ctx: Context, username: str, password: str | None, role: str) -> User:
    """Add a person. A password of None makes somebody who can only use tokens."""
    ctx.require_admin()
    name = _checked_name(username, password)
    _check_role(role)
    hashed = passwords.digest(password) if password is not None else None
    with ctx.db.write() as tx:
        if store.find_by_name(tx, name) is not None:
            raise Conflict(f"There is a user {name} already.")
        user = store.insert(tx, ctx.ids.new("usr"), name, role, hashed)
        store.delete_setup_link(tx)
        tx.record("user.created", f"user/{user.id}", {"username": name, "role": role})
    return user


def _checked_name(username: str, password: str | None) -> str:
    """The name as it is kept; raises Invalid for all that is wrong with it and the password."""
    name = username.strip().lower()
    faults = [*_name_faults(name), *(_password_faults(password, name) if password is not None else [])]
    if faults:
        raise Invalid(fields=faults)
    return name


def _name_faults(name: str) -> Iterator[FieldError]:
    if not NAME.fullmatch(name):
        yield FieldError("username", "must be 1 to 63 letters, digits, dots, dashes or underscores")
    elif name in RESERVED or name == "cli":
        yield FieldError("username", "is one the system uses itself")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise invalid("role", "must be user or admin")


def _password_faults(password: str, username: str) -> Iterator[FieldError]:
    if len(password) < passwords.SHORTEST:
        yield FieldError("password", f"needs at least {passwords.SHORTEST} characters")
    elif len(password) > passwords.LONGEST:
        yield FieldError("password", f"is longer than {passwords.LONGEST} characters")
    elif password.strip().lower() == username:
        yield FieldError("password", "may not be the name itself")


def change_password(ctx: Context, current: str, new: str) -> None:
    """Change one's own password; every other session ends."""
    assert ctx.user_id is not None
    with ctx.db.read() as tx:
        user = store.get(tx, ctx.user_id)
    if not passwords.matches(current, user.password):
        raise invalid("current", "is not your password")
    _replace_password(ctx, user, _hashed(user, new), keep=ctx.session_id)


def set_password(ctx: Context, user_id: str, new: str) -> None:
    """Set somebody's password as an admin; all their sessions end."""
    change(ctx, user_id, password=new)


def _hashed(user: User, new: str) -> str:
    if user.is_builtin:
        raise Conflict("The built-in user cannot sign in.")
    faults = list(_password_faults(new, user.username))
    if faults:
        raise Invalid(fields=faults)
    return passwords.digest(new)


def _replace_password(ctx: Context, user: User, hashed: str, keep: str | None) -> None:
    with ctx.db.write() as tx:
        store.set_password(tx, user.id, hashed)
        _end(ctx, [s for s in store.session_ids(tx, user.id) if s != keep], user.id)
        tx.record("user.password_changed", f"user/{user.id}", {"username": user.username})


def set_role(ctx: Context, user_id: str, role: str) -> User:
    """Make somebody an admin or a user; sessions and sockets follow at once."""
    ctx.require_admin()
    _check_role(role)
    with ctx.db.write() as tx:
        user = _changeable(tx, user_id)
        if user.role != role:
            store.set_role(tx, user_id, role)
            _check_an_admin_is_left(tx)
            tx.record(
                "user.role_changed",
                f"user/{user_id}",
                {"username": user.username, "role": role, "user_id": user_id},
            )
        return store.get(tx, user_id)


def set_disabled(ctx: Context, user_id: str, is_disabled: bool) -> User:
    """Shut somebody out (every session ends, tokens stop working) or let them in again."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        user = _changeable(tx, user_id)
        if bool(user.is_disabled) != is_disabled:
            store.set_disabled(tx, user_id, is_disabled)
            _check_an_admin_is_left(tx)
            _end(ctx, store.session_ids(tx, user_id) if is_disabled else [], user_id)
            kind = "user.disabled" if is_disabled else "user.enabled"
            tx.record(kind, f"user/{user_id}", {"username": user.username, "user_id": user_id})
        return store.get(tx, user_id)


def _changeable(tx: Tx, user_id: str) -> User:
    user = store.get(tx, user_id)
    if user.is_builtin:
        raise Conflict("The built-in user is not changed.")
    return user


def _check_an_admin_is_left(tx: Tx) -> None:
    if store.count_active_admins(tx) == 0:
        raise Conflict("This is the last admin who can sign in; make somebody else an admin first.")


def change(
    ctx: Context, user_id: str, *, role: str | None = None, is_disabled: bool | None = None, password: str | None = None
) -> User:
    """Several changes to one person, all or none of them; None leaves a thing as it is."""
    ctx.require_admin()
    with ctx.db.read() as tx:
        user = store.get(tx, user_id)
    hashed = _hashed(user, password) if password is not None else None  # slow, so before the write
    with ctx.db.write() as tx:
        if hashed is not None:
            _replace_password(ctx, user, hashed, keep=None)
        if role is not None:
            set_role(ctx, user_id, role)
        if is_disabled is not None:
            set_disabled(ctx, user_id, is_disabled)
        return store.get(tx, user_id)


def set_preferences(ctx: Context, theme: str, has_keys: bool) -> None:
    """Keep how somebody likes their pages."""
    assert ctx.user_id is not None
    with ctx.db.write() as tx:
        store.set_preferences(tx, ctx.user_id, theme, has_keys)


def create_token(ctx: Context, user_id: str, name: str, days: int | None) -> tuple[Token, str]:
    """A key for scripts: one's own, or anybody's for an admin. The plain key is told once."""
    if user_id != ctx.user_id and not ctx.is_admin:
        raise Denied("Only an admin makes tokens for somebody else.")
    if not name.strip():
        raise invalid("name", "may not be empty")
    plain = _new_key("tok")
    with ctx.db.write() as tx:
        user = store.get(tx, user_id)
        expires_at = tx.now + _hour(24 * days) if days else None
        token = store.insert_token(tx, ctx.ids.new("tok"), user.id, name.strip()[:100], key_digest(plain), expires_at)
        tx.record("token.created", f"token/{token.id}", {"user_id": user.id, "name": token.name})
    return token, plain


def revoke_token(ctx: Context, token_id: str) -> None:
    """Make a key useless at once: one's own, or anybody's for an admin."""
    with ctx.db.write() as tx:
        token = store.get_token(tx, token_id)
        if token.user_id != ctx.user_id and not ctx.is_admin:
            raise NotFound("There is no such token.")
        store.delete_token(tx, token_id)
        tx.record("token.revoked", f"token/{token_id}", {"user_id": token.user_id, "name": token.name})


def replace_token(ctx: Context, token_id: str, old_until: int | None) -> tuple[Token, str]:
    """A new key of the same name and length of life for the same person; the old one ends then, or now for None."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        old = store.get_token(tx, token_id)
        days = -(-(old.expires_at - old.created_at) // _hour(24)) if old.expires_at else None
        new, plain = create_token(ctx, old.user_id, old.name, days)
        if old_until is None:
            revoke_token(ctx, old.id)
        else:
            store.set_token_end(tx, old.id, old_until)
    return new, plain


def end_every_session(ctx: Context) -> int:
    """Sign everybody out everywhere; returns how many sessions there were."""
    ctx.require_admin()
    count = 0
    with ctx.db.write() as tx:
        while found := store.sessions(tx, None, 200):
            for session in found:
                _end(ctx, [session.id], session.user_id)
            count += len(found)
    return count


def new_setup_link(ctx: Context) -> str | None:
    """A fresh one-time token for /setup while nobody is there yet; older ones stop working."""
    plain = secrets.token_urlsafe(24)
    with ctx.db.write() as tx:
        if store.count(tx):
            return None
        store.set_setup_link(tx, key_digest(plain), tx.now + SETUP_SECONDS * SECOND)
        tx.record("user.setup_link", "setup", {"seconds": SETUP_SECONDS})
    return plain


def is_setup_link(ctx: Context, plain: str) -> bool:
    """Whether a setup token would be taken; looking does not spend it."""
    with ctx.db.read() as tx:
        kept = store.find_setup_link(tx)
        return kept is not None and store.count(tx) == 0 and hmac.compare_digest(kept, key_digest(plain))


def set_up(ctx: Context, plain: str, username: str, password: str, agent: str) -> SignedIn:
    """Spend the setup link: make the first admin and sign them in, or change nothing."""
    if not is_setup_link(ctx, plain):
        raise Denied("This setup link is not good (any more). Start Jarvis again to get a fresh one.")
    name = _checked_name(username, password)
    hashed = passwords.digest(password)
    with ctx.db.write() as tx:
        if store.count(tx) or not is_setup_link(ctx, plain):
            raise Conflict("Somebody has set Jarvis up already. Sign in instead.")
        user = store.insert(tx, ctx.ids.new("usr"), name, "admin", hashed)
        store.delete_setup_link(tx)
        tx.record("user.created", f"user/{user.id}", {"username": name, "role": "admin", "by": "setup link"})
        return start_session(_as(ctx, user), user, agent)


def create_configured_admin(ctx: Context) -> bool:
    """Make `admin` from WEB_AUTH_SETUP_PASSWORD when nobody is there yet."""
    password = ctx.settings.web_auth_setup_password
    with ctx.db.read() as tx:
        if not password or store.count(tx):  # before the hash, which costs a start a tenth of a second
            return False
    hashed = passwords.digest(password)
    with ctx.db.write() as tx:
        if store.count(tx):
            return False
        user = store.insert(tx, ctx.ids.new("usr"), "admin", "admin", hashed)
        store.delete_setup_link(tx)
        tx.record("user.created", f"user/{user.id}", {"username": "admin", "role": "admin", "by": "setting"})
    return True
