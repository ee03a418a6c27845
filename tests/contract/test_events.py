"""Events change by addition only: what was promised once stays promised."""

from __future__ import annotations

import json
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


def promises() -> dict[str, dict[str, str]]:
    """Of every topic the required fields, and of every field its schema."""
    described = {topic: kind.model_json_schema() for topic, kind in TOPICS.items()}
    return {
        topic: {name: json.dumps(field, sort_keys=True) for name, field in schema["properties"].items()}
        for topic, schema in described.items()
    }


def test_no_topic_and_no_field_is_taken_back_or_changed() -> None:
    kept = json.loads(SNAPSHOT.read_text())
    now = promises()
    broken = [
        f"{topic}.{name}" for topic, fields in kept.items() for name, field in fields.items() if now.get(topic, {}).get(name) != field
    ]
    assert broken == []
    assert kept.keys() == now.keys(), "a new topic: write it into tests/contract/events.json"


def test_no_event_names_a_patient_or_says_why() -> None:
    for topic, fields in promises().items():
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
    SNAPSHOT.write_text(json.dumps(promises(), indent=1, sort_keys=True))
