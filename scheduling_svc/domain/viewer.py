"""The viewer: the person for whom availability is computed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from shared.contracts.identity import Caller, Role


@dataclass(frozen=True, slots=True)
class Viewer:
    """The caller, the time of the request and the patient. An anonymous viewer has no id, no holds and no patient.

    The time of the appointment `exclude_appointment_id` counts as free, because an appointment may move over its own time.
    """

    now: datetime
    id: UUID | None = None
    is_staff: bool = False
    patient_id: UUID | None = None
    exclude_appointment_id: UUID | None = None

    @classmethod
    def of(
        cls, caller: Caller | None, now: datetime, *, patient_id: UUID | None = None, exclude_appointment_id: UUID | None = None
    ) -> Self:
        """Return the viewer for a caller; a caller with the role patient is the patient, unless another is named."""
        if caller is None:
            return cls(now, exclude_appointment_id=exclude_appointment_id)
        own_id = caller.id if caller.role is Role.PATIENT else None
        return cls(now, caller.id, caller.is_staff, patient_id or own_id, exclude_appointment_id)
