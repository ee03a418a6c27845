"""Writes the snapshots of the public API: `make snapshots`. The tests in `test_snapshots.py` compare them with the code.

`refusal_codes.json` has every public code; `openapi.json` is the merged OpenAPI document of the gateway. Both are promises to clients, so
they change only on purpose.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import pkgutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from careslot.embedded_platform import embedded_settings
from careslot.folder import Folder
from careslot.services import PACKAGES, create_app
from gateway_svc.domain.openapi_merge import merged_document
from gateway_svc.domain.routing_table import ROUTED_SERVICES
from shared.contracts.identity import Service
from shared.contracts.refusals import FAMILIES, Refusal
from shared.kit.exception_handlers import HTTP_CODES, INTERNAL_ERROR
from shared.kit.overrides import Overrides
from shared.kit.problems import PUBLIC_FIELD_CODES, UPSTREAM_FAILED, VALIDATION_FAILED, HttpRefusal, status_of
from tests.architecture.source import PRODUCT, called_name, nodes

FOLDER = Path(__file__).parent / "snapshots"


def refusal_classes() -> list[type[Refusal]]:
    """Return every refusal class of the product, the families included."""
    for package in PRODUCT:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if ".migrations" not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    classes = {refusal for refusal in _subclasses(Refusal) if refusal.__module__.split(".")[0] in PRODUCT}
    return sorted(classes, key=lambda refusal: (refusal.__module__, refusal.__qualname__))


def _subclasses(base: type[Refusal]) -> Iterator[type[Refusal]]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def refusal_codes() -> dict[str, Any]:
    """Return the public codes: those of refusal classes with status and family, and those of single instances, of reasons and of fields."""
    by_code: dict[str, set[str]] = {}
    for refusal in refusal_classes():
        if refusal is not HttpRefusal:
            family = next((base.__name__ for base in refusal.__mro__ if base in FAMILIES or base is HttpRefusal), "none")
            by_code.setdefault(refusal.code, set()).add(f"{status_of(refusal)} {family}")
    return {
        "refusals": {code: sorted(meanings) for code, meanings in sorted(by_code.items())},
        "codes of instances": sorted(set(_instance_codes())),
        "codes of reasons": sorted(set(_first_arguments("Reason"))),
        "codes of fields": sorted({*_first_arguments("PydanticCustomError"), *PUBLIC_FIELD_CODES}),
        "codes of the kit": sorted({VALIDATION_FAILED, UPSTREAM_FAILED, INTERNAL_ERROR, *HTTP_CODES.values()}),
    }


def _instance_codes() -> Iterator[str]:
    values = [node.value for _path, node in nodes() if isinstance(node, ast.keyword) and node.arg == "code"]
    yield from (value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str))


def _first_arguments(function: str) -> Iterator[str]:
    for _path, node in nodes():
        if isinstance(node, ast.Call) and called_name(node) == function and node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def openapi_document() -> dict[str, Any]:
    """Return the document that the gateway serves at `/openapi.json`, built in this process without starting any service."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ):
        data = Folder(Path(folder))
        documents = {service: create_app(service, embedded_settings(service, data), Overrides()).openapi() for service in PACKAGES}
    ordered = (Service.GATEWAY, *ROUTED_SERVICES)
    document: dict[str, Any] = json.loads(
        json.dumps(merged_document({service: documents[service] for service in ordered}, "http://localhost:8000"))
    )
    return document


def snapshots() -> dict[str, str]:
    """Return the text of every snapshot by its file name."""
    documents = {"refusal_codes.json": refusal_codes(), "openapi.json": openapi_document()}
    return {name: json.dumps(document, indent=1, sort_keys=True) + "\n" for name, document in documents.items()}


def main() -> None:
    """Write all snapshots."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in snapshots().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
