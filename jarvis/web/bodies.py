"""What a request carries beside its headers: bounded, decoded and checked, or refused."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from jarvis.kernel import schema
from jarvis.kernel.errors import Malformed, TooLarge, UnsupportedType
from jarvis.kernel.schema import Fields

FORM = "application/x-www-form-urlencoded"
MOST_FORM_FIELDS = 500
MOST_QUERY_FIELDS = 100


def read(environ: Mapping[str, Any], most_bytes: int) -> bytes:
    """The body, when it is no longer than it may be; raises TooLarge."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise Malformed("Content-Length is not a number.") from None
    if length > most_bytes:
        raise TooLarge(f"The body has {length:,} bytes; at most {most_bytes:,} are taken here.")
    data: bytes = environ["wsgi.input"].read(length) if length > 0 else b""
    return data


def query(fields: Fields, environ: Mapping[str, Any]) -> dict[str, Any]:
    """The query's known fields; raises Malformed or Invalid."""
    text = environ.get("QUERY_STRING", "")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_QUERY_FIELDS)
    except ValueError:
        raise Malformed("The query is not valid UTF-8, or has too many fields.") from None
    return schema.from_text(fields, dict(pairs))


def json_fields(fields: Fields | None, environ: Mapping[str, Any], raw: bytes) -> dict[str, Any]:
    """A JSON body's known fields. A body may be missing where nothing in it is required."""
    if fields is None:
        return {}
    if not raw and not any(field.is_required for field in fields.values()):
        return {}
    if _media_type(environ) != "application/json":
        raise UnsupportedType("Send the body as application/json.")
    return schema.check(fields, parse_json(raw))


def parse_json(raw: bytes) -> Any:
    """JSON from outside; raises Malformed for bad UTF-8, bad syntax, NaN and bottomless nesting."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not valid UTF-8 (byte {error.start}).") from None
    except RecursionError:
        raise Malformed("The JSON is nested too deeply.") from None
    except ValueError as error:
        raise Malformed(f"The body is not valid JSON: {error}.") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON value")


def form(environ: Mapping[str, Any], raw: bytes) -> dict[str, str]:
    """A form's values as they were typed; raises UnsupportedType or Malformed."""
    if raw and _media_type(environ) != FORM:
        raise UnsupportedType(f"Send the form as {FORM}.")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FORM_FIELDS)
    except ValueError:
        raise Malformed("The form is not valid UTF-8, or has too many fields.") from None
    joined: dict[str, str] = {}
    for name, value in pairs:  # a box ticked more than once is a list, one entry a line
        joined[name] = f"{joined[name]}\n{value}" if name in joined else value
    return joined


def _media_type(environ: Mapping[str, Any]) -> str:
    kind: str = environ.get("CONTENT_TYPE", "")
    return kind.partition(";")[0].strip().lower()
