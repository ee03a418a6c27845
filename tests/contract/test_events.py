"""Events change by addition only: published topics and fields stay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shared.contracts.events import TOPICS, AppointmentBooked, Event
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import NOON

SNAPSHOT = Path(__file__).parent / "events.json"
PERSONAL = {"full_name", "name", "email", "phone", "address", "reason", "born_on", "diagnosis", "details"}


def current_schemas() -> dict[str, dict[str, str]]:
    """Return the schema of every field of every topic, nested fields under their path, such as `rules.weekly[].start`.

    The names of the classes are left out, because they are not sent.
    """
    described = {topic: event_class.model_json_schema() for topic, event_class in TOPICS.items()}
    return {topic: dict(fields_of(schema, schema.get("$defs", {}), "")) for topic, schema in described.items()}


def fields_of(schema: dict[str, Any], definitions: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield path and schema of every field in an object's schema."""
    for name, field in schema.get("properties", {}).items():
        nested = path + name
        own = {key: value for key, value in field.items() if key not in ("title", "description", "examples")}
        yield nested, json.dumps(_resolve_enums(own, definitions), sort_keys=True)
        for suffix, definition in _definitions_in(field, definitions):
            yield from fields_of(definition, definitions, f"{nested}{suffix}.")


def _definitions_in(field: dict[str, Any], definitions: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for option in (field, *field.get("anyOf", [])):
        for suffix, target in (("", option), ("[]", option.get("items", {}))):
            if "$ref" in target:
                yield suffix, definitions[target["$ref"].rsplit("/", 1)[-1]]


def _resolve_enums(node: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema in which references to enums are replaced by their values, and those to objects by a name-free mark."""
    if isinstance(node, list):
        return [_resolve_enums(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return definitions[node["$ref"].rsplit("/", 1)[-1]].get("enum", "(an object)")
    return {key: _resolve_enums(value, definitions) for key, value in node.items()}


def test_no_topic_and_no_field_is_removed_or_changed() -> None:
    old_schemas, current = json.loads(SNAPSHOT.read_text()), current_schemas()
    broken = [
        f"{topic}.{name}"
        for topic, fields in old_schemas.items()
        for name, field in fields.items()
        if current.get(topic, {}).get(name) != field
    ]
    assert broken == []
    assert old_schemas.keys() == current.keys(), "a new topic: run `make snapshots`"


def test_no_event_contains_names_or_reasons() -> None:
    for topic, fields in current_schemas().items():
        assert not PERSONAL & fields.keys(), topic


def test_an_event_survives_its_envelope() -> None:
    people = {name: new_id() for name in ("id", "appointment_id", "service_id", "doctor_id", "patient_id")}
    times = {"occurred_at": NOON, "starts_at": NOON, "ends_at": NOON, "time_zone": "Europe/Berlin"}
    facts = {**people, **times, "version": 2, "sequence": 0, "status": "booked", "actor": Actor(id=new_id(), role=Role.PATIENT)}
    event = AppointmentBooked.model_validate(facts)
    envelope = json.loads(json.dumps(event.to_cloudevent("appointment-service")))
    assert Event.from_cloudevent(envelope) == event
    required = TypeAdapter(dict[str, Any]).validate_python(envelope)
    assert {"specversion", "id", "source", "type"} <= required.keys()
    assert (envelope["type"], envelope["subject"], envelope["specversion"]) == ("appointment.booked.v1", str(event.appointment_id), "1.0")


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(current_schemas(), indent=1, sort_keys=True) + "\n")
