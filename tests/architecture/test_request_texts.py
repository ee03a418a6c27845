"""Every text that a request can carry has declared which characters it accepts, in all eight services, on internal routes too."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import pytest
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Form, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from careslot.embedded_platform import embedded_settings
from careslot.folder import Folder
from careslot.services import PACKAGES, create_app
from shared.contracts.identity import Service
from shared.contracts.texts import MULTI_LINE_PATTERN, REQUIRED_TEXT_PATTERN
from shared.contracts.values import RequestModel
from shared.kit.overrides import Overrides

CONTROLS = ["\n", "\t", "\0", "\x85", "\u2028", "\u202e", "\u200f"]
DECLARING = {"format", "enum", "const"}
CURSORS = {"after"}  # any text may be sent; what is not a cursor of the list is 422 `bad_cursor`


def request_fields(service: Service) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the JSON schema of every query parameter and JSON body of a service."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ):
        app = create_app(service, embedded_settings(service, Folder(Path(folder))), Overrides())
    for route in (route for route in app.routes if isinstance(route, APIRoute)):
        fields = [field for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)]
        if route.body_field is not None and not isinstance(route.body_field.field_info, Form):
            fields.append(route.body_field)
        for field in fields:
            if field.alias not in CURSORS:
                annotation: Any = Annotated[(field.field_info.annotation, *field.field_info.metadata, None)]
                name = f"{sorted(route.methods or ())[0]} {route.path} {field.alias}"
                yield name, TypeAdapter(annotation).json_schema()


def strings_of(schema: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of a string within a schema, with the path that leads to it."""
    if isinstance(schema, dict) and schema.get("type") == "string":
        yield name, schema
    elif isinstance(schema, dict):
        for key, child in schema.items():
            if key != "propertyNames":  # the keys of a map; their type is TextKey
                yield from strings_of(child, f"{name}/{key}")
    elif isinstance(schema, list):
        for child in schema:
            yield from strings_of(child, name)


@pytest.mark.parametrize("service", PACKAGES, ids=str)
def test_every_text_of_a_request_declares_its_characters(service: Service) -> None:
    for field, schema in request_fields(service):
        for name, text in strings_of(schema, field):
            assert text.keys() & (DECLARING | {"pattern"}), f"{name} is any text: use OneLineText or MultiLineText"
            if text.get("pattern") not in (None, MULTI_LINE_PATTERN, REQUIRED_TEXT_PATTERN):
                assert not [control for control in CONTROLS if re.search(text["pattern"], f"a{control}b")], name


def request_models(base: type[BaseModel] = RequestModel) -> Iterator[type[BaseModel]]:
    """Yield every request model of the imported services."""
    for model in base.__subclasses__():
        yield model
        yield from request_models(model)


@pytest.mark.parametrize("service", PACKAGES, ids=str)
def test_the_documented_length_of_a_text_is_the_one_that_counts(service: Service) -> None:
    """A type with a limit of its own, used with a higher one, documents the higher one and enforces the lower one."""
    import_module(f"{PACKAGES[service]}.main")
    checked = 0
    for model in request_models():
        for name, field in model.model_fields.items():
            annotation: Any = Annotated[(field.annotation, *field.metadata, None)]
            adapter = TypeAdapter[Any](annotation)
            schema = adapter.json_schema()
            for text in [schema, *schema.get("anyOf", []), schema.get("items", {})]:
                if text.get("type") == "string" and "maxLength" in text:
                    longest = "a" * text["maxLength"]
                    assert "string_too_long" not in codes_of(adapter, [longest] if text is schema.get("items") else longest), (model, name)
                    checked += 1
    assert checked > 10


def codes_of(adapter: TypeAdapter[Any], value: object) -> list[str]:
    """Return the codes of the errors of a value."""
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return [detail["type"] for detail in error.errors()]
    return []
