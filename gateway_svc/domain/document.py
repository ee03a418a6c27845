"""Joins the services' OpenAPI documents into one: only what the routing table lets through, every name once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway_svc.domain.table import entry_of
from shared.contracts.identity import Service

Json = dict[str, Any]
SCHEMAS = "#/components/schemas/"
INFO = {
    "title": "Careslot",
    "version": "1",
    "description": "Books health-care appointments. Errors are problem documents (RFC 9457) with a stable `code`.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}


def joined(documents: Mapping[Service, Json]) -> Json:
    """One OpenAPI 3.1 document. Schemas of one name that differ are told apart by the name of their service."""
    clashing = _clashing(documents)
    paths: Json = {}
    components: dict[str, Json] = {}
    taken: set[str] = set()
    for service, document in documents.items():
        document = _renamed(document, {name: f"{service.prefix.title()}_{name}" for name in clashing if name in _schemas(document)})
        for path, operations in document.get("paths", {}).items():
            if _is_public(path, service):
                paths[path] = paths.get(path, {}) | {verb: _unique(said, service, taken) for verb, said in operations.items()}
        for section, named in document.get("components", {}).items():
            components[section] = named | components.get(section, {})
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {section: dict(sorted(named.items())) for section, named in components.items()},
    }


def _is_public(path: str, service: Service) -> bool:
    entry = entry_of(path)
    return entry.service is service if entry else service is Service.GATEWAY


def _schemas(document: Json) -> Json:
    schemas: Json = document.get("components", {}).get("schemas", {})
    return schemas


def _clashing(documents: Mapping[Service, Json]) -> set[str]:
    """Names that mean different things in two documents, themselves or in what they refer to."""
    everywhere = [_schemas(document) for document in documents.values()]
    several = {name for schemas in everywhere for name in schemas if sum(name in other for other in everywhere) > 1}
    clashing = {name for name in several if len({repr(_ordered(own[name])) for own in everywhere if name in own}) > 1}
    while True:
        more = {name for name in several - clashing if any(_refers(own[name], clashing) for own in everywhere if name in own)}
        if not more:
            return clashing
        clashing |= more


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((key, _ordered(child)) for key, child in value.items())
    return [_ordered(child) for child in value] if isinstance(value, list) else value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _strings(child)


def _refers(schema: Any, names: set[str]) -> bool:
    return any(text.removeprefix(SCHEMAS) in names for text in _strings(schema) if text.startswith(SCHEMAS))


def _renamed(document: Json, names: Mapping[str, str]) -> Json:
    if not names:
        return document
    moved: Json = _pointing(document, {SCHEMAS + old: SCHEMAS + new for old, new in names.items()})
    schemas = {names.get(name, name): schema for name, schema in _schemas(moved).items()}
    return moved | {"components": moved["components"] | {"schemas": schemas}}


def _pointing(value: Any, references: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _pointing(child, references) for key, child in value.items()}
    if isinstance(value, list):
        return [_pointing(child, references) for child in value]
    return references.get(value, value) if isinstance(value, str) else value


def _unique(operation: Any, service: Service, taken: set[str]) -> Any:
    """The operation, its id told apart where another service has the same."""
    if not isinstance(operation, dict) or "operationId" not in operation:
        return operation
    name = operation["operationId"]
    if name in taken:
        name = f"{service.prefix.lower()}_{name}"
    taken.add(name)
    return operation | {"operationId": name}
