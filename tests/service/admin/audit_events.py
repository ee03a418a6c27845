"""Events of the audit trail, and auth-service as it signs the heads of the days."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx

from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Role, Service
from shared.kit.ids import new_id
from tests.running import NOON, not_found_response

DOCTOR, SAM = UUID(int=1), UUID(int=3)


def an_audit_event(**changes: Any) -> AuditRecorded:
    """Return the event of a doctor's read of Sam's medical history."""
    facts = {
        "id": new_id(),
        "occurred_at": NOON,
        "subject_id": SAM,
        "actor_id": DOCTOR,
        "actor_role": Role.DOCTOR,
        "action": "medical_history.read",
        "relation": "treating_doctor",
        "outcome": "done",
        "row_id": UUID(int=9),
        "request_id": "req-1",
        "source": Service.PATIENT,
    }
    return AuditRecorded.model_validate(facts | changes)


def sign_heads(request: httpx.Request) -> httpx.Response:
    """Answer as auth-service does when it signs a head of the audit trail."""
    if not request.url.path.startswith("/internal/audit-heads/"):
        return not_found_response()
    day = request.url.path.rpartition("/")[2]
    return httpx.Response(200, json={"day": day, "key_id": "key-1", "signature": f"signed {day}"})
