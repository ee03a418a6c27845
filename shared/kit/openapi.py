"""The OpenAPI document as clients read it: every refusal is a problem document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from shared.kit.examples import add_examples

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
AS_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def install_openapi(app: FastAPI) -> None:
    """Makes `app.openapi()` speak of problems, not of FastAPI's own error shape."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _with_problems(get_openapi(title=app.title, version=app.version, routes=app.routes))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    for path in document.get("paths", {}).values():
        for operation in path.values():
            operation["responses"]["default"] = {"description": "A refusal", "content": AS_PROBLEM}
            if "422" in operation["responses"]:
                said = operation["responses"]["422"].get("description", "A field is wrong")
                operation["responses"]["422"] = {"description": said, "content": AS_PROBLEM}
    return add_examples(document)
