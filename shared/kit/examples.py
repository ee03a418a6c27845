"""Examples for the OpenAPI document, composed from those of the fields: what a schema does not say, its type does."""

from __future__ import annotations

from typing import Any

BY_FORMAT = {
    "uuid": "01a206b9-ffc9-726c-b520-6c5fbdafecf3",
    "date-time": "2026-03-09T13:00:00Z",
    "date": "2026-03-09",
    "email": "sam@example.com",
}
BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "null": None}
DEEPEST = 6
Schema = dict[str, Any]


def add_examples(document: Schema) -> Schema:
    """Gives every JSON body of the document an example, where its author gave none."""
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
    """A value that the schema describes."""
    if depth > DEEPEST:
        return None
    if "$ref" in schema:
        return example_of(schemas.get(schema["$ref"].rsplit("/", 1)[-1], {}), schemas, depth + 1)
    for said in ("examples", "enum"):
        if schema.get(said):
            return schema[said][0]
    if "const" in schema:
        return schema["const"]
    if "default" in schema and schema["default"] not in (None, []):
        return schema["default"]
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return example_of(choices[0], schemas, depth + 1)
    return _by_type(schema, schemas, depth)


def _by_type(schema: Schema, schemas: dict[str, Schema], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {name: example_of(each, schemas, depth + 1) for name, each in schema["properties"].items()}
    if kind == "object":
        return {"text": "text"} if schema.get("additionalProperties") else {}
    if kind == "array":
        return [example_of(schema.get("items", {}), schemas, depth + 1)]
    if kind == "integer":
        return max(schema.get("minimum", 1), schema.get("multipleOf", 1))
    return BY_FORMAT.get(schema.get("format", ""), BY_TYPE.get(str(kind)))
