"""Examples for the OpenAPI document, composed from the examples, names, formats and types of the fields."""

from __future__ import annotations

import re
from typing import Any

EXAMPLE_OF_FORMAT = {
    "uuid": "01a206b9-ffc9-726c-b520-6c5fbdafecf3",
    "date-time": "2026-03-09T13:00:00Z",
    "date": "2026-03-09",
    "email": "sam@example.com",
    "uri": "https://clinic.example/calendar/feed/3q2-7wQbW0c1V9mXo8yT5ZkLrNfHsJdEaB4cD6eF8gH.ics",
}
# Values of fields whose schema has no example. Each is used only where it is valid.
EXAMPLE_OF_NAME: dict[str, Any] = {
    "access_token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMWEyMDZiOSJ9.c2lnbmF0dXJl",
    "refresh_token": "3q2-7wQbW0c1V9mXo8yT5ZkLrNfHsJdE",
    "token": "3q2-7wQbW0c1V9mXo8yT5ZkLrNfHsJdEaB4cD6eF8gH",
    "password": "a long enough pass phrase",
    "full_name": "Sam Lee",
    "name": "First consultation",
    "title": "Dr",
    "bio": "Twenty years of general practice.",
    "email": "sam@example.com",
    "specialty": "Cardiology",
    "specialties": "Cardiology",
    "languages": "en",
    "locale": "en",
    "location": "Building 2, room 14",
    "time_zone": "Europe/Berlin",
    "phone": "+49 30 1234567",
    "line1": "Lindenstrasse 5",
    "line2": "Second floor",
    "city": "Berlin",
    "region": "Berlin",
    "postal_code": "10969",
    "country": "DE",
    "relationship": "mother",
    "status": "booked",
    "reason": "Annual check-up",
    "intake": "None",
    "note": "Arrived by bus",
    "text": "Annual check-up",
    "detail": "The time slot is already booked.",
    "error": "invalid_grant",
    "next": "WyIyMDI2LTAzLTA5VDEzOjAwOjAwWiJd",
    "url": EXAMPLE_OF_FORMAT["uri"],
    "local_start": "2026-03-09T14:00",
    "born_on": "1984-06-02",
    "ends_at": "2026-03-09T13:30:00Z",
    "to": "2026-03-10T13:00:00Z",
    "generated_at": "2026-03-06T08:15:00Z",
    "created_at": "2026-03-06T08:15:00Z",
    "updated_at": "2026-03-06T08:15:00Z",
    "at": "2026-03-06T08:15:00Z",
    "expires_at": "2026-03-06T08:20:00Z",
    "expires_in": 600,
    "version": 3,
    "duration_minutes": 30,
    "slot_step_minutes": 30,
    "min_notice_minutes": 120,
    "cancel_cutoff_minutes": 1440,
    "reschedule_cutoff_minutes": 1440,
    "horizon_days": 90,
    "daily_cap": 12,
    "weekly_cap": 50,
    "amount": 9000,
}
EXAMPLE_KEY = "allergies"
CHANGED_FIELDS = "x-example-fields"  # only while the document is built
Schema = dict[str, Any]


def example_with(status_code: int, /, **fields: Any) -> dict[int | str, Schema]:
    """Return the `responses=` of a route in whose response the example gets these values of fields instead of those of its schema."""
    return {status_code: {CHANGED_FIELDS: fields}}


def add_examples(document: Schema) -> Schema:
    """Add an example to every JSON body of the document that has none, and return the document."""
    schemas = document.get("components", {}).get("schemas", {})
    for path in [*document.get("paths", {}).values(), *document.get("webhooks", {}).values()]:
        for operation in path.values():
            bodies = [operation.get("requestBody", {}), *operation.get("responses", {}).values()]
            for body in bodies:
                content, changed_fields = body.get("content", {}).get("application/json"), body.pop(CHANGED_FIELDS, {})
                if content and "schema" in content and not {"example", "examples"} & content.keys():
                    example = example_of(content["schema"], schemas)
                    content["example"] = example | changed_fields if changed_fields else example
    return document


def example_of(schema: Schema, schemas: dict[str, Schema], name: str = "", inside: tuple[str, ...] = ()) -> Any:
    """Return a value that the schema describes. `name` is the field's, `inside` are the schemas that contain it."""
    if "$ref" in schema:
        referenced = schema["$ref"].rsplit("/", 1)[-1]
        return None if referenced in inside else example_of(schemas.get(referenced, {}), schemas, name, (*inside, referenced))
    if schema.get("format") == "date-time" and name in EXAMPLE_OF_NAME:
        return EXAMPLE_OF_NAME[name]
    if EXAMPLE_OF_NAME.get(name) in schema.get("enum", []):
        return EXAMPLE_OF_NAME[name]
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    if "const" in schema:
        return schema["const"]
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return example_of(choices[0], schemas, name, inside)
    if schema.get("type") in ("object", "array"):
        return _example_of_container(schema, schemas, name, inside)
    return _example_of_value(schema, name)


def _example_of_container(schema: Schema, schemas: dict[str, Schema], name: str, inside: tuple[str, ...]) -> Any:
    if schema["type"] == "array":
        item = example_of(schema.get("items", {}), schemas, name, inside)
        return [] if item is None else [item] * max(schema.get("minItems", 1), 1)
    if "properties" in schema:
        return {field: example_of(child, schemas, field, inside) for field, child in schema["properties"].items()}
    values = schema.get("additionalProperties")
    if not isinstance(values, dict):
        return {}
    key = example_of(schema["propertyNames"], schemas, EXAMPLE_KEY, inside) if "propertyNames" in schema else EXAMPLE_KEY
    return {key if isinstance(key, str) else EXAMPLE_KEY: example_of(values, schemas, name, inside)}


def _example_of_value(schema: Schema, name: str) -> Any:
    """Return the value for the field's name if it is valid, or the default, or a value of the field's format or type."""
    value_of_type = {
        "string": EXAMPLE_OF_FORMAT.get(schema.get("format", ""), name.replace("_", " ").capitalize() or "Text"),
        "integer": _smallest(schema),
        "number": float(_smallest(schema)),
        "boolean": True,
    }.get(str(schema.get("type")))
    candidates = (EXAMPLE_OF_NAME.get(name), schema.get("default"), value_of_type)
    return next((value for value in candidates if value is not None and _is_valid(value, schema)), value_of_type)


def _smallest(schema: Schema) -> int:
    step = int(schema.get("multipleOf", 1))
    least = max(int(schema.get("minimum", 1)), 1)
    return -(-least // step) * step


def _is_valid(value: Any, schema: Schema) -> bool:
    if schema.get("type") == "string":
        return isinstance(value, str) and len(value) <= schema.get("maxLength", 200) and bool(re.search(schema.get("pattern", ""), value))
    if schema.get("type") in ("integer", "number"):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return isinstance(value, bool) if schema.get("type") == "boolean" else False
