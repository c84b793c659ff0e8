"""People and their keys, on the database itself.

Usage:
  jarvis user add NAME [--role ROLE] [--password-stdin | --no-password]
  jarvis user list
  jarvis user passwd NAME [--password-stdin]
  jarvis user role NAME ROLE
  jarvis user disable NAME
  jarvis user enable NAME
  jarvis token create NAME [--user USER] [--days N]
  jarvis token list [--user USER]
  jarvis token revoke ID

Options:
  --role ROLE       user or admin [default: user]
  --password-stdin  read the password from the first line of standard input
  --no-password     somebody who only ever uses tokens
  --user USER       whose token; yours (or cli's) without it
  --days N          days until the token expires; never without it

Every command also takes --json and --as USER.
"""

from jarvis.kernel.clock import rfc3339
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Usage
from jarvis.users import actions, store
from jarvis.users.store import Token, User


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out one `user` or `token` command; returns its exit code."""
    ctx = start.context()
    commands = _USER if args["user"] else _TOKEN
    for name, command in commands.items():
        if args[name]:
            command(ctx, args, console)
    return 0


def _add(ctx: Context, args: Arguments, console: Console) -> None:
    password = None
    if not args["--no-password"]:
        password = console.password(from_stdin=args["--password-stdin"])
    user = actions.create(ctx, args["NAME"], password, args["--role"])
    console.answer(user.as_json(), f"Added {user.username} ({user.role}).")


def _list(ctx: Context, args: Arguments, console: Console) -> None:
    ctx.require_admin()
    with ctx.db.read() as tx:
        people = store.newest(tx, limit=10_000)
    rows = [(user.username, user.role, _state(user), _seen(user.last_seen_at), user.id) for user in people]
    empty = "Nobody yet. Make the first admin: jarvis user add NAME --role admin"
    text = console.table(rows, ("name", "role", "state", "last seen", "id"), empty)
    console.answer({"items": [user.as_json() for user in people], "next": None}, text)


def _state(user: User) -> str:
    if user.is_disabled:
        return "disabled"
    return "active" if user.password else "tokens only"


def _seen(instant: int | None) -> str:
    return rfc3339(instant) if instant else "never"


def _passwd(ctx: Context, args: Arguments, console: Console) -> None:
    user = _named(ctx, args["NAME"])
    actions.set_password(ctx, user.id, console.password(from_stdin=args["--password-stdin"]))
    console.answer(user.as_json(), f"The password of {user.username} is set; every session of theirs has ended.")


def _role(ctx: Context, args: Arguments, console: Console) -> None:
    user = actions.set_role(ctx, _named(ctx, args["NAME"]).id, args["ROLE"])
    console.answer(user.as_json(), f"{user.username} is {'an admin' if user.role == 'admin' else 'a user'}.")


def _disable(ctx: Context, args: Arguments, console: Console) -> None:
    user = actions.set_disabled(ctx, _named(ctx, args["NAME"]).id, True)
    console.answer(user.as_json(), f"{user.username} is shut out: sessions have ended and tokens no longer work.")


def _enable(ctx: Context, args: Arguments, console: Console) -> None:
    user = actions.set_disabled(ctx, _named(ctx, args["NAME"]).id, False)
    console.answer(user.as_json(), f"{user.username} can sign in again.")


def _create_token(ctx: Context, args: Arguments, console: Console) -> None:
    token, plain = actions.create_token(ctx, _holder_id(ctx, args), args["NAME"], _days(args["--days"]))
    console.answer(token.as_json() | {"token": plain}, plain)
    if not console.is_json:
        console.say(f"This is token {token.id} ({token.name}). It is shown this once; keep it somewhere safe.")


def _days(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 3650:
        raise Usage("--days takes a whole number from 1 to 3650.")
    return int(text)


def _list_tokens(ctx: Context, args: Arguments, console: Console) -> None:
    with ctx.db.read() as tx:
        tokens = store.tokens(tx, _holder_id(ctx, args), limit=10_000)
    rows = [(token.name, _seen(token.last_used_at), _end(token), token.id) for token in tokens]
    text = console.table(rows, ("name", "last used", "expires", "id"), "No tokens. Make one: jarvis token create NAME")
    console.answer({"items": [token.as_json() for token in tokens], "next": None}, text)


def _end(token: Token) -> str:
    return rfc3339(token.expires_at) if token.expires_at else "never"


def _revoke_token(ctx: Context, args: Arguments, console: Console) -> None:
    actions.revoke_token(ctx, args["ID"])
    console.answer({"id": args["ID"], "revoked": True}, f"{args['ID']} is useless now.")


def _named(ctx: Context, name: str) -> User:
    with ctx.db.read() as tx:
        return store.get_by_name(tx, name.strip().lower())


def _holder_id(ctx: Context, args: Arguments) -> str:
    if args["--user"]:
        holder = _named(ctx, args["--user"]).id
        if holder != ctx.user_id:
            ctx.require_admin()
        return holder
    assert ctx.user_id is not None
    return ctx.user_id


_USER = {
    "add": _add, "list": _list, "passwd": _passwd, "role": _role, "disable": _disable, "enable": _enable,
}  # fmt: skip
_TOKEN = {"create": _create_token, "list": _list_tokens, "revoke": _revoke_token}
