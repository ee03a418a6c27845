"""The largest URL that the OpenAPI document allows for an operation is one that the gateway accepts."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from gateway_svc.routes.proxy_middleware import MAX_URL_BYTES
from tests.architecture.snapshots import FOLDER

DOCUMENT: dict[str, Any] = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
GETS = {path: methods["get"] for path, methods in DOCUMENT["paths"].items() if "get" in methods}
LONGEST_OF_FORMAT = {
    "uuid": "01a206b9-ffc9-726c-b520-6c5fbdafecf3",
    "date": "2026-03-09",
    "date-time": "2026-03-09T13:00:00.123456789+02:00",
}
UNRESERVED = "AZaz09-_"
RESERVED = " /?&=+%\u00e9\U0001f600"
OCTETS_PER_CHARACTER = 9  # three octets of UTF-8, percent-encoded: every script in daily use


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference names, or the schema itself."""
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    return found


def longest_value(schema: dict[str, Any]) -> int:
    """Return the number of octets that a value of the schema has at most in a URL. Raises KeyError for a value without a limit."""
    schema = resolved(schema)
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return max(len(quote(str(value), safe="")) for value in values)
    if schema["type"] == "boolean":
        return len("false")
    if schema["type"] == "integer":
        return max(len(str(schema["minimum"])), len(str(schema["maximum"])))
    if schema.get("format") in LONGEST_OF_FORMAT:
        return len(quote(LONGEST_OF_FORMAT[schema["format"]], safe=""))
    return schema["maxLength"] * octets_per_character(schema.get("pattern"))  # type: ignore[no-any-return]


def octets_per_character(pattern: str | None) -> int:
    """Return how many octets a character can need: one where the pattern admits only characters that are not percent-encoded."""
    if pattern is None:
        return OCTETS_PER_CHARACTER
    alphabet = "".join(re.findall(r"\[([^\]]+)\]", pattern))
    is_unreserved = all(character in UNRESERVED for character in alphabet) and not re.search(r"\\[swWSD]|\.", pattern)
    return 1 if is_unreserved and not any(re.fullmatch(pattern, character) for character in RESERVED) else OCTETS_PER_CHARACTER


def longest_url(path: str, operation: dict[str, Any]) -> int:
    """Return the size in octets of the longest path and query that the document allows."""
    parameters = operation.get("parameters", [])
    size = len(re.sub(r"{\w+}", "", path))
    for parameter in parameters:
        schema = resolved(parameter["schema"])
        if parameter["in"] == "path":
            size += longest_value(schema) if "maxLength" in schema or "format" in schema else 64
        elif parameter["in"] == "query":
            count = schema["maxItems"] if schema.get("type") == "array" else 1
            size += count * (len(f"&{parameter['name']}=") + longest_value(schema.get("items", schema)))
    return size


@pytest.mark.parametrize("path", GETS)
def test_the_largest_documented_combination_of_parameters_fits_into_a_url(path: str) -> None:
    assert longest_url(path, GETS[path]) <= MAX_URL_BYTES


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_value_in_a_url_has_a_limit(path: str) -> None:
    """Also in operations that are no GET. A pattern that ends after a fixed number of characters is a limit."""
    for operation in DOCUMENT["paths"][path].values():
        for parameter in operation.get("parameters", []):
            schema = resolved(parameter["schema"])
            if parameter["in"] in ("path", "query"):
                assert has_limit(schema), (parameter["name"], schema)


def has_limit(schema: dict[str, Any]) -> bool:
    if schema.get("type") == "array":
        return "maxItems" in schema and has_limit(resolved(schema["items"]))
    if schema.get("type") in ("integer", "number"):
        return "maximum" in schema and "minimum" in schema
    is_fixed = re.search(r"\]\{\d+\}\$$", schema.get("pattern", "")) is not None
    return (
        is_fixed
        or schema.get("type") == "boolean"
        or schema.get("format") in LONGEST_OF_FORMAT
        or bool({"maxLength", "enum", "const"} & schema.keys())
    )


def test_the_size_counts_repeated_names_and_percent_encoding() -> None:
    parameters = [
        {"name": "doctor_id", "in": "query", "schema": {"type": "array", "maxItems": 2, "items": {"type": "string", "format": "uuid"}}},
        {"name": "q", "in": "query", "schema": {"type": "string", "maxLength": 10}},
        {"name": "after", "in": "query", "schema": {"type": "string", "maxLength": 10, "pattern": "^[A-Za-z0-9_-]*$"}},
    ]
    assert longest_url("/slots", {"parameters": parameters}) == len("/slots") + 2 * (11 + 36) + (3 + 90) + (7 + 10)


def test_a_text_without_a_limit_is_noticed() -> None:
    with pytest.raises(KeyError):
        longest_url("/slots", {"parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}]})
