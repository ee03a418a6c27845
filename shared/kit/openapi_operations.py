"""What the OpenAPI document says about an operation beside its bodies: who may call it, the headers, and the refusals of every route.

It follows from the dependencies of the route and from its response model, as the behaviour does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from shared.contracts.identity import Scope
from shared.contracts.refusals import Forbidden, PreconditionRequired, Refusal, Stale, Unauthenticated
from shared.contracts.relayed_refusals import RateLimited
from shared.kit.access import InsufficientScope, OptionalCaller, RequireRole
from shared.kit.exception_handlers import INTERNAL_ERROR, INTERNAL_ERROR_DETAIL
from shared.kit.idempotency import OperationDependency
from shared.kit.idempotency_store import IdempotencyKeyReused, RequestInProgress
from shared.kit.openapi_schemas import SCHEMA_REFERENCE
from shared.kit.preconditions import IfMatchOptional, IfMatchRequired
from shared.kit.problem_examples import fit_problem_examples, validation_response
from shared.kit.problems import (
    PROBLEM_TYPE,
    BodyTooLarge,
    DuplicateKey,
    Malformed,
    UnsupportedMediaType,
    example_document,
    problem_content,
    refusals,
)
from shared.kit.raw_body import RawBody
from shared.kit.response_headers import vary_with_time
from shared.kit.routes import ServiceRoute, all_dependencies
from shared.kit.token_endpoint import TokenRoute

Json = dict[str, Any]
SECURITY_SCHEMES: Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of `POST /auth/login` or `POST /auth/token`.",
    },
    "oauth2": {
        "type": "oauth2",
        "description": "The same access tokens, from the OAuth 2.0 token endpoint.",
        "flows": {
            "password": {"tokenUrl": "/auth/token", "refreshUrl": "/auth/token", "scopes": {}},
        },
    },
    "api_client": {
        "type": "oauth2",
        "description": "The access token of an API client, which an admin registers with `POST /auth/clients`.",
        "flows": {
            "clientCredentials": {"tokenUrl": "/auth/token", "scopes": {scope.value: scope.description for scope in Scope}},
        },
    },
}
TOKEN: list[Json] = [{"bearer": []}, {"oauth2": []}]
ENTITY_TAG: Json = {"type": "string", "examples": ['"3"']}
IF_MATCH_TAG: Json = ENTITY_TAG | {"pattern": r'^(\*|(W/)?"[!#-+\-.-~]*")$'}
HEADERS: dict[str, Json] = {
    "ETag": {"description": "The version of the resource, for `If-Match`.", "schema": {"type": "string", "examples": ['"3"']}},
    "Location": {"description": "Where the created resource can be read.", "schema": {"type": "string", "format": "uri-reference"}},
    "Link": {
        "description": "The next page, if there is one (RFC 8288).",
        "schema": {"type": "string", "examples": ['</doctors?after=WyJ4Il0>; rel="next"']},
    },
    "Retry-After": {"description": "After how many seconds to send the request again.", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string", "examples": ["Bearer"]}},
    "Idempotent-Replayed": {
        "description": "`true` when this is the response to an earlier request with the same `Idempotency-Key`.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
# The headers that the gateway adds to every limited response. They are components, because every response of the document has them.
RATE_LIMIT_HEADERS: dict[str, Json] = {
    "RateLimit": {
        "description": "For each limit that the request counted against: how many requests are left, and in how many seconds one more is.",
        "schema": {"type": "string", "examples": ['"account";r=599;t=60']},
    },
    "RateLimit-Policy": {
        "description": "The limits that the request counted against: requests per window of so many seconds.",
        "schema": {"type": "string", "examples": ['"account";q=600;w=60']},
    },
}


def describe_operation(operation: Json, route: APIRoute, schemas: dict[str, Json]) -> None:
    """Add security, header parameters, response headers and the refusals that every route shares to the operation of `route`."""
    dependencies = [dependency.call for dependency in all_dependencies(route.dependant)]
    operation["security"] = _security(dependencies)
    is_tagged = _has_version(operation["responses"].get("200", {}), schemas)
    if is_tagged and "GET" in (route.methods or ()) and vary_with_time not in dependencies:
        operation["responses"]["304"] = {"description": "The resource still has the version in If-None-Match."}
    if parameters := _header_parameters(route, dependencies, "304" in operation["responses"]):
        operation["parameters"] = operation.get("parameters", []) + parameters
    if not isinstance(route, TokenRoute):  # its refusals have another format, and it documents all of them
        _add_refusals(operation, route, dependencies, schemas)
        fit_problem_examples(operation, route.path_format, schemas)
    for status, response in operation["responses"].items():
        headers = {name: HEADERS[name] for name in _response_headers(status, response, operation, dependencies, schemas)}
        limits = {name: {"$ref": f"#/components/headers/{name}"} for name in RATE_LIMIT_HEADERS}
        response["headers"] = headers | limits | response.get("headers", {})


def _security(dependencies: list[Any]) -> list[Json]:
    roles = [call for call in dependencies if isinstance(call, RequireRole)]
    if roles:
        scopes = dict.fromkeys(call.scope.value for call in roles if call.scope is not None)
        return TOKEN + [{"api_client": [scope]} for scope in scopes if all(call.scope is not None for call in roles)]
    if any(isinstance(call, OptionalCaller) and call.changes_response for call in dependencies):
        return [{}, *TOKEN]
    return []


def _has_version(response: Json, schemas: dict[str, Json]) -> bool:
    """Return whether the body of a response has the field `version`, which its ETag repeats."""
    return "version" in _fields(response, schemas)


def _fields(response: Json, schemas: dict[str, Json]) -> Json:
    """Return the fields of a JSON object in a response; an empty dict when it has another body or none."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    fields: Json = schemas.get(str(schema.get("$ref", "")).removeprefix(SCHEMA_REFERENCE), {}).get("properties", {})
    return fields


