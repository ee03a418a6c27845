"""The bodies of appointments."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from shared.contracts.appointments import StatusAfterEdit
from shared.contracts.http import StaffOverride
from shared.contracts.texts import RequiredText
from shared.contracts.values import Instant, RequestModel


class UpdateAppointment(RequestModel):
    """Another time, doctor or status of an appointment, and the reason for the change; fields that are left out stay.

    `override` is the rule of the calendar to lift for the new time or doctor, or for an appointment that becomes booked again.
    """

    starts_at: Instant | None = None
    doctor_id: UUID | None = None
    status: StatusAfterEdit | None = Field(default=None, examples=["cancelled"])
    reason: RequiredText
    override: StaffOverride | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """Return the fields that were sent, as JSON."""
        return self.model_dump(mode="json", exclude_none=True)
