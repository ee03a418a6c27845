"""The bodies of preferences."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from patient_svc.domain.patients import Patient
from patient_svc.domain.preferences import Preferences
from shared.contracts.contacts import QuietHours, ReminderOffsets
from shared.contracts.values import Locale, ReadModel, RequestModel

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

CONSENT = "The patient agrees to reminders. Without the consent none are sent, whatever the offsets are."


def _without_default(schema: dict[str, Any]) -> None:
    """Remove the default from the schema of a field that stays as it is when it is left out."""
    schema.pop("default", None)


class PutPreferences(RequestModel):
    """What a patient decides about reminders. Fields that are left out get their default, except `locale` and `reminders_consent`.

    These two are fields of the profile and stay as they are when they are left out; null as `locale` stands for the clinic's.
    """

    channels: list[Channel] = Field(default=["email"], min_length=1, max_length=1, description="How reminders are sent.")
    reminder_offsets_minutes: ReminderOffsets | None = Field(default=None, description=OFFSETS)
    quiet_hours: QuietHoursIn | None = None
    locale: Locale | None = None
    reminders_consent: Annotated[bool, Field(strict=True, description=CONSENT, json_schema_extra=_without_default)] = True
    version: int | None = Field(default=None, ge=1, description="May be sent back as it was read. The version in `If-Match` counts.")

    def to_preferences(self) -> Preferences:
        """Return the preferences that the request describes."""
        offsets, quiet_hours = self.reminder_offsets_minutes, self.quiet_hours
        return Preferences(None if offsets is None else tuple(offsets), quiet_hours.to_quiet_hours() if quiet_hours else None)

    @property
    def profile_changes(self) -> dict[str, Any]:
        """The changes of the profile: `locale` and `reminders_consent`, as far as the request names them."""
        return {name: getattr(self, name) for name in ("locale", "reminders_consent") if name in self.model_fields_set}


class PreferencesOut(ReadModel):
    """What a patient decides about reminders. `locale` and `reminders_consent` are those of the profile.

    `locale` is that of the clinic for patients who gave none.

    `version` grows with every change of these fields, also when the profile's locale changes.
    """

    channels: list[Channel]
    reminder_offsets_minutes: list[int] | None = Field(description=OFFSETS, examples=[[1440, 60]])
    quiet_hours: QuietHoursOut | None
    locale: str
    reminders_consent: bool = Field(description=CONSENT)
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
            reminders_consent=patient.reminders_consent,
            version=patient.preferences.version,
        )
