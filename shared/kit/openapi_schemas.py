"""Schemas of the OpenAPI document that generated clients can use: one plain name each, and no defaults."""

from __future__ import annotations

import re
from typing import Any

from shared.contracts.values import without_null

Json = dict[str, Any]
SCHEMA_REFERENCE = "#/components/schemas/"
PAGE_NAME = re.compile(r"Page_(\w+?)(?:Out)?_")


def give_schemas_their_names(document: Json) -> Json:
    """Return the document with plain names of schemas, and every title equal to the name.

    `Page_XOut_` becomes `XPage`; `X-Input` and `X-Output`, a model in requests and in responses, become `X` and `XOut`.
    """
    schemas = document.get("components", {}).get("schemas", {})
    names = {name: PAGE_NAME.sub(r"\1Page", name.replace("-Input", "").replace("-Output", "Out")) for name in schemas}
    references = {SCHEMA_REFERENCE + old: SCHEMA_REFERENCE + new for old, new in names.items() if old != new}
    renamed: Json = _with_references(document, references)
    if schemas:
        renamed["components"]["schemas"] = {
            names[name]: schema | {"title": names[name]} for name, schema in renamed["components"]["schemas"].items()
        }
    return renamed


def _with_references(value: Any, new_references: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: new_references.get(child, child) if key == "$ref" else _with_references(child, new_references)
            for key, child in value.items()
        }
    return [_with_references(child, new_references) for child in value] if isinstance(value, list) else value


def tidy_parameters(operation: Json) -> None:
    """Describe parameters that may be left out by their type alone: null cannot be sent in a URL or a header."""
    for parameter in operation.get("parameters", []):
        parameter["schema"] = without_null(parameter["schema"])


def tidy_schemas(schemas: dict[str, Json]) -> None:
    """Move defaults into the descriptions, and remove the titles of fields, of which generators make classes.

    Generated clients send the default of a field that their caller left out, and with it they would undo what a PATCH did not name.
    """
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            default = field.pop("default", None)
            if default not in (None, [], {}) and name not in schema.get("required", []):
                field["description"] = f"{field.get('description', '')} Default: `{_as_json(default)}`.".strip()
            _remove_title(field)


def _as_json(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _remove_title(field: Json) -> None:
    field.pop("title", None)
    for child in [*field.get("anyOf", []), field.get("items")]:
        if isinstance(child, dict):
            _remove_title(child)
