"""/openapi.json and /docs, derived from the route table."""

import re

import pytest

from jarvis import app as composition
from jarvis.web.openapi import document
from jarvis.web.routes import Access, Routes


@pytest.fixture
def shown(client):
    return client.get("/openapi.json").json


def test_every_route_is_described(app, shown):
    described = {(method, path) for path, found in shown["paths"].items() for method in found}
    declared = {(route.method.lower(), re.sub(r"{(\w+):\w+}", r"{\1}", route.path)) for route in app.routes}
    assert described == declared


def test_every_reference_leads_somewhere(shown):
    def references(value):
        if isinstance(value, dict):
            yield from ([value["$ref"]] if "$ref" in value else [])
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in set(references(shown)):
        place = shown
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_operation_says_who_may_call_it_and_what_it_answers(shown):
    names = []
    for path, operations in shown["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            assert operation["x-access"] in {access.name.lower() for access in Access}, path
            assert operation["responses"], (method, path)
            assert operation["summary"].endswith("."), path
            in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))
    assert len(names) == len(set(names))


def test_bodies_carry_their_limits(shown):
    body = shown["paths"]["/api/v1/users"]["post"]["requestBody"]
    fields = body["content"]["application/json"]["schema"]
    assert fields["required"] == ["username"]
    assert fields["properties"]["role"]["enum"] == ["user", "admin"]
    assert fields["properties"]["username"]["maxLength"] == 63


def test_lists_are_described_as_pages(shown):
    answer = shown["paths"]["/api/v1/users"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["properties"]["items"]["items"] == {"$ref": "#/components/schemas/User"}
    assert answer["properties"]["next"]["type"] == ["string", "null"]


def test_security_follows_access(shown):
    assert shown["paths"]["/api/v1/auth/login"]["post"]["security"] == []
    assert shown["paths"]["/api/v1/auth/me"]["get"]["security"] == [{"bearer": []}, {"cookie": []}]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/auth/me", "Me"),
        ("/api/v1/users", "User"),
        ("/api/v1/auth/sessions", "Session"),
    ],
)
def test_answers_look_as_described(client, shown, path, name):
    answer = client.as_("ada").get(path).json
    for item in answer.get("items", [answer]):
        described = shown["components"]["schemas"][name]
        assert set(item) == set(described["properties"]) == set(described["required"])


def test_the_document_is_the_same_each_time_and_made_once(client, ctx, monkeypatch):
    first = client.get("/openapi.json").body
    monkeypatch.setattr("jarvis.web.openapi.document", lambda _: 1 / 0)
    assert client.get("/openapi.json").body == first
    monkeypatch.undo()
    from tests.conftest import make_client

    assert make_client(composition.build_application(ctx), ctx).get("/openapi.json").body == first


def test_a_sentence_and_a_signature_are_described_too():
    table = Routes("hooks")
    table.post("/hook", Access.SIGNED, "Take a delivery.", answers={202: "Stored.", 400: "No id."})(
        lambda request: None
    )
    operation = document([table])["paths"]["/hook"]["post"]
    assert operation["security"] == [{"signature": []}]
    assert operation["responses"]["202"] == {"description": "Stored."}
    assert operation["responses"]["400"]["description"] == "No id."


def test_docs_shows_every_api_route_with_an_example(app, client):
    page = client.get("/docs").text
    for route in app.routes:
        if not route.is_page:
            path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path)
            assert f"<code>{path}</code>" in page
    assert "-H &#39;Authorization: Bearer TOKEN&#39;" in page
    assert "http://localhost:8000/api/v1/auth/me" in page
