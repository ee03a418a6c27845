"""Documents of earlier releases: `stored_document.json` was written before the fields of the domain were renamed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from appointment_svc.domain.calendar_sync import IntentKind
from appointment_svc.repository.documents import from_document, to_document
from tests.unit.appointment.builders import DESK_ACTOR

EVENT_FIELDS = ("pending_events", "published_events", "unsent")  # the store adds them on insert


def stored_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(__file__).parent / "stored_document.json").read_text(encoding="utf-8"))
    return {name: value for name, value in document.items() if name not in EVENT_FIELDS}


def test_a_document_of_an_earlier_release_is_read_and_written_under_the_same_names() -> None:
    document = stored_document()
    written = to_document(from_document(document))
    del document["denial"]["title"]  # earlier releases stored it; it follows from the code
    document["service"]["reminder_offsets_minutes"] = None  # a field of newer releases, as those that follow
    document["history"][0]["override"] = document["intent"]["override"] = None
    assert written == document | {"event_count": 0, "confirmed_at": None, "former_patient_ids": [], "overridden": None}


def test_renamed_fields_are_read_from_their_stored_names() -> None:
    appointment = from_document(stored_document())
    intent, stored_refusal = appointment.sync.intent, appointment.sync.stored_refusal
    assert intent is not None
    assert stored_refusal is not None
    assert (intent.kind, intent.actor, intent.revision, appointment.sync.revision) == (IntentKind.RESTORE, DESK_ACTOR, 3, 2)
    assert (stored_refusal.code, stored_refusal.operation_id, appointment.row_version) == ("slot_taken", UUID(int=3), 5)
    assert appointment.intake == {"Since when?": "May"}
