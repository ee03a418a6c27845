"""The clinic's settings, and the clinic with the values that are in effect, as all services use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import Field

from shared.contracts.derived_ids import derive_id
from shared.contracts.identity import SERVICE_ID_NAMESPACE
from shared.contracts.values import ReadModel

CLINIC_ID: UUID = derive_id(SERVICE_ID_NAMESPACE, "clinic")
"""The subject of the event and of the audit line about a change of the settings. An installation has one clinic."""
LOGO_PATH = "/clinic/logo"


class RetentionPeriods(ReadModel):
    """How long the clinic keeps its data, in years or days. None stands for the period of the service's environment."""

    records_years: int | None = None
    visits_years: int | None = None
    texts_years: int | None = None
    audit_years: int | None = None
    messages_days: int | None = None
    accesses_days: int | None = None


class ClinicSettings(ReadModel):
    """The body of `GET /internal/settings`: the settings of an admin. A field that is None was not set.

    The first of `languages` (BCP 47) is that of people who gave none. `former_retention` are the periods that were set in the last days:
    while they are longer than the present ones, they are in effect. `version` is 1 until something is set for the first time.
    """

    name: str | None = None
    address: str | None = None
    phone: str | None = None
    email: str | None = None
    time_zone: str | None = None
    languages: list[str] | None = None
    reminder_offsets_minutes: list[int] | None = None
    cancellation_policy: str | None = None
    retention: RetentionPeriods = Field(default_factory=RetentionPeriods)
    former_retention: list[RetentionPeriods] = Field(default_factory=list)
    has_logo: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True)
class ClinicProfile:
    """The clinic with the values that are in effect: `time_zone` is IANA, `locale` the BCP 47 tag of people who gave none.

    The address, like all other texts but the cancellation policy, is on one line.
    """

    name: str = "Careslot Clinic"
    time_zone: str = "UTC"
    locale: str = "en"
    languages: tuple[str, ...] = ()
    address: str | None = None
    phone: str | None = None
    email: str | None = None
    reminder_offsets_minutes: tuple[int, ...] = ()
    cancellation_policy: str | None = None
    retention: RetentionPeriods = field(default_factory=RetentionPeriods)
    former_retention: tuple[RetentionPeriods, ...] = ()
    has_logo: bool = False
    version: int = 1

    def with_settings(self, settings: ClinicSettings) -> ClinicProfile:
        """Return the clinic with what an admin has set; everything else stays."""
        fields = ("name", "time_zone", "address", "phone", "email", "cancellation_policy")
        changes: dict[str, Any] = {name: value for name in fields if (value := getattr(settings, name)) is not None}
        if settings.languages:
            changes |= {"languages": tuple(settings.languages), "locale": settings.languages[0]}
        if settings.reminder_offsets_minutes is not None:
            changes["reminder_offsets_minutes"] = tuple(settings.reminder_offsets_minutes)
        changes |= {"retention": settings.retention, "former_retention": tuple(settings.former_retention)}
        return replace(self, **changes, has_logo=settings.has_logo, version=settings.version)

    def retention_of(self, period: str, default: int) -> int:
        """Return how long something is kept, in the unit of the field `period` of RetentionPeriods.

        `default` is the environment's value. A shorter period takes effect only after some days, so that it can be undone before anything
        is deleted.
        """
        return max(getattr(periods, period) or default for periods in (self.retention, *self.former_retention))


MAX_SETTINGS_AGE = timedelta(minutes=1)
"""The largest age of the settings that an instance uses, while admin-service answers."""
CurrentClinic = Callable[[], ClinicProfile]
"""Returns the clinic with the values that are in effect."""
