"""What staff write to patients."""

from __future__ import annotations

from uuid import UUID

from shared.contracts.events import Event


class ClinicMessageWritten(Event):
    """Staff have written a message to a patient. It is no event on the bus, because it has a text: admin-service sends it directly."""

    subject = "message_id"
    message_id: UUID
    patient_id: UUID
    text: str
