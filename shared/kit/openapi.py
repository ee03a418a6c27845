"""The OpenAPI document of a service: every refusal is a problem document, every body has an example."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.kit.examples import add_examples
from shared.kit.problems import PROBLEM_CONTENT

TEXT = {"type": "string"}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem document; `code` is stable.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "instance": TEXT,
        "code": TEXT,
        "request_id": {"type": ["string", "null"]},
        "errors": {"type": "array", "items": {"type": "object", "properties": {"pointer": TEXT, "code": TEXT, "detail": TEXT}}},
    },
    "additionalProperties": True,
}


def install_openapi(app: FastAPI) -> None:
    """Replace FastAPI's error schemas by problem documents in `app.openapi()`."""

    def build_document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document_problems(get_openapi(title=app.title, version=app.version, routes=app.routes))
        return app.openapi_schema

    app.openapi = build_document  # type: ignore[method-assign]


def _document_problems(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    for path in document.get("paths", {}).values():
        for operation in path.values():
            responses = operation["responses"]
            responses["default"] = {"description": "A refusal", "content": PROBLEM_CONTENT}
            if "422" in responses:
                description = responses["422"].get("description", "A field is wrong")
                responses["422"] = {"description": description, "content": PROBLEM_CONTENT}
    return add_examples(document)
