"""The request and response models of patient-service."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from patient_svc.domain.guardians import Dependant
from patient_svc.domain.patients import Patient, Sex
from patient_svc.domain.preferences import Preferences
from shared.contracts.contacts import QuietHours, ReminderOffsets
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
    """The body of `PATCH /internal/patients/{id}`."""

    full_name: OneLineText


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


WallClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class QuietHoursIn(RequestModel):
    """Wall-clock times in the patient's zone between which no reminder is sent. `to` is excluded, and may be on the next day."""

    since: WallClockTime = Field(alias="from", examples=["22:00"])
    until: WallClockTime = Field(alias="to", examples=["07:00"])

    @model_validator(mode="after")
    def _require_length(self) -> Self:
        if self.since == self.until:
            raise PydanticCustomError("empty_quiet_hours", "The quiet hours must end at another time than they begin.")
        return self

    def to_quiet_hours(self) -> QuietHours:
        """Return the quiet hours that the request describes."""
        return QuietHours(since=time.fromisoformat(self.since), until=time.fromisoformat(self.until))


class QuietHoursOut(ReadModel):
    """Wall-clock times in the patient's zone between which no reminder is sent. `to` is excluded, and may be on the next day."""

    since: str = Field(serialization_alias="from", examples=["22:00"])
    until: str = Field(serialization_alias="to", examples=["07:00"])


Channel = Literal["email"]
OFFSETS = (
    "Minutes before the start of a visit at which reminders are due, the longest first. Null for those of the service, or else of the "
    "clinic; an empty list for no reminders."
)


class PutPreferences(RequestModel):
    """What a patient decides about reminders. Fields that are left out get their default, except `locale`, which then stays as it is.

    `locale` is that of the profile; null stands for the clinic's.
    """

    channels: list[Channel] = Field(default=["email"], min_length=1, max_length=1, description="How reminders are sent.")
    reminder_offsets_minutes: ReminderOffsets | None = Field(default=None, description=OFFSETS)
    quiet_hours: QuietHoursIn | None = None
    locale: Locale | None = None
    version: int | None = Field(default=None, ge=1, description="May be sent back as it was read. The version in `If-Match` counts.")

    def to_preferences(self) -> Preferences:
        """Return the preferences that the request describes."""
        offsets, quiet_hours = self.reminder_offsets_minutes, self.quiet_hours
        return Preferences(None if offsets is None else tuple(offsets), quiet_hours.to_quiet_hours() if quiet_hours else None)

    @property
    def profile_changes(self) -> dict[str, str | None]:
        """The changes of the profile: `locale`, if the request names it."""
        return {"locale": self.locale} if "locale" in self.model_fields_set else {}


class PreferencesOut(ReadModel):
    """What a patient decides about reminders. `locale` is that of the profile, or of the clinic for patients who gave none.

    `version` grows with every change of these fields, also when the profile's locale changes.
    """

    channels: list[Channel]
    reminder_offsets_minutes: list[int] | None = Field(description=OFFSETS, examples=[[1440, 60]])
    quiet_hours: QuietHoursOut | None
    locale: str
    version: int

    @classmethod
    def from_patient(cls, patient: Patient) -> Self:
        """Return the preferences of a patient whose locale is the one in effect."""
        offsets, quiet_hours = patient.preferences.reminder_offsets_minutes, patient.preferences.quiet_hours
        return cls(
            channels=["email"],
            reminder_offsets_minutes=None if offsets is None else list(offsets),
            quiet_hours=quiet_hours and QuietHoursOut(since=f"{quiet_hours.since:%H:%M}", until=f"{quiet_hours.until:%H:%M}"),
            locale=str(patient.locale),
            version=patient.preferences.version,
        )


class CreateDependant(RequestModel):
    """A new patient without an account, for whom the caller acts. `relationship` is what they are to the caller."""

    full_name: OneLineText
    born_on: BornOn
    relationship: OneLineText | None = Field(default=None, examples=["daughter"])

    def to_dependant(self, dependant_id: UUID) -> Dependant:
        """Return the dependant that the request describes."""
        return Dependant(dependant_id, self.full_name, self.born_on, self.relationship)


class DependantOut(ReadModel):
    """A patient for whom the caller acts. `relationship` is what they are to the caller."""

    id: UUID
    full_name: str
    born_on: date
    relationship: str | None = Field(examples=["daughter"])
