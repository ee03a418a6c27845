"""The codes with which Pydantic can refuse the inputs of the public operations, collected from the core schemas that validate them."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from careslot.embedded_platform import embedded_settings
from careslot.folder import Folder
from careslot.services import PACKAGES, create_app
from shared.kit.overrides import Overrides

# What a value of another type, or a text that is no such value, is refused with. Texts occur in paths, queries and lax fields.
CODES_OF_TYPE: Mapping[str, frozenset[str]] = {
    "str": frozenset({"string_type"}),
    "int": frozenset({"int_type", "int_parsing", "int_parsing_size", "int_from_float"}),
    "bool": frozenset({"bool_type", "bool_parsing"}),
    "uuid": frozenset({"uuid_type", "uuid_parsing"}),
    "list": frozenset({"list_type"}),
    "dict": frozenset({"dict_type"}),
    "enum": frozenset({"enum"}),
    "literal": frozenset({"literal_error"}),
    "model": frozenset({"model_attributes_type"}),  # as FastAPI validates with `from_attributes=True`
    "date": frozenset({"date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"}),
    "datetime": frozenset({"datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"}),
}
STRICT_CODES: Mapping[str, frozenset[str]] = {"int": frozenset({"int_type"}), "bool": frozenset({"bool_type"})}
CODE_OF_CONSTRAINT = {
    ("str", "min_length"): "string_too_short",
    ("str", "max_length"): "string_too_long",
    ("str", "pattern"): "string_pattern_mismatch",
    ("int", "ge"): "greater_than_equal",
    ("int", "gt"): "greater_than",
    ("int", "le"): "less_than_equal",
    ("int", "lt"): "less_than",
    ("int", "multiple_of"): "multiple_of",
    ("list", "min_length"): "too_short",
    ("list", "max_length"): "too_long",
    ("dict", "min_length"): "too_short",
    ("dict", "max_length"): "too_long",
}
WITHOUT_CODES = {
    "default", "nullable", "definitions", "definition-ref", "model-field", "function-after", "function-before", "function-wrap",
}  # fmt: skip
# Keywords that refuse nothing, or what CODES_OF_TYPE has for the type.
OTHER_KEYWORDS = {
    "type", "strict", "metadata", "serialization", "ref", "cls", "config", "expected", "members", "sub_type", "missing", "strip_whitespace",
    "custom_init", "root_model", "microseconds_precision",
}  # fmt: skip
CHILDREN = ("schema", "items_schema", "keys_schema", "values_schema")
# These validators run first and return a date or an instant, or raise a code of their own; nothing is left for the schema inside to refuse.
PARSERS = {"_validate_date": "date", "_validate_instant": "datetime"}
LENGTHS = {"max_length_validator": "too_long", "min_length_validator": "too_short"}


@functools.cache
def pydantic_codes() -> frozenset[str]:
    """Return every code of Pydantic that can occur in `errors` of a public operation."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ):
        data = Folder(Path(folder))
        apps = [create_app(service, embedded_settings(service, data), Overrides()) for service in PACKAGES]
    routes = [route for app in apps for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    return frozenset(code for route in routes for code in _codes_of_route(route))


def _codes_of_route(route: APIRoute) -> Iterator[str]:
    fields = [*get_flat_params(route.dependant), *([route.body_field] if route.body_field else [])]
    for field in fields:
        if field.field_info.is_required():
            yield "missing"
        yield from codes_of(TypeAdapter(field.field_info.rebuild_annotation()).core_schema)


def codes_of(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the codes of Pydantic that a core schema can produce. Raises AssertionError for a schema that this module does not know."""
    type_ = schema["type"]
    function = _name_of_function(schema)
    if function in LENGTHS:
        yield LENGTHS[function]
    if schema.get("schema", {}).get("type") == PARSERS.get(function, ""):
        return
    if type_ == "model-fields":
        yield from _codes_of_fields(schema)
        return
    assert type_ in CODES_OF_TYPE.keys() | WITHOUT_CODES, f"unknown type of a core schema: {type_}"
    if type_ in CODES_OF_TYPE:
        yield from _codes_of_value(schema)
    for child in (*(schema[name] for name in CHILDREN if name in schema), *schema.get("definitions", [])):
        yield from codes_of(child)


def _codes_of_value(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the codes that the type and the constraints of a value can produce, without those of the values in it."""
    type_ = schema["type"]
    constraints = schema.keys() - OTHER_KEYWORDS - set(CHILDREN)
    unknown = {keyword for keyword in constraints if (type_, keyword) not in CODE_OF_CONSTRAINT}
    assert not unknown, f"unknown keywords of a core schema of type {type_}: {unknown}"
    yield from (CODE_OF_CONSTRAINT[type_, keyword] for keyword in constraints if schema[keyword] is not None)
    yield from STRICT_CODES.get(type_, CODES_OF_TYPE[type_]) if schema.get("strict") else CODES_OF_TYPE[type_]
    if schema.get("config", {}).get("extra_fields_behavior") == "forbid":
        yield "extra_forbidden"


def _codes_of_fields(schema: Mapping[str, Any]) -> Iterator[str]:
    for field in schema["fields"].values():
        if field["schema"]["type"] != "default":
            yield "missing"
        yield from codes_of(field)


def _name_of_function(schema: Mapping[str, Any]) -> str:
    """Return the name of the function of a validator; an empty text for other schemas."""
    function = schema.get("function", {}).get("function")
    return str(getattr(getattr(function, "func", function), "__name__", ""))
