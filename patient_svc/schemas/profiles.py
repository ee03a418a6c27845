"""The bodies of profiles."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from patient_svc.domain.duplicates import MAX_DUPLICATES, DuplicateReason, PossibleDuplicate
from patient_svc.domain.identifiers import MAX_IDENTIFIERS, Identifier, normalize_system, normalize_value
from patient_svc.domain.patients import Patient, PreferredContact, Sex
from shared.contracts.http import Actor
from shared.contracts.pages import Page
from shared.contracts.texts import OneLineText
from shared.contracts.values import Email, FullDate, Locale, PatchModel, Phone, ReadModel, RequestModel, TimeZone, require_date_between

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
BornOn = Annotated[
    FullDate,
    require_date_between(date(1870, 1, 1), date(2200, 1, 1)),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["1984-06-02"]}),
]


SystemUri = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$", max_length=200),
    AfterValidator(normalize_system),
    Field(examples=["urn:oid:1.2.276.0.76.4.8"]),
]
StrictBool = Annotated[bool, Field(strict=True)]


class IdentifierIn(RequestModel):
    """An identifier that another organisation gave to the patient. `system` is the URI of the namespace, as in FHIR.

    The case of its scheme, host and namespace of a URN does not matter; they are stored in lower case.
    """

    system: SystemUri
    value: Annotated[OneLineText, AfterValidator(normalize_value), Field(max_length=100, examples=["A123456780"])]


def _refuse_repetition(identifiers: list[IdentifierIn]) -> list[IdentifierIn]:
    if len({(identifier.system, identifier.value) for identifier in identifiers}) < len(identifiers):
        raise PydanticCustomError("duplicate_item", "The same identifier is given twice.")
    return identifiers


Identifiers = Annotated[
    list[IdentifierIn],
    Field(max_length=MAX_IDENTIFIERS, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_refuse_repetition),
]


class IdentifierOut(ReadModel):
    """An identifier that another organisation gave to the patient. `system` is the URI of the namespace, as in FHIR."""

    system: str
    value: str


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

    nullable_fields: ClassVar = frozenset(
        {"phone", "born_on", "sex", "address", "emergency_contact", "time_zone", "locale", "preferred_contact"}
    )

    full_name: OneLineText | None = None
    phone: Phone | None = None
    born_on: BornOn | None = None
    sex: Sex | None = None
    address: PostalAddress | None = None
    time_zone: TimeZone | None = None
    locale: Locale | None = None
    emergency_contact: EmergencyContact | None = None
    preferred_contact: PreferredContact | None = None
    reminders_consent: StrictBool | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent, in plain types."""
        return self.model_dump(include=self.model_fields_set)


class UpdatePatientByStaff(UpdatePatient):
    """Fields that are left out stay as they are; null removes an optional field. `identifiers` replaces all identifiers.

    `email` gets the mails about the visits of a patient without an account. A patient without `time_zone` or `locale` has the clinic's.
    """

    nullable_fields: ClassVar = UpdatePatient.nullable_fields | {"email"}

    email: Email | None = None
    identifiers: Identifiers | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent, in plain types and identifiers."""
        identifiers = {"identifiers": _to_identifiers(self.identifiers)} if self.identifiers is not None else {}
        return super().changes | identifiers


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
    identifiers: Identifiers = Field(default_factory=list)
    preferred_contact: PreferredContact | None = None
    reminders_consent: StrictBool = True

    def to_patient(self, patient_id: UUID) -> Patient:
        """Return the patient that the request describes."""
        fields = {name: getattr(self, name) for name in CreateWalkIn.model_fields}
        return Patient(id=patient_id, **fields | {"identifiers": _to_identifiers(self.identifiers)})


class ImportPatient(CreateWalkIn):
    """The body of `PUT /internal/imported-patients/{id}`. `by` is the admin who imports the file."""

    by: Actor


def _to_identifiers(identifiers: list[IdentifierIn]) -> tuple[Identifier, ...]:
    return tuple(Identifier(identifier.system, identifier.value) for identifier in identifiers)


class PatientOut(ReadModel):
    """A patient's profile.

    `time_zone` and `locale` are the clinic's for patients who gave none. `email` is null for patients with an account, which has the
    address. Reception sees null as date of birth and sex. `preferred_contact` tells staff how to contact the patient; `reminders_consent`
    is also one of the preferences.
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
    identifiers: list[IdentifierOut]
    preferred_contact: PreferredContact | None
    reminders_consent: bool
    version: int


class PossibleDuplicateOut(ReadModel):
    """A patient who may be the same person as the new one. Reception sees null as date of birth."""

    id: UUID
    full_name: str
    born_on: date | None
    phone: str | None
    reasons: list[DuplicateReason] = Field(description="What both have in common.", examples=[["same_name", "same_phone"]])

    @classmethod
    def from_duplicate(cls, duplicate: PossibleDuplicate) -> Self:
        """Return the duplicate as staff see it."""
        patient = duplicate.patient
        return cls(
            id=patient.id, full_name=patient.full_name, born_on=patient.born_on, phone=patient.phone, reasons=list(duplicate.reasons)
        )


class WalkInOut(PatientOut):
    """A new patient without an account. `possible_duplicates` are patients who may be the same person, the most likely first.

    They do not prevent anything. `duplicates_complete` is false if there may be others: while the accounts cannot be searched for the email
    address, while patients are being indexed, and when there are more than are listed.
    """

    possible_duplicates: list[PossibleDuplicateOut] = Field(max_length=MAX_DUPLICATES)
    duplicates_complete: bool

    @classmethod
    def from_walk_in(cls, patient: Patient, duplicates: list[PossibleDuplicate], has_all: bool) -> Self:
        """Return a new patient with the possible duplicates."""
        profile = PatientOut.model_validate(patient).model_dump()
        listed = [PossibleDuplicateOut.from_duplicate(duplicate) for duplicate in duplicates]
        return cls(**profile, possible_duplicates=listed, duplicates_complete=has_all)


class FoundPatientsOut(Page[PatientOut]):
    """A page of a search. `complete`: all patients who match are on this page or the next ones.

    It is false while the accounts cannot be searched for an email address, while patients are being indexed, and when more patients match
    than a search reads; then more words find the others.
    """

    complete: bool = Field(validation_alias="is_complete")
