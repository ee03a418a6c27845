"""Examples for the OpenAPI document, composed from the examples, defaults and types of the fields."""

from __future__ import annotations

from typing import Any

EXAMPLE_OF_FORMAT = {
    "uuid": "01a206b9-ffc9-726c-b520-6c5fbdafecf3",
    "date-time": "2026-03-09T13:00:00Z",
    "date": "2026-03-09",
    "email": "sam@example.com",
}
EXAMPLE_OF_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "null": None}
MAX_DEPTH = 6
Schema = dict[str, Any]


def add_examples(document: Schema) -> Schema:
    """Add an example to every JSON body of the document that has none, and return the document."""
    schemas = document.get("components", {}).get("schemas", {})
    for path in document.get("paths", {}).values():
        for operation in path.values():
            bodies = [operation.get("requestBody", {}), *operation.get("responses", {}).values()]
            for body in bodies:
                content = body.get("content", {}).get("application/json")
                if content and "schema" in content and not {"example", "examples"} & content.keys():
                    content["example"] = example_of(content["schema"], schemas)
    return document


def example_of(schema: Schema, schemas: dict[str, Schema], depth: int = 0) -> Any:
    """Return a value that the schema describes; None below MAX_DEPTH."""
    if depth > MAX_DEPTH:
        return None
    if "$ref" in schema:
        return example_of(schemas.get(schema["$ref"].rsplit("/", 1)[-1], {}), schemas, depth + 1)
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    if "const" in schema:
        return schema["const"]
    if "default" in schema and schema["default"] not in (None, []):
        return schema["default"]
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return example_of(choices[0], schemas, depth + 1)
    return _example_of_type(schema, schemas, depth)


def _example_of_type(schema: Schema, schemas: dict[str, Schema], depth: int) -> Any:
    type_name = schema.get("type")
    if type_name == "object" and "properties" in schema:
        return {name: example_of(field, schemas, depth + 1) for name, field in schema["properties"].items()}
    if type_name == "object":
        return {"text": "text"} if schema.get("additionalProperties") else {}
    if type_name == "array":
        return [example_of(schema.get("items", {}), schemas, depth + 1)]
    if type_name == "integer":
        return max(schema.get("minimum", 1), schema.get("multipleOf", 1))
    return EXAMPLE_OF_FORMAT.get(schema.get("format", ""), EXAMPLE_OF_TYPE.get(str(type_name)))
