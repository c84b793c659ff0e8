"""Who uses Jarvis and from where."""

from collections.abc import Mapping
from typing import Any

from jarvis.agent.builtin.intents import Call, Catalog, Intent, Telling
from jarvis.agent.builtin.prose import ago, bullets, in_words, instant, listing, plural, safe, sentence

WORDS = {
    "user": "user users account accounts people members person",
    "session": "session sessions device devices",
    "online": "login online logged signed connected active",
    "admin": "admin admins administrator administrators",
    "role": "role roles rights permissions",
    "who": "who whom",
    "mine": "my mine own",
}


def users(telling: Telling) -> str:
    found = _rows(telling.result, "users")
    if not found:
        return "The list of users is empty."
    person = telling.slots.person.casefold()
    chosen = [user for user in found if person in str(user.get("username", "")).casefold()] if person else found
    if person and not chosen:
        return f"There is no user called {safe(telling.slots.person)} among {plural(len(found), 'user')}."
    admins = [safe(user.get("username"), 40) for user in found if user.get("role") == "admin"]
    disabled = sum(bool(user.get("disabled")) for user in found)
    head = f"There {'is' if len(found) == 1 else 'are'} {in_words(len(found), 'user')}"
    head += f"; {listing(admins)} {'is' if len(admins) == 1 else 'are'} admin" if admins else "; none is admin"
    head += f" and {in_words(disabled, 'is', 'are')} disabled" if disabled else ""
    return f"{head}.\n\n{bullets(_user_line(user, telling) for user in chosen[:50])}"


def sessions(telling: Telling) -> str:
    found = _rows(telling.result, "sessions")
    if not found:
        return "Nobody is signed in."
    person = telling.slots.person.casefold()
    chosen = [row for row in found if person in str(row.get("username", "")).casefold()] if person else found
    if person and not chosen:
        return f"{safe(telling.slots.person)} has no session."
    names = sorted({str(row.get("username") or "") for row in chosen} - {""})
    verb = "is" if len(chosen) == 1 else "are"
    whose = f" of {listing([safe(name, 40) for name in names[:8]])}" if 0 < len(names) <= 8 else ""
    head = f"There {verb} {in_words(len(chosen), 'session')}{whose}:"
    return f"{head}\n\n{bullets(_session_line(row, telling) for row in chosen[:50])}"


def _rows(result: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = result.get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _user_line(user: Mapping[str, Any], telling: Telling) -> str:
    seen = instant(user.get("last_seen_at"))
    parts = [safe(user.get("role") or "unknown role")]
    parts += ["disabled"] if user.get("disabled") else []
    parts.append(f"last seen {ago(seen, telling.now)}" if seen is not None else "never seen")
    return f"**{safe(user.get('username'), 40)}**: {', '.join(parts)}"


def _session_line(row: Mapping[str, Any], telling: Telling) -> str:
    seen, since = instant(row.get("last_seen_at")), instant(row.get("created_at"))
    parts = [safe(row["client"], 80)] if row.get("client") else []
    parts += [f"since {ago(since, telling.now)}"] if since is not None else []
    parts += [f"last seen {ago(seen, telling.now)}"] if seen is not None else []
    mark = " (this one)" if row.get("current") else ""
    return sentence(f"**{safe(row.get('username') or 'session', 40)}**{mark}: {', '.join(parts) or 'no details'}")


CATALOG = Catalog(
    (
        Intent(
            "users.list",
            "the users of Jarvis",
            (
                "list the users",
                "who has an account?",
                "how many users are there",
                "which users are admins",
                "show me all accounts",
                "who is admin",
            ),
            {
                "user": 0.75,
                "admin": 0.5,
                "role": 0.3,
                "who": 0.1,
                "online": -0.15,
                "jarvis": 0.05,
                "repo": -0.2,
                "commit": -0.3,
                "cpu": -0.4,
                "memory": -0.4,
            },
            users,
            lambda slots: Call("users.list"),
            needs=("user|admin",),
            takes={"person": 0.05},
            admin_only=True,
        ),
        Intent(
            "sessions.list",
            "who is signed in",
            (
                "who is signed in?",
                "list the sessions",
                "who is online",
                "show my sessions",
                "active sessions",
                "which devices am I logged in from",
            ),
            {
                "session": 0.75,
                "online": 0.6,
                "who": 0.15,
                "user": 0.2,
                "where": 0.05,
                "mine": 0.05,
                "jarvis": 0.05,
                "repo": -0.3,
            },
            sessions,
            lambda slots: Call("sessions.list"),
            needs=("session|online",),
            takes={"person": 0.1, "period": 0.0},
        ),
    ),
    WORDS,
)
