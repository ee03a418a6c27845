"""The rules of patients' profiles, and who may see how much of them: no input or output, and the current time is an argument."""

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
from shared.contracts.refusals import Invalid, require_version
from shared.contracts.relayed_refusals import NoSuchPatient

STATUSES_WITHOUT_TREATMENT = frozenset({"cancelled", "declined", "expired"})


class BornLater(Invalid):
    """Raised when the date of birth lies after today in the patient's time zone."""

    code = "born_later"
    detail = "The date of birth lies in the future."
    example_pointers = ("/born_on",)


class Sex(StrEnum):
    """FHIR's administrative gender (HL7 FHIR R5, value set administrative-gender)."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Patient:
    """The profile of a patient. `time_zone` is None for patients who have that of the clinic.

    `active`: the account, as of its version `account_version`, has the role patient and is not disabled.
    """

    id: UUID
    full_name: str
    time_zone: str | None
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
    def from_request(cls, patient_id: UUID, request: CreatePatient) -> Self:
        """Return the profile of a new patient."""
        return cls(patient_id, request.full_name, request.time_zone, request.locale, request.phone)

    def in_clinic(self, clinic_time_zone: str) -> Self:
        """Return the profile with the time zone in effect: the patient's own, or that of the clinic."""
        return self if self.time_zone else replace(self, time_zone=clinic_time_zone)

    def update(self, changes: Mapping[str, Any], expected_version: int | None, now: datetime, *, clinic_time_zone: str) -> Self:
        """Return the profile with some fields replaced and a new version, or self if nothing changes.

        Raises Stale, or BornLater when the date of birth lies after today in the patient's time zone.
        """
        require_version(self.version, expected_version)
        updated = replace(self, **changes)
        today = now.astimezone(ZoneInfo(updated.time_zone or clinic_time_zone)).date()
        if updated.born_on is not None and updated.born_on > today:
            raise BornLater(pointer="/born_on")
        return updated if updated == self else replace(updated, version=self.version + 1)

    def apply_account(self, role: Role, status: str, account_version: int) -> Self:
        """Return the profile after a change of its account, or self if this or a newer version of the account was applied before."""
        if account_version <= self.account_version:
            return self
        is_active = role is Role.PATIENT and status != "disabled"
        updated = replace(self, account_version=account_version)
        return updated if is_active == self.active else replace(updated, active=is_active, version=self.version + 1)

    def changed_event(self, event_id: UUID, occurred_at: datetime) -> PatientChanged:
        """Return the event that announces this version."""
        return PatientChanged(id=event_id, occurred_at=occurred_at, patient_id=self.id, version=self.version)

    def view_for(self, caller: Caller, is_treating: bool) -> Self:
        """Return as much of the profile as the caller may see. Raises NoSuchPatient for callers who may see nothing.

        The patient, doctors who are treating them and admins see all; reception sees neither date of birth nor sex.
        """
        if caller.role is Role.RECEPTION:
            return replace(self, born_on=None, sex=None)
        if caller.is_admin or caller.id == self.id or (caller.role is Role.DOCTOR and is_treating):
            return self
        raise NoSuchPatient


@dataclass(frozen=True, slots=True)
class PatientVisit:
    """An appointment of a patient with a doctor. `treats` is true if the doctor treats the patient because of it."""

    appointment_id: UUID
    patient_id: UUID
    doctor_id: UUID
    treats: bool
    version: int

    @classmethod
    def from_event(cls, event: AppointmentEvent) -> Self:
        """Return the visit that an event describes. It counts as treatment until it is cancelled, declined or expired."""
        treats = event.status not in STATUSES_WITHOUT_TREATMENT
        return cls(event.appointment_id, event.patient_id, event.doctor_id, treats, event.version)
