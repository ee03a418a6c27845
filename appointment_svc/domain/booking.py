"""What a booking is made from: the request, and the summaries of service, doctor and patient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.contracts.http import DoctorRules, PatientSummary, ServiceTypeRules, StaffOverride


class BookingRequest(Protocol):
    """What a client asks to book; the request body `BookAppointment` has these fields."""

    @property
    def service_id(self) -> UUID: ...

    @property
    def chosen_doctor_id(self) -> UUID | None:
        """None when any doctor may be chosen."""

    @property
    def starts_at(self) -> datetime: ...

    @property
    def patient_id(self) -> UUID | None:
        """None when patients book for themselves."""

    @property
    def hold_id(self) -> UUID | None: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def intake(self) -> dict[str, str] | None: ...

    @property
    def override(self) -> StaffOverride | None:
        """The rule of the calendar that staff lift for this booking."""


@dataclass(frozen=True, slots=True)
class BookingParties:
    """The summaries from doctor-service and patient-service; `doctor` is None when any doctor may be chosen."""

    service: ServiceTypeRules
    doctor: DoctorRules | None
    patient: PatientSummary
