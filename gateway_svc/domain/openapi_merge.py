"""Merges the OpenAPI documents of the services into one public document.

It contains only the paths that the routing table leads to. Names of schemas and operations are made unique.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway_svc.domain.routing_table import find_routing_entry
from shared.contracts.identity import Service

Json = dict[str, Any]
SCHEMA_REFERENCE = "#/components/schemas/"
INFO = {
    "title": "Careslot",
    "version": "1",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
DESCRIPTION = """Books health-care appointments: patients find a doctor, see when the doctor is free, book, move and cancel.

Guides: [Authentication]({url}/docs/guides/authentication) · [Paging]({url}/docs/guides/paging) ·
[Idempotency]({url}/docs/guides/idempotency) · [Concurrency]({url}/docs/guides/concurrency) · [Time]({url}/docs/guides/time) ·
[Rate limits]({url}/docs/guides/rate-limits) · [Messages]({url}/docs/guides/messages)

Errors are problem documents (RFC 9457) with a stable `code`; [their catalogue]({url}/problems) says what each means and what to do. The
events that the services publish are described in an [AsyncAPI document]({url}/asyncapi.json)."""
TAGS = {
    "Identity": "Registration, signing in and out, passwords and tokens.",
    "Clinic": "What everybody may know about the clinic.",
    "Doctors and services": "Doctors with their hours and leaves, and the services that can be booked with them.",
    "Calendar": "Free times, holds, and one's own agenda.",
    "Appointments": "Booking, moving and cancelling, and what happens on the day of the visit.",
    "Patients": "Profiles of patients.",
    "Administration": "Users, appointments of everybody, and closures of the clinic; for admins.",
    "Webhooks": "Events about appointments, sent to the URLs of integrators and signed as Standard Webhooks describes.",
    "Notifications": "The links in mails that end reminders and digests.",
    "Operations": "The state of the services.",
    "Documentation": "What the codes of problem documents mean.",
}


def merged_document(documents: Mapping[Service, Json], public_url: str) -> Json:
    """Return one OpenAPI 3.1 document of the API at `public_url`.

    A schema name that has different meanings in two services gets the service's name as a prefix, in each of them.
    """
    conflicting = _conflicting_schema_names(documents)
    paths: Json = {}
    webhooks: Json = {}
    components: dict[str, Json] = {}
    operation_ids: set[str] = set()
    for service, document in documents.items():
        prefixed = {name: f"{service.prefix.title()}_{name}" for name in conflicting & _schemas(document).keys()}
        renamed = _with_renamed_schemas(document, prefixed)
        for path, operations in renamed.get("paths", {}).items():
            if _is_public(path, service):
                unique = {method: _with_unique_id(operation, service, operation_ids) for method, operation in operations.items()}
                paths[path] = paths.get(path, {}) | unique
        webhooks |= renamed.get("webhooks", {})
        for section, entries in renamed.get("components", {}).items():
            components[section] = entries | components.get(section, {})
    used_tags = {tag for path in [*paths.values(), *webhooks.values()] for operation in path.values() for tag in operation.get("tags", [])}
    return {
        "openapi": "3.1.0",
        "info": INFO | {"description": DESCRIPTION.format(url=public_url), "contact": {"name": "Careslot", "url": f"{public_url}/docs"}},
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used_tags],
        "paths": dict(sorted(paths.items())),
        "webhooks": dict(sorted(webhooks.items())),
        "components": {section: dict(sorted(entries.items())) for section, entries in components.items()},
    }


def _is_public(path: str, service: Service) -> bool:
    entry = find_routing_entry(path)
    return entry.service is service if entry else service is Service.GATEWAY


def _schemas(document: Json) -> Json:
    schemas: Json = document.get("components", {}).get("schemas", {})
    return schemas


def _conflicting_schema_names(documents: Mapping[Service, Json]) -> set[str]:
    """Return the names whose schemas differ between two documents, in themselves or in a schema that they refer to."""
    all_schemas = [_schemas(document) for document in documents.values()]
    shared = {name for schemas in all_schemas for name in schemas if sum(name in other for other in all_schemas) > 1}
    conflicting = {name for name in shared if len({repr(_sorted(schemas[name])) for schemas in all_schemas if name in schemas}) > 1}
    while True:
        referring = {
            name
            for name in shared - conflicting
            if any(_refers_to(schemas[name], conflicting) for schemas in all_schemas if name in schemas)
        }
        if not referring:
            return conflicting
        conflicting |= referring


def _sorted(value: Any) -> Any:
    """Return the value with the keys of all its objects in alphabetical order, so that equal schemas have equal `repr`."""
    if isinstance(value, dict):
        return sorted((key, _sorted(child)) for key, child in value.items())
    return [_sorted(child) for child in value] if isinstance(value, list) else value


def _all_strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _all_strings(child)


def _refers_to(schema: Any, names: set[str]) -> bool:
    return any(text.removeprefix(SCHEMA_REFERENCE) in names for text in _all_strings(schema) if text.startswith(SCHEMA_REFERENCE))


def _with_renamed_schemas(document: Json, new_names: Mapping[str, str]) -> Json:
    if not new_names:
        return document
    new_references = {SCHEMA_REFERENCE + old: SCHEMA_REFERENCE + new for old, new in new_names.items()}
    renamed: Json = _with_strings_replaced(document, new_references)
    schemas = {new_names.get(name, name): schema for name, schema in _schemas(renamed).items()}
    return renamed | {"components": renamed["components"] | {"schemas": schemas}}


def _with_strings_replaced(value: Any, replacements: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _with_strings_replaced(child, replacements) for key, child in value.items()}
    if isinstance(value, list):
        return [_with_strings_replaced(child, replacements) for child in value]
    return replacements.get(value, value) if isinstance(value, str) else value


def _with_unique_id(operation: Any, service: Service, operation_ids: set[str]) -> Any:
    """Return the operation with a unique id, and add the id to `operation_ids`. An id that is taken gets the service's name as a prefix."""
    if not isinstance(operation, dict) or "operationId" not in operation:
        return operation
    operation_id = operation["operationId"]
    if operation_id in operation_ids:
        operation_id = f"{service.prefix.lower()}_{operation_id}"
    operation_ids.add(operation_id)
    return operation | {"operationId": operation_id}
