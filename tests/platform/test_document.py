"""The joined OpenAPI document, as an integrator reads it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.platform.houses import House
from tests.platform.people import Person

METHODS = {"get", "put", "post", "delete", "patch"}
WITHOUT_JSON = {"/auth/token"}


@pytest.fixture
def document(house: House) -> Any:
    return Person(house).ask("GET", "/openapi.json")


def operations(document: Any) -> list[tuple[str, Any]]:
    return [(path, operation) for path, each in document["paths"].items() for method, operation in each.items() if method in METHODS]


def test_every_operation_has_a_name_a_summary_and_its_refusals(document: Any) -> None:
    named = operations(document)
    assert len({operation["operationId"] for _, operation in named}) == len(named)
    for path, operation in named:
        assert operation.get("summary"), path
        assert "application/problem+json" in operation["responses"]["default"]["content"] or path in WITHOUT_JSON, path


def test_every_json_body_has_an_example(document: Any) -> None:
    for path, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (body["content"]["application/json"] for body in bodies if "application/json" in body.get("content", {})):
            assert "example" in content or "examples" in content, path


def test_every_reference_leads_somewhere(document: Any) -> None:
    schemas = document["components"]["schemas"]

    def check(node: Any) -> None:
        if isinstance(node, dict):
            reference = node.get("$ref")
            assert reference is None or reference.removeprefix("#/components/schemas/") in schemas, reference
            for value in node.values():
                check(value)
        if isinstance(node, list):
            for value in node:
                check(value)

    check(document)
