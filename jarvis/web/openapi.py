"""What the API is, derived from the route table, as an OpenAPI 3.1 document."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from jarvis import __version__
from jarvis.kernel.schema import Fields, object_schema
from jarvis.web.bodies import FORM
from jarvis.web.routes import Access, Route, Routes

PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
SUMMARY = (
    "Everything Jarvis does for a program: JSON over HTTP, signed in by a session or an API token. "
    "Times are RFC 3339 in UTC, ids are a prefix and a ULID, lists page by an opaque `next`."
)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457: what happened.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "trace_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                "required": ["field", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "trace_id"],
}
SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A session's token or an API token."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "jarvis_session"},
    "signature": {"type": "apiKey", "in": "header", "name": "X-Hub-Signature-256"},
}
SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.ALL: [],
    Access.USER: [{"bearer": []}, {"cookie": []}],
    Access.ADMIN: [{"bearer": []}, {"cookie": []}],
    Access.SIGNED: [{"signature": []}],
    Access.LOCAL: [{}, {"bearer": []}],
}


def document(tables: Iterable[Routes]) -> dict[str, Any]:
    """The OpenAPI document: the same for the same routes, in the order they were declared."""
    tables = list(tables)
    schemas = {name: fields for table in tables for name, fields in table.schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in (route for table in tables for route in table):
        path = PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Jarvis", "version": __version__, "description": SUMMARY},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {name: object_schema(fields) for name, fields in sorted(schemas.items())} | {"Problem": PROBLEM},
            "responses": {"Problem": _content("What is wrong.", "application/problem+json", _ref("Problem"))},
            "securitySchemes": SCHEMES,
        },
    }


def _operation(route: Route, schemas: Mapping[str, Fields]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": f"Who may call it: {route.access.value}.",
        "tags": ["pages" if route.is_page else route.tag],
        "x-access": route.access.name.lower(),
        "security": SECURITY[route.access],
        "parameters": _parameters(route),
        "responses": _responses(route, schemas),
    }
    if route.body is not None:
        kind = FORM if route.is_page else "application/json"
        is_required = any(field.is_required for field in route.body.values())
        shown["requestBody"] = {"required": is_required, "content": {kind: {"schema": object_schema(route.body)}}}
    return shown


def operation_id(route: Route) -> str:
    """A name that tells one operation from all others."""
    words = re.findall(r"\w+", PARAMETER.sub(r"\1", route.path)) or ["home"]
    return "_".join([route.method.lower(), *words])


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in PARAMETER.findall(route.path)
    ]
    for name, field in route.query.items():
        found.append({"name": name, "in": "query", "required": field.is_required, "schema": field.as_json()})
    return found


def _responses(route: Route, schemas: Mapping[str, Fields]) -> dict[str, Any]:
    problem = {"$ref": "#/components/responses/Problem"}
    if route.is_page:
        shown: dict[str, Any] = {"200": _content("The page.", "text/html", {"type": "string"})}
        shown |= {"303": {"description": "Done, or signed out: go on at Location."}} if route.method != "GET" else {}
    else:
        shown = {str(status): _answer(status, said, schemas) for status, said in sorted(route.answers.items())}
    for status in refusals(route):
        shown.setdefault(str(status), problem)
    return dict(sorted(shown.items()))


def _answer(status: int, said: str, schemas: Mapping[str, Fields]) -> dict[str, Any]:
    name = said.removesuffix("[]")
    if name in schemas:
        schema = _list_of(name) if said.endswith("[]") else _ref(name)
        return _content(HTTPStatus(status).phrase, "application/json", schema)
    if status >= HTTPStatus.BAD_REQUEST:
        return _content(said, "application/problem+json", _ref("Problem"))
    return {"description": said}


def refusals(route: Route) -> list[int]:
    """The statuses that any route with these traits may answer."""
    found = {400}
    if route.access in (Access.USER, Access.ADMIN, Access.LOCAL, Access.SIGNED):
        found.add(401)
    if route.access is Access.ADMIN or route.method != "GET":
        found.add(403)
    if PARAMETER.search(route.path):
        found.add(404)
    if route.query or route.body:
        found.add(422)
    if route.body is not None:
        found |= {413, 415}
    return sorted(found)


def _content(description: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> dict[str, Any]:
    properties = {"items": {"type": "array", "items": _ref(name)}, "next": {"type": ["string", "null"]}}
    return {"type": "object", "properties": properties, "required": ["items", "next"]}
