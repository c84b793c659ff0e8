"""The cookie of a session that has just begun or just ended."""

from jarvis.kernel.clock import SECOND
from jarvis.users.actions import SignedIn
from jarvis.web.identity import set_cookie
from jarvis.web.routes import Request


def begun(request: Request, started: SignedIn) -> dict[str, str]:
    """The header that signs the browser in for as long as the session lasts."""
    seconds = (started.session.expires_at - request.ctx.clock()) // SECOND
    return {"Set-Cookie": set_cookie(started.token, seconds, is_secure=request.is_secure)}


def ended(request: Request) -> dict[str, str]:
    """The header that signs the browser out."""
    return {"Set-Cookie": set_cookie("", 0, is_secure=request.is_secure)}
