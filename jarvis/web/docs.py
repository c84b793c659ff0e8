"""The API for people: /docs, and /openapi.json beside it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from jarvis.kernel.schema import Field, Fields
from jarvis.web import identity, openapi
from jarvis.web.replies import PRIVATE
from jarvis.web.routes import Access, Reply, Request, Route, Routes


@dataclass(frozen=True, slots=True)
class Input:
    """One row of a table of parameters or body fields."""

    name: str
    kind: str
    is_required: bool
    help: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One status, and the shape or the sentence that comes with it."""

    status: int
    said: str
    shape: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as /docs shows it."""

    anchor: str
    method: str
    path: str
    summary: str
    access: str
    parameters: tuple[Input, ...]
    fields: tuple[Input, ...]
    answers: "tuple[Answer, ...]"
    example: str


@dataclass(frozen=True, slots=True)
class DocsPage:
    total: int
    groups: tuple[tuple[str, tuple[Operation, ...]], ...]
    shapes: tuple[tuple[str, tuple[Input, ...]], ...]
    origin: str


def docs_page(tables: Iterable[Routes], origin: str) -> DocsPage:
    """Everything /docs shows; pages are left out, since people find those themselves."""
    tables = list(tables)
    schemas = {name: fields for table in tables for name, fields in table.schemas.items()}
    groups: dict[str, list[Operation]] = {}
    for route in (route for table in tables for route in table if not route.is_page):
        groups.setdefault(route.tag, []).append(_shown(route, origin, schemas))
    return DocsPage(
        sum(map(len, groups.values())),
        tuple((tag, tuple(found)) for tag, found in groups.items()),
        tuple((name, _inputs(fields)) for name, fields in sorted(schemas.items())),
        origin,
    )


def _shown(route: Route, origin: str, schemas: Mapping[str, Fields]) -> Operation:
    path = openapi.PARAMETER.sub(r"{\1}", route.path)
    in_path = tuple(Input(name, "text, in the path", True, "") for name in openapi.PARAMETER.findall(route.path))
    answers = {status: HTTPStatus(status).phrase for status in openapi.refusals(route)} | dict(route.answers)
    return Operation(
        openapi.operation_id(route),
        route.method,
        path,
        route.summary,
        route.access.value,
        in_path + _inputs(route.query),
        _inputs(route.body or {}),
        tuple(_answer(status, said, schemas) for status, said in sorted(answers.items())),
        _curl(route, path, origin),
    )


def _answer(status: int, said: str, schemas: Mapping[str, Fields]) -> Answer:
    name = said.removesuffix("[]")
    if name not in schemas:
        return Answer(status, said, "")
    return Answer(status, "items of" if said.endswith("[]") else "", name)


def _inputs(fields: Fields) -> tuple[Input, ...]:
    return tuple(Input(name, _kind(field), field.is_required, field.help) for name, field in fields.items())


def _kind(field: Field) -> str:
    kind = " | ".join(field.choices) or {"string": "text"}.get(field.kind, field.kind)
    return f"{kind} or null" if field.is_nullable else kind


def _curl(route: Route, path: str, origin: str) -> str:
    words = ["curl" if route.method == "GET" else f"curl -X {route.method}", f"'{origin}{path}'"]
    if route.access in (Access.USER, Access.ADMIN):
        words.append("-H 'Authorization: Bearer TOKEN'")
    if route.body:
        required = {name: _sample(field) for name, field in route.body.items() if field.is_required}
        example = required or {name: _sample(field) for name, field in list(route.body.items())[:1]}
        words.append("-H 'Content-Type: application/json'")
        words.append("-d '" + json.dumps(example) + "'")
    return " \\\n  ".join(words)


def _sample(field: Field) -> Any:
    if field.choices:
        return field.choices[0]
    return {"integer": 1, "number": 1, "boolean": True, "object": {}, "array": []}.get(field.kind, "…")


def routes_for(tables: Callable[[], list[Routes]]) -> Routes:
    """/openapi.json and /docs. The document is made at the first request and kept."""
    table = Routes("description")
    kept: list[bytes] = []

    @table.get("/openapi.json", Access.ALL, "This API as an OpenAPI 3.1 document.", answers={200: "The document."})
    def show(request: Request) -> Reply:
        if not kept:
            kept.append(json.dumps(openapi.document(tables()), ensure_ascii=False, indent=1).encode())
        return Reply(200, kept[0], {"Content-Type": "application/json"} | PRIVATE)

    pages = Routes("description", pages=True)

    @pages.get("/docs", Access.ALL, "The API for people.")
    def read(request: Request) -> Reply:
        return request.page("openapi/docs.html", docs_page(tables(), identity.origin_of(request.environ)))

    table.include(pages)
    return table
