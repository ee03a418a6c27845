"""The problem documents that the OpenAPI document shows as examples, and the catalogue of the codes in them."""

from __future__ import annotations

import ast
import json
import re
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_core.core_schema import ErrorType

from gateway_svc.routes.problems import load_catalogue
from shared.contracts.refusals import Refusal
from tests.architecture.field_codes import pydantic_codes
from tests.architecture.snapshots import FOLDER, refusal_classes
from tests.architecture.source import called_name, nodes

DOCUMENT: dict[str, Any] = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
SET_BY_CALLERS = {"appointment_id"}  # a fact that the use case of leaves adds to the refusal of a single decision
FACTS_OF_CODE = {
    "slot_taken": {"alternatives"},
    "slot_held": {"alternatives", "available_again_at"},
    "not_bookable": {"reasons"},
    "illegal_move": {"allowed"},
    "stale_version": {"version"},
    "affected_changed": {"affected"},
    "too_late": {"cutoff_minutes"},
    "too_early": {"starts_at"},
    "too_many_holds": {"limit"},
    "validation_failed": {"errors"},
}


def example_problems() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield every example of a problem document, with the path and the operation that it belongs to."""
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            for response in operation["responses"].values():
                for example in response.get("content", {}).get("application/problem+json", {}).get("examples", {}).values():
                    yield path, operation, example["value"]


def fields_of(path: str, operation: dict[str, Any]) -> set[str]:
    """Return the names of the parameters and of the body's fields. Columns of a file are the fields of the POST of a single item."""
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for schema in content["schema"].get("anyOf", [content["schema"]]):
            names |= DOCUMENT["components"]["schemas"].get(schema.get("$ref", "").rsplit("/", 1)[-1], {}).get("properties", {}).keys()
    if "text/csv" in operation.get("requestBody", {}).get("content", {}):
        single = path.removeprefix("/admin").removesuffix("/import")
        names |= fields_of(single, DOCUMENT["paths"][single]["post"])
    return names


def test_an_example_names_the_path_of_its_operation() -> None:
    for path, operation, problem in example_problems():
        pattern = re.sub(r"{\w+}", "[A-Za-z0-9_-]+", path)
        assert re.fullmatch(pattern, problem["instance"]), (operation["operationId"], problem["instance"])


def test_an_example_has_the_facts_of_its_code() -> None:
    for path, _operation, problem in example_problems():
        code, facts = problem["code"], problem.keys()
        assert FACTS_OF_CODE.get(code, set()) <= facts, (path, code)
        assert problem["status"] not in (429, 503) or "retry_after" in facts, (path, code)
        assert problem["status"] != 422 or facts & {"errors", "reasons"}, (path, code)


def test_the_errors_of_an_example_name_a_field_of_the_operation() -> None:
    for path, operation, problem in example_problems():
        for error in problem.get("errors", []):
            field = error["pointer"].removeprefix("/").split("/")[0]
            fields = {*fields_of(path, operation), ""}
            assert field in fields or error["code"] == "extra_forbidden", (operation["operationId"], problem["code"], error)


@pytest.mark.parametrize("refusal", refusal_classes(), ids=lambda refusal: refusal.__name__)
def test_a_refusal_shows_the_facts_that_the_product_states_with_it(refusal: type[Refusal]) -> None:
    stated: set[str] = set()
    for _path, node in nodes():
        if isinstance(node, ast.Call) and called_name(node) == refusal.__name__:
            stated |= {keyword.arg for keyword in node.keywords if keyword.arg} - {"code"}
    shown = refusal.example_facts.keys() | ({"pointer"} if refusal.example_pointers else set())
    assert stated - shown - {"errors"} - SET_BY_CALLERS == set()


def test_the_catalogue_has_every_code_of_an_example() -> None:
    catalogue = load_catalogue()
    for path, _operation, problem in example_problems():
        codes = {"code": {problem["code"]}} | {place: {item["code"] for item in problem.get(place, [])} for place in ("errors", "reasons")}
        for place, names in codes.items():
            missing = {name for name in names if (entry := catalogue.find(name)) is None or place not in entry.places}
            assert missing == set(), (path, place)


def test_the_catalogue_has_every_code_with_which_the_schemas_refuse_a_value() -> None:
    described = {entry.code for entry in load_catalogue().entries() if "errors" in entry.places}
    assert pydantic_codes() >= {"missing", "extra_forbidden", "string_too_long", "uuid_parsing"}
    assert pydantic_codes() - described == set()
    assert described & set(typing.get_args(ErrorType)) == pydantic_codes(), "the catalogue describes a code that cannot occur"
