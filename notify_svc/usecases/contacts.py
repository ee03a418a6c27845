"""The cache of contacts: names, addresses, preferences and offsets that other services own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from notify_svc.ports.contacts import ContactSource, ContactsUnreadable, Versions
from notify_svc.usecases.contact_cache import ContactCache
from shared.contracts.contacts import DoctorContact, PatientContact, ServiceReminders
from shared.contracts.events import (
    AccountChanged,
    DoctorChanged,
    PatientChanged,
    PatientErased,
    PatientMerged,
    PreferencesChanged,
    ServiceChanged,
)
from shared.contracts.http import AccountContact
from shared.kit.clock import Clock

T = TypeVar("T")


class CachedContacts:
    """Implements Contacts. Every instance gets every event about a change, and forgets the old answer."""

    def __init__(self, source: ContactSource, now: Clock) -> None:
        self._patients = ContactCache(source.fetch_patients, now)
        self._doctors = ContactCache(source.fetch_doctors, now)
        self._services = ContactCache(source.fetch_services, now)
        self._accounts = ContactCache(source.fetch_accounts, now)

    async def find_patients(
        self, ids: Collection[UUID], min_versions: Versions | None = None, min_preferences: Versions | None = None
    ) -> Mapping[UUID, PatientContact]:
        """Return patients, by id."""
        has_profile = is_current_for(min_versions, attrgetter("version"))
        has_preferences = is_current_for(min_preferences, attrgetter("preferences_version"))
        if has_profile and has_preferences:
            await self._patients.find(ids, has_profile)
        return await self._patients.find(ids, has_preferences or has_profile)

    async def find_doctors(
        self, ids: Collection[UUID], min_versions: Versions | None = None, fetched_after: datetime | None = None
    ) -> Mapping[UUID, DoctorContact]:
        """Return doctors, by id."""
        return await self._doctors.find(ids, is_current_for(min_versions, attrgetter("version")), fetched_after)

    async def find_services(self, ids: Collection[UUID], min_versions: Versions | None = None) -> Mapping[UUID, ServiceReminders]:
        """Return service types with the offsets of their reminders, by id."""
        return await self._services.find(ids, is_current_for(min_versions, attrgetter("version")))

    async def find_accounts(self, ids: Collection[UUID], min_versions: Versions | None = None) -> Mapping[UUID, AccountContact]:
        """Return accounts, with their email addresses, by id."""
        return await self._accounts.find(ids, is_current_for(min_versions, attrgetter("version")))

    async def forget_account(self, event: AccountChanged) -> None:
        """Forget an account that has changed."""
        self._accounts.forget(event.account_id)

    async def forget_patient(self, event: PatientChanged | PreferencesChanged) -> None:
        """Forget a patient whose profile or preferences have changed."""
        self._patients.forget(event.patient_id)

    async def forget_erased(self, event: PatientErased) -> None:
        """Forget the profile and the account of a patient whose data were erased."""
        self._patients.forget(event.patient_id)
        self._accounts.forget(event.patient_id)

    async def forget_merged(self, event: PatientMerged) -> None:
        """Forget both patients of a merge: one has no profile any more, and the other one has a new one."""
        for patient_id in (event.patient_id, event.into):
            self._patients.forget(patient_id)
            self._accounts.forget(patient_id)

    async def forget_doctor(self, event: DoctorChanged) -> None:
        """Forget a doctor who has changed."""
        self._doctors.forget(event.doctor_id)

    async def forget_service(self, event: ServiceChanged) -> None:
        """Forget a service type that has changed."""
        self._services.forget(event.service_id)

    async def aclose(self) -> None:
        """End the requests that are under way."""
        await asyncio.gather(*(cache.aclose() for cache in (self._patients, self._doctors, self._services, self._accounts)))


def is_current_for(min_versions: Versions | None, version_of: Callable[[Any], int]) -> Callable[[UUID, Any], bool] | None:
    """Return the predicate whether a contact, or None, is as recent as `min_versions` ask for its id; None if they ask for nothing."""
    if not min_versions:
        return None
    required = min_versions
    return lambda contact_id, contact: contact_id not in required or (contact is not None and version_of(contact) >= required[contact_id])


async def find_readable(
    ids: Collection[UUID], find: Callable[[Collection[UUID]], Awaitable[Mapping[UUID, T]]]
) -> tuple[Mapping[UUID, T], frozenset[UUID]]:
    """Return the contacts that `find` finds and that can be read, and the ids of those that cannot be."""
    try:
        return await find(ids), frozenset()
    except ContactsUnreadable as error:
        return await find(set(ids) - error.ids), error.ids
