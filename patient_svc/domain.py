"""A patient's profile, and who may see how much of it: pure, synchronous."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.contracts.events import AppointmentEvent, PatientChanged
from shared.contracts.http import CreatePatient
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Invalid, NotFound, require_version

OVER = frozenset({"cancelled", "declined", "expired"})


class NoSuchPatient(NotFound):
    """There is no such patient, or you may not see them."""

    code = "no_such_patient"
    detail = "There is no such patient, or you may not see them."


class BornLater(Invalid):
    """The day of birth lies in the future."""

    code = "born_later"
    detail = "The day of birth lies in the future."


class Sex(StrEnum):
    """FHIR's administrative gender (HL7 FHIR R5, value set administrative-gender)."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Patient:
    """`account_version` is the version of the account that `active` was learned from."""

    id: UUID
    full_name: str
    time_zone: str
    locale: str
    phone: str | None = None
    born_on: date | None = None
    sex: Sex | None = None
    address: dict[str, Any] | None = None
    emergency_contact: dict[str, Any] | None = None
    active: bool = True
    account_version: int = 0
    version: int = 1

    @classmethod
    def opened(cls, patient_id: UUID, profile: CreatePatient) -> Self:
        return cls(patient_id, profile.full_name, profile.time_zone, profile.locale, profile.phone)

    def amended(self, changes: Mapping[str, Any], expected: int | None, at: datetime) -> Self:
        """With some fields changed; the same when nothing is new. Today is where the patient lives."""
        require_version(self.version, expected)
        changed = replace(self, **changes)
        if changed.born_on is not None and changed.born_on > at.astimezone(ZoneInfo(changed.time_zone)).date():
            raise BornLater(pointer="/born_on")
        return changed if changed == self else replace(changed, version=self.version + 1)

    def with_account(self, role: Role, status: str, version: int) -> Self:
        """What became of the account; an older word than the one that is known changes nothing."""
        if version <= self.account_version:
            return self
        active = role is Role.PATIENT and status != "disabled"
        known = replace(self, account_version=version)
        return known if active == self.active else replace(known, active=active, version=self.version + 1)

    def changed_event(self, event_id: UUID, at: datetime) -> PatientChanged:
        return PatientChanged(id=event_id, occurred_at=at, patient_id=self.id, version=self.version)

    def shown_to(self, by: Caller, treated: bool) -> Self:
        """Oneself, the treating doctor and admins see all; the front desk what it needs to reach the patient; for others there is none."""
        if by.role is Role.RECEPTION:
            return replace(self, born_on=None, sex=None)
        if by.is_admin or by.id == self.id or (by.role is Role.DOCTOR and treated):
            return self
        raise NoSuchPatient


@dataclass(frozen=True, slots=True)
class Visit:
    """What is known of one appointment: enough to say whether a doctor treats a patient."""

    appointment_id: UUID
    patient_id: UUID
    doctor_id: UUID
    treats: bool
    version: int

    @classmethod
    def of(cls, event: AppointmentEvent) -> Self:
        return cls(event.appointment_id, event.patient_id, event.doctor_id, event.status not in OVER, event.version)
