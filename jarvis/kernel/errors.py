"""The one table of failures: what the code says, what HTTP answers, what the shell gets."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field of what somebody sent."""

    field: str
    message: str


class JarvisError(Exception):
    """A failure the caller caused or can fix; its message is safe to show to anybody."""

    code = "internal"
    title = "Internal error"
    status = 500
    exit_code = 70

    def __init__(self, message: str = "", *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message or self.title)
        self.retry_after_seconds = retry_after_seconds
        self.fields: tuple[FieldError, ...] = ()


class Malformed(JarvisError):
    """What was sent could not be parsed at all."""

    code, title, status, exit_code = "malformed", "Malformed request", 400, 65


class Unauthenticated(JarvisError):
    code, title, status, exit_code = "unauthenticated", "Not signed in", 401, 77


class Denied(JarvisError):
    code, title, status, exit_code = "denied", "Not allowed", 403, 77


class NotFound(JarvisError):
    """It does not exist, or it is not yours: the two are never told apart."""

    code, title, status, exit_code = "not_found", "Not found", 404, 66


class MethodNotAllowed(JarvisError):
    code, title, status, exit_code = "method_not_allowed", "Method not allowed", 405, 64


class Conflict(JarvisError):
    """The state of the thing says no."""

    code, title, status, exit_code = "conflict", "Conflict", 409, 65


class TooLarge(JarvisError):
    code, title, status, exit_code = "too_large", "Too large", 413, 65


class UnsupportedType(JarvisError):
    code, title, status, exit_code = "unsupported_type", "Unsupported media type", 415, 65


class Invalid(JarvisError):
    """Understood, and wrong; `fields` says where."""

    code, title, status, exit_code = "invalid", "Invalid input", 422, 65

    def __init__(self, message: str = "", fields: Sequence[FieldError] = ()) -> None:
        super().__init__(message or "; ".join(f"{f.field}: {f.message}" for f in fields))
        self.fields = tuple(fields)


class RateLimited(JarvisError):
    code, title, status, exit_code = "rate_limited", "Too many requests", 429, 75


class Usage(JarvisError):
    """The command line was not understood."""

    code, title, status, exit_code = "usage", "Usage", 400, 64


class Unavailable(JarvisError):
    """Something needed is not there; trying the same again soon does not help by itself."""

    code, title, status, exit_code = "unavailable", "Unavailable", 503, 69


class TryAgain(JarvisError):
    """Busy or restarting; the same request may succeed shortly."""

    code, title, status, exit_code = "try_again", "Try again", 503, 75


class Misconfigured(JarvisError):
    """A setting is wrong; the message names it."""

    code, title, status, exit_code = "misconfigured", "Configuration error", 500, 78


def invalid(field: str, message: str) -> Invalid:
    """Build the error for one bad field."""
    return Invalid(fields=[FieldError(field, message)])
