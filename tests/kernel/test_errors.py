"""One table of failures."""

import pytest

from jarvis.kernel import errors
from jarvis.kernel.errors import FieldError, Invalid, JarvisError, invalid

KINDS = [kind for kind in JarvisError.__subclasses__() if kind.__module__ == errors.__name__]
TABLE = {
    "Malformed": ("malformed", 400, 65),
    "Unauthenticated": ("unauthenticated", 401, 77),
    "Denied": ("denied", 403, 77),
    "NotFound": ("not_found", 404, 66),
    "MethodNotAllowed": ("method_not_allowed", 405, 64),
    "Conflict": ("conflict", 409, 65),
    "TooLarge": ("too_large", 413, 65),
    "UnsupportedType": ("unsupported_type", 415, 65),
    "Invalid": ("invalid", 422, 65),
    "RateLimited": ("rate_limited", 429, 75),
    "Usage": ("usage", 400, 64),
    "Unavailable": ("unavailable", 503, 69),
    "TryAgain": ("try_again", 503, 75),
    "Misconfigured": ("misconfigured", 500, 78),
}


def test_each_failure_has_its_code_status_and_exit_code() -> None:
    assert {kind.__name__: (kind.code, kind.status, kind.exit_code) for kind in KINDS} == TABLE


def test_anything_else_is_an_internal_error() -> None:
    assert (JarvisError.code, JarvisError.status, JarvisError.exit_code) == ("internal", 500, 70)
    assert str(JarvisError()) == "Internal error"


@pytest.mark.parametrize("kind", KINDS)
def test_without_words_the_title_speaks(kind: type[JarvisError]) -> None:
    assert str(kind()) == kind.title
    assert str(kind("said")) == "said"


def test_bad_fields_speak_for_themselves() -> None:
    error = Invalid(fields=[FieldError("a", "is required"), FieldError("b", "is odd")])
    assert str(error) == "a: is required; b: is odd"
    assert invalid("a", "is odd").fields == (FieldError("a", "is odd"),)


def test_when_to_come_back_is_carried() -> None:
    assert errors.TryAgain(retry_after_seconds=2).retry_after_seconds == 2
