"""Examples of problem documents that fit the operation at which the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

from shared.kit.examples import example_of
from shared.kit.problems import (
    PROBLEM_TYPE,
    VALIDATION_DETAIL,
    VALIDATION_FAILED,
    example_document,
    example_documents,
    field_error,
    problem_content,
)

Json = dict[str, Any]


def validation_response(operation: Json, schemas: dict[str, Json]) -> Json:
    """Return the documented response to an input of `operation` that failed validation, with a value that this operation can refuse."""
    document = example_document(422, VALIDATION_FAILED, VALIDATION_DETAIL) | {"errors": [_example_error(operation, schemas)]}
    return {"description": f"`{VALIDATION_FAILED}`: {VALIDATION_DETAIL}", "content": problem_content(document)}


def fit_problem_examples(operation: Json, path: str, schemas: dict[str, Json]) -> None:
    """Make the examples of refusals fit the operation: its own path is `instance`, and `errors` names a field that the operation has."""
    instance, names = example_path(operation, path, schemas), set(_parameters(operation)) | set(_body_fields(operation, schemas))
    for response in operation["responses"].values():
        documents = [dict(document, instance=instance) for document in example_documents(response)]
        for document in documents:
            if "errors" in document:
                fitting = [error for error in document["errors"] if error["pointer"].removeprefix("/").split("/")[0] in names]
                document["errors"] = (fitting or document["errors"])[:1]
        if PROBLEM_TYPE in response.get("content", {}):
            response["content"] |= problem_content(*documents)


def example_path(operation: Json, path: str, schemas: dict[str, Json]) -> str:
    """Return the path of an operation with examples for its parameters."""
    for name, parameter in _parameters(operation, "path").items():
        path = path.replace("{" + name + "}", str(example_of(parameter["schema"], schemas, name)))
    return path


def _example_error(operation: Json, schemas: dict[str, Json]) -> dict[str, str]:
    """Return an item of `errors` that the operation can answer with, in the words of Pydantic."""
    fields, parameters = _body_fields(operation, schemas), _parameters(operation, "path", "query")
    is_missing = [name for name, is_required in fields.items() if is_required]
    is_missing += [name for name, parameter in parameters.items() if parameter["in"] == "query" and parameter["required"]]
    if is_missing:
        return field_error(f"/{is_missing[0]}", "missing", "Field required")
    if fields or not parameters:
        return field_error("/colour", "extra_forbidden", "Extra inputs are not permitted" if fields else "No body is expected.")
    for name, parameter in parameters.items():
        if parameter["schema"].get("format") == "uuid":
            return field_error(f"/{name}", "uuid_parsing", "Input should be a valid UUID, invalid length: expected length 32, found 3")
    if "limit" in parameters:
        return field_error("/limit", "int_parsing", "Input should be a valid integer, unable to parse string as an integer")
    return field_error(f"/{next(iter(parameters))}", "string_too_long", "String should have at most 64 characters")


def _parameters(operation: Json, *places: str) -> dict[str, Json]:
    """Return the parameters of an operation by their names: those in `places`, or all."""
    return {item["name"]: item for item in operation.get("parameters", []) if not places or item["in"] in places}


def _body_fields(operation: Json, schemas: dict[str, Json]) -> dict[str, bool]:
    """Return the fields of the body of an operation, and whether each is required."""
    contents: list[Json] = list(operation.get("requestBody", {}).get("content", {}).values())
    schema: Json = contents[0]["schema"] if contents else {}
    schema = next((branch for branch in schema.get("anyOf", []) if "$ref" in branch), schema)
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[-1]]
    return {name: name in schema.get("required", []) for name in schema.get("properties", {})}
