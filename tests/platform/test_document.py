"""The merged OpenAPI document, as an integrator reads it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.platform.accounts import User
from tests.platform.houses import Platform

METHODS = {"get", "put", "post", "delete", "patch"}
PATHS_WITHOUT_PROBLEM_DOCUMENTS = {"/auth/token"}


@pytest.fixture
def document(platform: Platform) -> Any:
    return User(platform).request("GET", "/openapi.json")


def operations(document: Any) -> list[tuple[str, Any]]:
    """Return the operations of the document, with their paths."""
    return [(path, operation) for path, methods in document["paths"].items() for method, operation in methods.items() if method in METHODS]


def test_every_operation_has_a_name_a_summary_and_its_refusals(document: Any) -> None:
    documented = operations(document)
    assert len({operation["operationId"] for _, operation in documented}) == len(documented)
    for path, operation in documented:
        assert operation.get("summary"), path
        assert "application/problem+json" in operation["responses"]["default"]["content"] or path in PATHS_WITHOUT_PROBLEM_DOCUMENTS, path


def test_every_json_body_has_an_example(document: Any) -> None:
    for path, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (body["content"]["application/json"] for body in bodies if "application/json" in body.get("content", {})):
            assert "example" in content or "examples" in content, path


def test_every_reference_has_a_component(document: Any) -> None:
    defined = {f"#/components/{section}/{name}" for section, components in document["components"].items() for name in components}

    def check(node: Any) -> None:
        if isinstance(node, dict):
            reference = node.get("$ref")
            assert reference is None or reference in defined, reference
            for value in node.values():
                check(value)
        if isinstance(node, list):
            for value in node:
                check(value)

    check(document)
