"""Writes gateway_svc/static/problems.json, the catalogue of public codes. With `--check` it exits with 1 when the file is out of date.

The gateway serves the catalogue at `/problems`. It is a file of the package, so that it is complete while services are down.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from shared.contracts.refusals import FAMILIES, Invalid, Refusal, Unavailable  # importable only after the line above
from shared.kit.exception_handlers import HTTP_CODES, HTTP_DETAILS, INTERNAL_ERROR, INTERNAL_ERROR_DETAIL
from shared.kit.problems import PUBLIC_FIELD_CODES, UPSTREAM_FAILED, VALIDATION_DETAIL, VALIDATION_FAILED, HttpRefusal, status_of
from tests.architecture.snapshots import refusal_classes
from tests.architecture.source import called_name, nodes

CATALOGUE = Path(__file__).parent.parent / "gateway_svc" / "static" / "problems.json"
FIELD_REMEDY = "Correct the value that `pointer` names and send the request again."
REASON_REMEDY = "Choose another start from `GET /slots`."
KIT_CODES = (
    (VALIDATION_FAILED, 422, VALIDATION_DETAIL, Invalid.remedy),
    (UPSTREAM_FAILED, 503, "A service that this request needs gave no useful answer.", Unavailable.remedy),
    (
        INTERNAL_ERROR,
        500,
        INTERNAL_ERROR_DETAIL,
        "Send the request again later, and report its `request_id` if it happens again.",
    ),
    (Refusal.code, 400, Refusal.detail, Refusal.remedy),
    (HTTP_CODES[405], 405, HTTP_DETAILS[405], "Use one of the methods in `Allow`."),
)
# The codes of Pydantic: what each means and what to do. A test compares them with the schemas of the public operations.
PYDANTIC_CODES: dict[str, tuple[str, str]] = {
    "bool_type": ("The value must be a boolean.", "Send `true` or `false`, without quotes."),
    "dict_type": ("The value must be an object.", "Send a JSON object, such as `{}`."),
    "enum": ("The value is not one of those that are possible here.", "Send one of the values that `detail` lists, exactly as written."),
    "extra_forbidden": (
        "The body has a field that the operation does not have, or a body was sent where none is expected.",
        "Leave out the field that `pointer` names; check its spelling and upper and lower case.",
    ),
    "bool_parsing": ("The text is neither true nor false.", "Send `true` or `false`."),
    "greater_than_equal": ("The number is too small.", "Send a number that is at least the one in `detail`."),
    "int_from_float": ("The number has a fraction, but only whole numbers are possible here.", "Send a whole number."),
    "int_parsing": ("The text is not a whole number.", "Send a whole number in decimal digits, such as `25`."),
    "int_parsing_size": ("The number has too many digits.", "Send a number with fewer digits."),
    "int_type": ("The value must be a whole number.", "Send a whole number without quotes, such as `25`."),
    "less_than_equal": ("The number is too large.", "Send a number that is at most the one in `detail`."),
    "list_type": ("The value must be a list.", "Send a JSON array, such as `[]`."),
    "literal_error": (
        "The value is not one of those that are possible here.",
        "Send one of the values that `detail` lists, exactly as written.",
    ),
    "missing": ("A required value is missing.", "Send the field or parameter that `pointer` names; if `pointer` is empty, send a body."),
    "model_attributes_type": ("The value must be an object with the fields of the schema.", "Send a JSON object."),
    "multiple_of": ("The number is not a multiple of the step.", "Send a multiple of the number in `detail`."),
    "string_pattern_mismatch": (
        "The text does not have the required form.",
        "Send a text that matches the regular expression in `detail`; the OpenAPI document has an example.",
    ),
    "string_too_long": ("The text is too long.", "Send at most as many characters as `detail` says."),
    "string_too_short": (
        "The text is too short.",
        "Send at least as many characters as `detail` says; spaces around the text do not count where they are removed.",
    ),
    "string_type": ("The value must be a text.", "Send a JSON string, in quotes."),
    "too_long": ("The list or object has too many entries, or the text has too many characters.", "Send at most as many as `detail` says."),
    "too_short": ("The list or object has too few entries, or the text has too few characters.", "Send at least as many as `detail` says."),
    "uuid_parsing": (
        "The text is not an id.",
        "Send the id as the API returned it: 32 hexadecimal digits with hyphens, such as `01a206b9-ffc9-726c-b520-6c5fbdafecf3`.",
    ),
    "uuid_type": ("The id must be a text.", "Send the id as a JSON string, in quotes, as the API returned it."),
}


def catalogue() -> list[dict[str, Any]]:
    """Return an item for every code, in alphabetical order. A code that occurs in several places is described as the code of a refusal."""
    items: dict[str, dict[str, Any]] = {}
    for code, place, status, detail, remedy in (*_refusals(), *_fields(), *_reasons()):
        title = code.replace("_", " ").capitalize()
        item: dict[str, Any] = {"code": code, "title": title, "status": status, "detail": detail, "what_to_do": remedy, "places": []}
        places = items.setdefault(code, item)["places"]
        if place not in places:
            places.append(place)
    return [items[code] for code in sorted(items)]


def _refusals() -> Iterator[tuple[str, str, int | None, str, str]]:
    """Yield the codes of refusals: the families first, because their sentences are the general ones."""
    classes = [*FAMILIES, *(refusal for refusal in refusal_classes() if refusal not in (*FAMILIES, HttpRefusal))]
    for refusal in classes:
        yield refusal.code, "code", status_of(refusal), refusal.detail, refusal.remedy
        if refusal.example_pointers:  # the only item of `errors` repeats the code
            yield refusal.code, "errors", status_of(refusal), refusal.detail, refusal.remedy
    for code, status, detail, remedy in KIT_CODES:
        yield code, "code", status, detail, remedy
    for status, code in HTTP_CODES.items():
        yield code, "code", status, HTTP_DETAILS[status], Refusal.remedy


def _fields() -> Iterator[tuple[str, str, int | None, str, str]]:
    """Yield the codes of single fields; those in PUBLIC_FIELD_CODES can also be the code of the whole problem."""
    for code, detail in PUBLIC_FIELD_CODES.items():
        yield code, "code", 422, detail, FIELD_REMEDY
        yield code, "errors", 422, detail, FIELD_REMEDY
    for code, detail in _sentences("PydanticCustomError"):
        yield code, "errors", None, detail, FIELD_REMEDY
    for code, (detail, remedy) in PYDANTIC_CODES.items():
        yield code, "errors", None, detail, remedy


def _reasons() -> Iterator[tuple[str, str, int | None, str, str]]:
    """Yield the codes of why a start cannot be booked."""
    for code, detail in _sentences("Reason"):
        yield code, "reasons", None, detail, REASON_REMEDY


def _sentences(function: str) -> Iterator[tuple[str, str]]:
    """Yield the first two arguments of every call of `function` that begins with two literal texts: code and sentence."""
    for _path, node in nodes():
        if isinstance(node, ast.Call) and called_name(node) == function:
            texts = [argument.value for argument in node.args[:2] if isinstance(argument, ast.Constant)]
            if len(texts) == 2:
                yield str(texts[0]), re.sub(r"{\w+}", "...", str(texts[1]))  # an ellipsis for each placeholder


def text() -> str:
    """Return the content of the file."""
    return json.dumps(catalogue(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(not CATALOGUE.exists() or CATALOGUE.read_text(encoding="utf-8") != text())
    CATALOGUE.write_text(text(), encoding="utf-8")
