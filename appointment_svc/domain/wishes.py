"""What a client asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Wish:
    """A time with a doctor, or with whoever is free (None), or the time that one holds. Patients leave `patient_id` out."""

    service_id: UUID
    doctor_id: UUID | None
    starts_at: datetime
    patient_id: UUID | None = None
    reason: str | None = None
    intake: dict[str, str] | None = None
    hold_id: UUID | None = None
