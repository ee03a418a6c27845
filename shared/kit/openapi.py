"""The OpenAPI document of a service: FastAPI's, with what the kit adds to every route and without what clients stumble over."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from shared.contracts.problems import Problem
from shared.contracts.values import without_null
from shared.kit.examples import add_examples
from shared.kit.openapi_operations import RATE_LIMIT_HEADERS, SECURITY_SCHEMES, describe_operation
from shared.kit.openapi_schemas import SCHEMA_REFERENCE, give_schemas_their_names, tidy_parameters, tidy_schemas

Json = dict[str, Any]


def install_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` return the document as this module builds it."""

    def build_document() -> Json:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = build_document  # type: ignore[method-assign]


def _document(app: FastAPI) -> Json:
    document = give_schemas_their_names(get_openapi(title=app.title, version=app.version, routes=app.routes, webhooks=app.webhooks.routes))
    components = document.setdefault("components", {})
    components["securitySchemes"], components["headers"] = SECURITY_SCHEMES, RATE_LIMIT_HEADERS
    schemas = components["schemas"] = _problem_schemas() | components.get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                describe_operation(operation, route, schemas)
                tidy_parameters(operation)
    for webhook in document.get("webhooks", {}).values():
        webhook["post"]["responses"].pop("422", None)  # the receiver decides how it answers to an invalid body
    add_examples(document)
    tidy_schemas(schemas)
    return document


def _problem_schemas() -> dict[str, Json]:
    problem = Problem.model_json_schema(mode="serialization", ref_template=SCHEMA_REFERENCE + "{model}")
    referenced: dict[str, Json] = problem.pop("$defs")
    facts = problem["properties"].keys() - problem["required"]  # they are absent, never null
    problem["properties"] |= {name: without_null(problem["properties"][name]) for name in facts}
    return referenced | {"Problem": problem}
