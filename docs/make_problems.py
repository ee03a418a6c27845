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
from shared.kit.exception_handlers import HTTP_CODES, HTTP_DETAILS, INTERNAL_ERROR
from shared.kit.problems import PUBLIC_FIELD_CODES, UPSTREAM_FAILED, VALIDATION_FAILED, HttpRefusal, status_of
from tests.architecture.snapshots import refusal_classes
from tests.architecture.source import called_name, nodes

CATALOGUE = Path(__file__).parent.parent / "gateway_svc" / "static" / "problems.json"
FIELD_REMEDY = "Correct the value that `pointer` names and send the request again."
REASON_REMEDY = "Choose another start from `GET /slots`."
KIT_CODES = (
    (VALIDATION_FAILED, 422, "The request contains invalid values.", Invalid.remedy),
    (UPSTREAM_FAILED, 503, "A service that this request needs gave no useful answer.", Unavailable.remedy),
    (
        INTERNAL_ERROR,
        500,
        "An unexpected error occurred.",
        "Send the request again later, and report its `request_id` if it happens again.",
    ),
    (Refusal.code, 400, Refusal.detail, Refusal.remedy),
    (HTTP_CODES[405], 405, HTTP_DETAILS[405], "Use one of the methods in `Allow`."),
)


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
