"""People, sessions and tokens on disk: the rows, and every statement that touches them."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound
from jarvis.users.devices import device

CLI_USER_ID = "usr_00000000000000000000000000"


@dataclass(frozen=True, slots=True)
class User:
    """One person (or the built-in `cli`). `password` is a hash, None when there is none."""

    seq: int
    id: str
    username: str
    role: str
    password: str | None
    is_disabled: bool
    is_builtin: bool
    theme: str
    has_keys: bool
    created_at: int
    last_seen_at: int | None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "username": self.username,
            "role": self.role,
            "disabled": bool(self.is_disabled),
            "builtin": bool(self.is_builtin),
            "created_at": rfc3339(self.created_at),
            "last_seen_at": rfc3339(self.last_seen_at) if self.last_seen_at else None,
        }


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in on one device."""

    seq: int
    id: str
    user_id: str
    username: str
    client: str
    agent: str
    created_at: int
    expires_at: int
    last_seen_at: int | None

    @property
    def device(self) -> str:
        return device(self.agent)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "user_id": self.user_id,
            "username": self.username,
            "client": self.client,
            "agent": self.agent,
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.expires_at),
            "last_seen_at": rfc3339(self.last_seen_at or self.created_at),
        }


@dataclass(frozen=True, slots=True)
class Token:
    """A key for scripts. Only its digest is kept."""

    seq: int
    id: str
    user_id: str
    name: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "user_id": self.user_id,
            "name": self.name,
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.expires_at) if self.expires_at else None,
            "last_used_at": rfc3339(self.last_used_at) if self.last_used_at else None,
        }


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a session or token, with what is needed to let them in."""

    key_id: str
    user_id: str
    username: str
    role: str
    last_used_at: int | None


USER = "seq, id, username, role, password, is_disabled, is_builtin, theme, has_keys, created_at, last_seen_at"
SESSION = (
    "s.seq, s.id, s.user_id, u.username, s.client, s.agent, s.created_at, s.expires_at, l.at"
    " FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN last_uses l ON l.id = s.id"
)
KEY = (
    "t.seq, t.id, t.user_id, t.name, t.created_at, t.expires_at, l.at"
    " FROM tokens t LEFT JOIN last_uses l ON l.id = t.id"
)


def get(tx: Tx, user_id: str) -> User:
    user = find(tx, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def find(tx: Tx, user_id: str) -> User | None:
    return tx.one(User, f"SELECT {USER} FROM users WHERE id = :id", id=user_id)


def find_by_name(tx: Tx, username: str) -> User | None:
    return tx.one(User, f"SELECT {USER} FROM users WHERE username = :username", username=username)


def get_by_name(tx: Tx, username: str) -> User:
    user = find_by_name(tx, username)
    if user is None:
        raise NotFound(f"There is no user {username}.")
    return user


def newest(tx: Tx, limit: int = 200, before: int = 2**62) -> list[User]:
    """People, newest first; the built-in user is not listed."""
    return tx.all(
        User,
        f"SELECT {USER} FROM users WHERE seq < :before AND is_builtin = 0 ORDER BY seq DESC LIMIT :limit",
        before=before,
        limit=limit,
    )


def count(tx: Tx) -> int:
    """How many people there are, the built-in user not counted."""
    return tx.one(int, "SELECT count(*) FROM users WHERE is_builtin = 0") or 0


def count_active_admins(tx: Tx) -> int:
    sql = "SELECT count(*) FROM users WHERE role = 'admin' AND is_disabled = 0 AND is_builtin = 0"
    return tx.one(int, sql) or 0


def insert(tx: Tx, user_id: str, username: str, role: str, password: str | None) -> User:
    tx.run(
        "INSERT INTO users (id, username, role, password, created_at) VALUES (:id, :username, :role, :password, :now)",
        id=user_id,
        username=username,
        role=role,
        password=password,
        now=tx.now,
    )
    return get(tx, user_id)


def set_password(tx: Tx, user_id: str, password: str) -> None:
    tx.run("UPDATE users SET password = :password WHERE id = :id", password=password, id=user_id)


def set_role(tx: Tx, user_id: str, role: str) -> None:
    tx.run("UPDATE users SET role = :role WHERE id = :id", role=role, id=user_id)


def set_disabled(tx: Tx, user_id: str, is_disabled: bool) -> None:
    tx.run("UPDATE users SET is_disabled = :value WHERE id = :id", value=int(is_disabled), id=user_id)


def set_preferences(tx: Tx, user_id: str, theme: str, has_keys: bool) -> None:
    tx.run(
        "UPDATE users SET theme = :theme, has_keys = :keys WHERE id = :id",
        theme=theme,
        keys=int(has_keys),
        id=user_id,
    )


def insert_session(
    tx: Tx, session_id: str, user_id: str, digest: bytes, client: str, agent: str, expires_at: int
) -> Session:
    tx.run(
        "INSERT INTO sessions (id, user_id, digest, client, agent, created_at, expires_at)"
        " VALUES (:id, :user, :digest, :client, :agent, :now, :expires)",
        id=session_id, user=user_id, digest=digest, client=client, agent=agent, now=tx.now, expires=expires_at,
    )  # fmt: skip
    return get_session(tx, session_id)


def get_session(tx: Tx, session_id: str) -> Session:
    session = tx.one(Session, f"SELECT {SESSION} WHERE s.id = :id", id=session_id)
    if session is None:
        raise NotFound("There is no such session.")
    return session


def sessions(tx: Tx, user_id: str | None, limit: int = 50, before: int = 2**62) -> list[Session]:
    """Sessions still good, newest first: one person's, or everybody's for None."""
    where = "s.user_id = :user AND" if user_id else ""
    sql = f"SELECT {SESSION} WHERE {where} s.seq < :before AND s.expires_at > :now ORDER BY s.seq DESC LIMIT :limit"
    return tx.all(Session, sql, user=user_id, before=before, now=tx.now, limit=limit)


def session_ids(tx: Tx, user_id: str) -> list[str]:
    return tx.all(str, "SELECT id FROM sessions WHERE user_id = :user", user=user_id)


def delete_session(tx: Tx, session_id: str) -> None:
    tx.run("DELETE FROM last_uses WHERE id = :id", id=session_id)
    tx.run("DELETE FROM sessions WHERE id = :id", id=session_id)


def delete_expired(tx: Tx) -> int:
    """Forget sessions and tokens past their time."""
    tx.run(
        "DELETE FROM last_uses WHERE id IN (SELECT id FROM sessions WHERE expires_at <= :now"
        " UNION ALL SELECT id FROM tokens WHERE expires_at <= :now)",
        now=tx.now,
    )
    gone = tx.run("DELETE FROM sessions WHERE expires_at <= :now", now=tx.now)
    return gone + tx.run("DELETE FROM tokens WHERE expires_at <= :now", now=tx.now)


def insert_token(tx: Tx, token_id: str, user_id: str, name: str, digest: bytes, expires_at: int | None) -> Token:
    tx.run(
        "INSERT INTO tokens (id, user_id, name, digest, created_at, expires_at)"
        " VALUES (:id, :user, :name, :digest, :now, :expires)",
        id=token_id,
        user=user_id,
        name=name,
        digest=digest,
        now=tx.now,
        expires=expires_at,
    )
    return get_token(tx, token_id)


def get_token(tx: Tx, token_id: str) -> Token:
    token = tx.one(Token, f"SELECT {KEY} WHERE t.id = :id", id=token_id)
    if token is None:
        raise NotFound("There is no such token.")
    return token


def tokens(tx: Tx, user_id: str, limit: int = 200, before: int = 2**62) -> list[Token]:
    """One person's tokens still good, newest first."""
    sql = (
        f"SELECT {KEY} WHERE t.user_id = :user AND t.seq < :before AND (t.expires_at IS NULL OR t.expires_at > :now)"
        " ORDER BY t.seq DESC LIMIT :limit"
    )
    return tx.all(Token, sql, user=user_id, before=before, now=tx.now, limit=limit)


