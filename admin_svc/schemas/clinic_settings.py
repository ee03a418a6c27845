"""The bodies of the clinic's settings."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, JsonValue, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from admin_svc.domain.clinic_settings import CurrentSettings, SettingsVersion
from shared.contracts.clinic import LOGO_PATH, ClinicProfile
from shared.contracts.contacts import ReminderOffsets
from shared.contracts.texts import OneLineText, RequiredLongText
from shared.contracts.values import Email, Instant, Locale, Phone, ReadModel, RequestModel, TimeZone

Years = Annotated[int, Field(strict=True, ge=3, le=100)]
MAX_LANGUAGES = 20
MAX_LOGO_CHARACTERS = 44_000
LogoUri = Annotated[
    str,
    StringConstraints(max_length=MAX_LOGO_CHARACTERS, pattern=r"^data:image/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}$"),
    Field(
        examples=["data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="]
    ),
]
POLICY_TEXT = "What patients read about cancelling, on the pages behind the links in mails and in `GET /clinic`."


class RetentionSettings(RequestModel):
    """How long the clinic keeps what it has. Null: as the environment of the service says. What is older is deleted for good.

    A shorter period takes effect 7 days after it was set, so that a mistake can be undone before anything is deleted; a longer one at once.
    No period is shorter than what the law of a country with short periods asks; what your country asks is yours to know.

    `records_years`: data of patients without an active account, after the last visit and the last change. `visits_years`: appointments and
    visits, after their end. `texts_years`: what was written about an appointment. `audit_years`: lines of the audit trail. `messages_days`:
    the log of messages. `accesses_days`: who read a patient's data, as the patient sees it.
    """

    records_years: Years | None = None
    visits_years: Years | None = None
    texts_years: Years | None = None
    audit_years: Years | None = None
    messages_days: Annotated[int, Field(strict=True, ge=30, le=3660)] | None = None
    accesses_days: Annotated[int, Field(strict=True, ge=365, le=36500)] | None = None


class UpdateSettings(RequestModel):
    """All settings of the clinic. A field that is null or left out is not set: the environment's value counts, or there is none."""

    name: OneLineText | None = Field(default=None, examples=["Lindenstrasse Clinic"])
    address: OneLineText | None = Field(default=None, description="On one line.", examples=["Lindenstrasse 5, 10969 Berlin"])
    phone: Phone | None = None
    email: Email | None = Field(default=None, description="Where replies to mails go.")
    time_zone: TimeZone | None = Field(default=None, description="Of people who gave none, and of new doctors.")
    languages: Annotated[list[Locale], Field(min_length=1, max_length=MAX_LANGUAGES)] | None = Field(
        default=None, description="BCP 47 tags; the first is the language of people who gave none.", examples=[["de", "en"]]
    )
    reminder_offsets_minutes: ReminderOffsets | None = Field(
        default=None, description="Of patients and services that say nothing else. An empty list: no reminders."
    )
    cancellation_policy: Annotated[RequiredLongText, Field(max_length=2000)] | None = Field(default=None, description=POLICY_TEXT)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    logo: LogoUri | None = Field(default=None, description="A PNG or JPEG file of at most 32 KiB as a data URI.")

    @field_validator("languages")
    @classmethod
    def _refuse_repetition(cls, languages: list[str] | None) -> list[str] | None:
        if languages is not None and len({language.lower() for language in languages}) < len(languages):
            raise PydanticCustomError("duplicate_item", "The same language is given twice.")
        return languages

    @property
    def values(self) -> dict[str, Any]:
        """The settings that are set, as JSON."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {name: value for name, value in values.items() if name != "retention" or value}


class DefaultSettingsOut(ReadModel):
    """What the environment says about the clinic; it counts where nothing is set."""

    name: str
    time_zone: str
    languages: list[str]


class RetentionOut(ReadModel):
    """How long the clinic keeps what it has, in years and days; null where the environment of the service decides."""

    records_years: int | None = None
    visits_years: int | None = None
    texts_years: int | None = None
    audit_years: int | None = None
    messages_days: int | None = None
    accesses_days: int | None = None


class SettingsOut(ReadModel):
    """What is set; null where nothing is set, and then `defaults` count, or what the environment of the service concerned says.

    `changed_at` and `changed_by` are null as long as nothing was ever set. `retention_changes_at` is when shorter periods take effect;
    until then the longer ones count. It is null when those that are set count.
    """

    name: str | None
    address: str | None
    phone: str | None
    email: str | None
    time_zone: str | None
    languages: list[str] | None
    reminder_offsets_minutes: list[int] | None
    cancellation_policy: str | None
    retention: RetentionOut
    retention_changes_at: Instant | None
    logo: str | None
    defaults: DefaultSettingsOut
    changed_at: Instant | None
    changed_by: UUID | None
    version: int

    @classmethod
    def of(cls, current: CurrentSettings) -> Self:
        """Return the body that shows the settings."""
        stored = current.settings
        return cls(
            **stored.settings.model_dump(exclude={"former_retention", "has_logo", "retention", "version"}),
            retention=RetentionOut.model_validate(stored.settings.retention),
            retention_changes_at=stored.retention_changes_at,
            logo=stored.set_values.get("logo"),
            defaults=DefaultSettingsOut.model_validate(current.defaults),
            changed_at=stored.changed_at,
            changed_by=stored.changed_by,
            version=stored.version,
        )


class SettingChangeOut(ReadModel):
    """The value of one setting before and after a change; null where it was not set. Of a logo it is the size."""

    field: str = Field(examples=["phone"])
    before: JsonValue
    after: JsonValue


class SettingsVersionOut(ReadModel):
    """One change of the settings: who made it, and what it changed. `version` is that of the settings since then."""

    version: int
    changed_at: Instant | None
    changed_by: UUID | None
    changes: list[SettingChangeOut]


class ClinicOut(ReadModel):
    """The clinic, as everybody may know it. `logo_url` is a path of this API; null without a logo."""

    name: str = Field(examples=["Lindenstrasse Clinic"])
    address: str | None = Field(examples=["Lindenstrasse 5, 10969 Berlin"])
    phone: str | None = Field(examples=["+49 30 1234567"])
    email: str | None = Field(examples=["desk@clinic.example"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    languages: list[str] = Field(examples=[["de", "en"]])
    cancellation_policy: str | None
    logo_url: str | None = Field(examples=[LOGO_PATH])

    @classmethod
    def of(cls, clinic: ClinicProfile) -> Self:
        """Return the body that shows the clinic."""
        names = ("name", "address", "phone", "email", "time_zone", "cancellation_policy")
        logo_url = LOGO_PATH if clinic.has_logo else None
        return cls(**{name: getattr(clinic, name) for name in names}, languages=list(clinic.languages), logo_url=logo_url)


__all__ = ["ClinicOut", "SettingsOut", "SettingsVersion", "SettingsVersionOut", "UpdateSettings"]
