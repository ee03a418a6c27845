"""Contacts: what notification-service needs to write to people and to remind them, fetched in batches.

auth-, patient- and doctor-service answer `POST /internal/contacts` with what exists; unknown ids are left out.
"""

from __future__ import annotations

from datetime import time
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shared.contracts.http import AccountContact, VisitMode
from shared.contracts.values import Email, Instant, ReadModel, RequestModel

MAX_CONTACTS = 100
"""The largest number of ids in one request."""
MAX_SEARCHED_EMAILS = 6
"""The largest number of addresses in one search for accounts."""
MIN_OFFSET_MINUTES, MAX_OFFSET_MINUTES, MAX_OFFSETS = 15, 14 * 24 * 60, 5


def _sort_offsets(offsets: list[int]) -> list[int]:
    """Return the offsets with the longest first. Raises ValueError for one that is given twice."""
    if len(set(offsets)) < len(offsets):
        raise PydanticCustomError("duplicate_item", "The same offset is given twice.")
    return sorted(offsets, reverse=True)


ReminderOffsets = Annotated[
    list[Annotated[int, Field(strict=True, ge=MIN_OFFSET_MINUTES, le=MAX_OFFSET_MINUTES)]],
    Field(max_length=MAX_OFFSETS, json_schema_extra={"uniqueItems": True}, examples=[[1440, 60]]),
    AfterValidator(_sort_offsets),
]
"""Different minutes before the start of a visit at which its reminders are due, the longest first. An empty list means no reminders."""


class QuietHours(ReadModel):
    """Wall-clock times in the person's zone between which no reminder is sent; `until` is excluded and may be on the next day."""

    since: time
    until: time


class ContactRequest(RequestModel):
    """The body of `POST /internal/contacts` at auth- and patient-service."""

    ids: list[UUID] = Field(min_length=1, max_length=MAX_CONTACTS)


class AccountSearch(RequestModel):
    """The body of `POST /internal/account-search` at auth-service: complete email addresses."""

    emails: list[Email] = Field(min_length=1, max_length=MAX_SEARCHED_EMAILS)


class FoundAccounts(ReadModel):
    """The ids of the accounts that have one of the addresses."""

    account_ids: list[UUID]


class DoctorContactRequest(RequestModel):
    """The body of `POST /internal/contacts` at doctor-service."""

    doctor_ids: list[UUID] = Field(default_factory=list, max_length=MAX_CONTACTS)
    service_ids: list[UUID] = Field(default_factory=list, max_length=MAX_CONTACTS)


class AccountContacts(ReadModel):
    """The accounts that exist, with address, status, and the time zone and language that count for people without a profile."""

    items: list[AccountContact]


class PatientContact(ReadModel):
    """A patient. `email` is the address of a patient without an account, and `guardian_ids` are the accounts that act for a dependant.

    `has_account` says whether the patient can sign in; a minor may have guardians and an account.

    `version` is that of the profile, `preferences_version` that of the preferences. `reminder_offsets_minutes` is None where those of the
    service type, or else those of the clinic, apply; the patient changed this last at `offsets_changed_at`, if ever. A patient whose
    `reminders_consent` is False gets none. `locale` and `time_zone` are those in effect: the clinic's for patients who gave none.
    """

    id: UUID
    full_name: str
    time_zone: str | None
    locale: str | None
    active: bool = True
    has_account: bool = False
    email: str | None = None
    guardian_ids: list[UUID] = Field(default_factory=list)
    reminder_offsets_minutes: list[int] | None = None
    reminders_consent: bool = True
    quiet_hours: QuietHours | None = None
    offsets_changed_at: Instant | None = None
    version: int
    preferences_version: int = 0


class PatientContacts(ReadModel):
    """The patients that exist."""

    items: list[PatientContact]


class DoctorContact(ReadModel):
    """A doctor. `version` is that of the profile and the working hours together, as in the event `doctor.changed`."""

    id: UUID
    full_name: str
    title: str | None = None
    location: str | None = None
    time_zone: str | None
    active: bool = True
    version: int


class ServiceReminders(ReadModel):
    """A service type, with the offsets of its reminders; None where those of the clinic apply."""

    id: UUID
    mode: VisitMode = "in_person"
    reminder_offsets_minutes: list[int] | None = None
    version: int


class DoctorContacts(ReadModel):
    """The doctors and service types that exist."""

    doctors: list[DoctorContact]
    services: list[ServiceReminders]
