"""The bodies of profiles."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field, StringConstraints, WithJsonSchema

from patient_svc.domain.patients import Patient, Sex
from shared.contracts.http import Actor
from shared.contracts.texts import OneLineText
from shared.contracts.values import Email, FullDate, Locale, PatchModel, Phone, ReadModel, RequestModel, TimeZone, require_date_between

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
BornOn = Annotated[
    FullDate,
    require_date_between(date(1870, 1, 1), date(2200, 1, 1)),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["1984-06-02"]}),
]


class PostalAddress(RequestModel):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    line1: OneLineText
    line2: OneLineText | None = None
    city: OneLineText
    postal_code: Annotated[OneLineText, Field(max_length=16)] | None = None
    region: OneLineText | None = None
    country: Country


class EmergencyContact(RequestModel):
    """A person to call in an emergency."""

    full_name: OneLineText
    phone: Phone
    relationship: OneLineText | None = None


class PostalAddressOut(ReadModel):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    line1: str
    line2: str | None = None
    city: str
    postal_code: str | None = None
    region: str | None = None
    country: str


class EmergencyContactOut(ReadModel):
    """A person to call in an emergency."""

    full_name: str
    phone: str
    relationship: str | None = None


class UpdatePatient(PatchModel):
    """Fields that are left out stay as they are; null removes an optional field.

    A patient without `time_zone` or `locale` has the clinic's.
    """

    nullable_fields: ClassVar = frozenset({"phone", "born_on", "sex", "address", "emergency_contact", "time_zone", "locale"})

    full_name: OneLineText | None = None
    phone: Phone | None = None
    born_on: BornOn | None = None
    sex: Sex | None = None
    address: PostalAddress | None = None
    time_zone: TimeZone | None = None
    locale: Locale | None = None
    emergency_contact: EmergencyContact | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent, in plain types."""
        return self.model_dump(include=self.model_fields_set)


class RenamePatient(RequestModel):
    """The body of `PATCH /internal/patients/{id}`. `by` is the admin who changes the name; admin-service before 0.2.0 does not say it."""

    full_name: OneLineText
    by: Actor | None = None


class CreateWalkIn(RequestModel):
    """A new patient without an account. `email` gets the mails about their visits.

    Without `time_zone` or `locale` they have the clinic's.
    """

    full_name: OneLineText
    phone: Phone | None = None
    born_on: BornOn | None = None
    email: Email | None = None
    time_zone: TimeZone | None = None
    locale: Locale | None = None

    def to_patient(self, patient_id: UUID) -> Patient:
        """Return the patient that the request describes."""
        return Patient(id=patient_id, **{name: getattr(self, name) for name in type(self).model_fields})


class PatientOut(ReadModel):
    """A patient's profile.

    `time_zone` and `locale` are the clinic's for patients who gave none. `email` is null for patients with an account, which has the
    address. Reception sees null as date of birth and sex.
    """

    id: UUID
    full_name: str
    born_on: date | None
    sex: Sex | None
    phone: str | None
    email: str | None
    address: PostalAddressOut | None
    time_zone: str
    locale: str
    emergency_contact: EmergencyContactOut | None
    version: int