def _header_parameters(route: APIRoute, dependencies: list[Any], is_conditional: bool) -> list[Json]:
    parameters = []
    if is_conditional:
        text = "The `ETag` that you have. While it is the current one, the answer is 304 without a body."
        parameters.append(_header("If-None-Match", text, ENTITY_TAG, False))
    if any(isinstance(call, IfMatchRequired | IfMatchOptional) for call in dependencies):
        required = any(isinstance(call, IfMatchRequired) for call in dependencies)
        parameters.append(
            _header("If-Match", "The `ETag` that you read, or `*`; another version is refused with 412.", IF_MATCH_TAG, required)
        )
    if isinstance(route, ServiceRoute) and "POST" in (route.methods or ()) and any(isinstance(call, RequireRole) for call in dependencies):
        schema = {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": "^[ -~]+$",
            "examples": ["4be1d3b9-6f6e-4a53-9a0c-0c8a2cb7d0c4"],
        }
        text = "A text of your choice. A repeated request with the same key gets the first response again, for at least 24 hours."
        parameters.append(_header("Idempotency-Key", text, schema, False))
    return parameters


def _header(name: str, description: str, schema: Json, required: bool) -> Json:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _add_refusals(operation: Json, route: APIRoute, dependencies: list[Any], schemas: dict[str, Json]) -> None:
    """Add the refusals that follow from the inputs, the dependencies and the headers of the operation."""
    responses = operation["responses"]
    if PROBLEM_TYPE not in responses.get("422", {}).get("content", {}):
        responses.pop("422", None)  # FastAPI's own
    if _validates_input(route):
        _add_refusal(responses, "422", validation_response(operation, schemas))
    for status, response in refusals(*_shared_refusals(operation, dependencies)).items():
        _add_refusal(responses, str(status), response)
    unexpected = example_document(500, INTERNAL_ERROR, INTERNAL_ERROR_DETAIL)
    responses["default"] = {"description": "A refusal, or an unexpected error", "content": problem_content(unexpected)}


def _validates_input(route: APIRoute) -> bool:
    """Return whether a request can have a wrong value: in the body, in a parameter, or in a body where none is expected."""
    parameters = [field.field_info for field in get_flat_params(route.dependant)]
    is_checked = any(parameter.annotation is not str or parameter.metadata for parameter in parameters)
    return route.body_field is not None or is_checked or (isinstance(route, ServiceRoute) and route.methods != {"GET"})


def _shared_refusals(operation: Json, dependencies: list[Any]) -> Iterator[type[Refusal]]:
    yield RateLimited
    if roles := [call for call in dependencies if isinstance(call, RequireRole)]:
        yield Unauthenticated
        yield Forbidden
        if any(call.scope is not None for call in roles):
            yield InsufficientScope
    if "requestBody" in operation:
        yield BodyTooLarge
        if "application/json" in operation["requestBody"]["content"]:
            yield from (Malformed, DuplicateKey, UnsupportedMediaType)
        elif any(isinstance(call, RawBody) for call in dependencies):
            yield UnsupportedMediaType
    if any(isinstance(call, IfMatchRequired | IfMatchOptional) for call in dependencies):
        yield Stale
    if any(isinstance(call, IfMatchRequired) for call in dependencies):
        yield PreconditionRequired
    if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", [])):
        yield from (RequestInProgress, IdempotencyKeyReused)


def _add_refusal(responses: Json, status: str, response: Json) -> None:
    """Add a refusal, also to a response that a route documents with another refusal of the same status."""
    documented = responses.setdefault(status, response)
    if documented is not response and response["description"] not in documented["description"]:
        documented["description"] = f"{documented['description']}; {response['description']}"
        content = documented["content"][PROBLEM_TYPE]
        content["examples"] = content["examples"] | response["content"][PROBLEM_TYPE]["examples"]


def _response_headers(status: str, response: Json, operation: Json, dependencies: list[Any], schemas: dict[str, Json]) -> list[str]:
    if not status.startswith("2"):
        return {"304": ["ETag"], "401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}.get(status, [])
    fields = _fields(response, schemas)
    creates = status in ("201", "202") and any(isinstance(call, OperationDependency) for call in dependencies)
    is_keyed = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
    takes_version = any(isinstance(call, IfMatchRequired | IfMatchOptional) for call in dependencies)
    candidates = {
        "ETag": "version" in fields or "304" in operation["responses"] or (status == "204" and takes_version),
        "Location": creates,
        "Link": "next" in fields,
        "Idempotent-Replayed": is_keyed,
    }
    return [name for name, is_sent in candidates.items() if is_sent]