def all_tokens(tx: Tx) -> list[Token]:
    """Everybody's tokens still good, newest first: they are made by hand, one by one."""
    sql = f"SELECT {KEY} WHERE t.expires_at IS NULL OR t.expires_at > :now ORDER BY t.seq DESC"
    return tx.all(Token, sql, now=tx.now)


def set_token_end(tx: Tx, token_id: str, expires_at: int) -> None:
    """Let a token end at an instant, or when it would have anyway."""
    sql = "UPDATE tokens SET expires_at = min(coalesce(expires_at, :at), :at) WHERE id = :id"
    tx.run(sql, id=token_id, at=expires_at)


def token_ends(tx: Tx) -> dict[str, int | None]:
    """Every API token there is, whoever's, and when it ends; None when it does not."""
    return dict(tx.all(lambda *row: row, "SELECT id, expires_at FROM tokens ORDER BY seq"))


def delete_token(tx: Tx, token_id: str) -> None:
    tx.run("DELETE FROM last_uses WHERE id = :id", id=token_id)
    tx.run("DELETE FROM tokens WHERE id = :id", id=token_id)


def find_holder(tx: Tx, table: str, digest: bytes) -> Holder | None:
    """Whose session or token this is, when it is still good and the person may sign in."""
    assert table in ("sessions", "tokens")
    return tx.one(
        Holder,
        "SELECT k.id, u.id, u.username, u.role, l.at"
        f" FROM {table} k JOIN users u ON u.id = k.user_id LEFT JOIN last_uses l ON l.id = k.id"
        " WHERE k.digest = :digest AND (k.expires_at IS NULL OR k.expires_at > :now) AND u.is_disabled = 0",
        digest=digest,
        now=tx.now,
    )


def touch(tx: Tx, key_id: str, user_id: str) -> None:
    """Remember that a session or token, and its owner, were seen now."""
    tx.run(
        "INSERT INTO last_uses (id, at) VALUES (:id, :now) ON CONFLICT (id) DO UPDATE SET at = :now",
        id=key_id,
        now=tx.now,
    )
    tx.run("UPDATE users SET last_seen_at = :now WHERE id = :id", now=tx.now, id=user_id)


def set_setup_link(tx: Tx, digest: bytes, expires_at: int) -> None:
    tx.run(
        "INSERT INTO setup_links (id, digest, expires_at) VALUES (1, :digest, :expires)"
        " ON CONFLICT (id) DO UPDATE SET digest = :digest, expires_at = :expires",
        digest=digest,
        expires=expires_at,
    )


def find_setup_link(tx: Tx) -> bytes | None:
    """The digest of the setup link that is still good."""
    return tx.one(bytes, "SELECT digest FROM setup_links WHERE expires_at > :now", now=tx.now)


def delete_setup_link(tx: Tx) -> None:
    tx.run("DELETE FROM setup_links")
