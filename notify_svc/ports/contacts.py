"""Names, addresses and preferences of people, and the offsets of service types, which other services own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from notify_svc.domain.mail_content import PasswordLink
from shared.contracts.contacts import DoctorContact, PatientContact, ServiceReminders
from shared.contracts.http import AccountContact
from shared.contracts.refusals import Unavailable

Versions = Mapping[UUID, int]
"""The smallest version that is recent enough, by id."""


@dataclass(frozen=True, slots=True)
class UnreadableContact:
    """What another service sent about an id in a form that this release cannot read, for example because that service is newer."""

    id: UUID


class ContactsUnreadable(Unavailable):
    """Some of the contacts that were asked for cannot be read. `ids` are theirs; the others can be asked for without them."""

    code = Unavailable.code
    detail = "Another service sent a contact that cannot be read."

    def __init__(self, ids: frozenset[UUID]) -> None:
        super().__init__(retry_after=2)
        self.ids = ids


class Contacts(Protocol):
    """The contacts of people and service types. Each method returns what exists by id; unknown ids are left out.

    An answer is at most 30 seconds old, and not older than an event about it that has arrived. `min_versions` are versions that the caller
    has read in an event, which may arrive here before the other one. All methods raise the refusals of the services that own the data,
    and ContactsUnreadable.
    """

    async def find_patients(
        self, ids: Collection[UUID], min_versions: Versions | None = None, min_preferences: Versions | None = None
    ) -> Mapping[UUID, PatientContact]:
        """Return patients. `min_versions` are those of the profile, `min_preferences` those of the preferences."""

    async def find_doctors(
        self, ids: Collection[UUID], min_versions: Versions | None = None, fetched_after: datetime | None = None
    ) -> Mapping[UUID, DoctorContact]:
        """Return doctors. `fetched_after` is the instant of an event that announced a change of the doctor without its version."""

    async def find_services(self, ids: Collection[UUID], min_versions: Versions | None = None) -> Mapping[UUID, ServiceReminders]:
        """Return service types with the offsets of their reminders."""

    async def find_accounts(self, ids: Collection[UUID], min_versions: Versions | None = None) -> Mapping[UUID, AccountContact]:
        """Return accounts, with their email addresses."""


class ContactSource(Protocol):
    """auth-, patient- and doctor-service. Each method takes at most MAX_CONTACTS ids and returns what exists.

    A contact that cannot be read does not keep the others from being returned.
    """

    async def fetch_patients(self, ids: Sequence[UUID]) -> Sequence[PatientContact | UnreadableContact]:
        """Return patients, from patient-service."""

    async def fetch_doctors(self, ids: Sequence[UUID]) -> Sequence[DoctorContact | UnreadableContact]:
        """Return doctors, from doctor-service."""

    async def fetch_services(self, ids: Sequence[UUID]) -> Sequence[ServiceReminders | UnreadableContact]:
        """Return service types, from doctor-service."""

    async def fetch_accounts(self, ids: Sequence[UUID]) -> Sequence[AccountContact | UnreadableContact]:
        """Return accounts, from auth-service."""


class KnownPatients(Protocol):
    """The patients of patient-service, with those who were merged."""

    async def has_patient_or_successor(self, patient_id: UUID) -> bool:
        """Return whether a patient exists, or was merged into another one; False for one who was erased or never existed."""


class PasswordLinks(Protocol):
    """The links of invitations and password resets, which auth-service owns."""

    async def find_password_link(self, reset_id: UUID) -> PasswordLink | None:
        """Return the link of an invitation or password reset, or None when it was used, replaced, or has expired."""
