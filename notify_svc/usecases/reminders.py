"""Planning reminders: after a visit was arranged, and again after what they depend on has changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from notify_svc.domain.recipients import recipient_ids, reminded_ids
from notify_svc.domain.reminders import Reminder, ReminderDefaults, planned_reminders
from notify_svc.domain.visits import Visit
from notify_svc.ports import Aspect, Contacts, ReminderStore, ReminderTransaction, VisitPlan
from notify_svc.usecases.contact_cache import MAX_AGE
from notify_svc.usecases.contacts import find_readable
from shared.contracts.clinic import MAX_SETTINGS_AGE
from shared.contracts.contacts import PatientContact, ServiceReminders
from shared.contracts.events import PatientChanged, PreferencesChanged, ServiceChanged, SettingsChanged
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

MAX_VISITS_AT_ONCE = 50
PLANNING_TIME = timedelta(minutes=1)
"""For this long a visit belongs to the instance that plans it; then another one may try."""


@dataclass(frozen=True, slots=True)
class PlanningContacts:
    """The people and service types of some visits, without those that do not exist.

    `outdated` are the ids of those whose version is older than the one that an event announced, or that cannot be read.
    """

    people: Mapping[UUID, PatientContact]
    services: Mapping[UUID, ServiceReminders]
    outdated: frozenset[UUID]

    def recipient_ids(self, visit: Visit) -> list[UUID]:
        """Return to whom mails about a visit are sent."""
        patient = self.people.get(visit.patient_id)
        return recipient_ids(patient) if patient is not None else []

    def reminded_people(self, visit: Visit) -> list[PatientContact]:
        """Return who is reminded of a visit."""
        patient = self.people.get(visit.patient_id)
        people = [self.people.get(person_id) for person_id in reminded_ids(patient)] if patient is not None else []
        return [person for person in people if person is not None and person.active]

    def is_up_to_date(self, visit: Visit) -> bool:
        """Return whether no event has announced a newer version of the people and the service type of a visit."""
        return self.outdated.isdisjoint({visit.patient_id, visit.service_id, *self.recipient_ids(visit)})


@dataclass(frozen=True, slots=True)
class ReminderPlanner:
    """Plans the reminders of visits. `defaults` returns the clinic's offsets and zone."""

    store: ReminderStore
    contacts: Contacts
    defaults: Callable[[], ReminderDefaults]
    now: Clock

    @retry_on_abort
    async def plan_again_for_patient(self, event: PatientChanged) -> None:
        """Have the reminders of a person planned again after a change of the profile, for example of the time zone."""
        async with self.store.begin() as tx:
            if await self._record_version(tx, event.id, event.patient_id, Aspect.PATIENT, event.version):
                await self._plan_again_for_person(tx, event)

    @retry_on_abort
    async def plan_again_for_preferences(self, event: PreferencesChanged) -> None:
        """Have the reminders of a person planned again after a change of the preferences."""
        async with self.store.begin() as tx:
            if await self._record_version(tx, event.id, event.patient_id, Aspect.PREFERENCES, event.version):
                await self._plan_again_for_person(tx, event)

    @retry_on_abort
    async def plan_again_for_service(self, event: ServiceChanged) -> None:
        """Have the reminders of the visits of a service type planned again after a change of it."""
        async with self.store.begin() as tx:
            if await self._record_version(tx, event.id, event.service_id, Aspect.SERVICE, event.version):
                await tx.plan_visits_of_service(event.service_id, event.occurred_at, self.now())

    @retry_on_abort
    async def plan_again_for_clinic(self, event: SettingsChanged) -> None:
        """Have the reminders of all visits planned again after a change of the clinic's settings, once all instances know them."""
        async with self.store.begin() as tx:
            if await self._record_version(tx, event.id, event.clinic_id, Aspect.CLINIC, event.version):
                await tx.plan_all_visits(event.occurred_at, self.now(), self.now() + MAX_SETTINGS_AGE)

    async def _plan_again_for_person(self, tx: ReminderTransaction, event: PatientChanged | PreferencesChanged) -> None:
        """Have the reminders planned again. Those that wait for the end of quiet hours are judged again when all caches are up to date."""
        await tx.plan_visits_of_person(event.patient_id, event.occurred_at, self.now())
        await tx.advance_postponed_reminders(event.patient_id, self.now() + MAX_AGE)

    async def _record_version(self, tx: ReminderTransaction, event_id: UUID, subject_id: UUID, aspect: Aspect, version: int) -> bool:
        """Record the event as handled, and the version that it announces; return False if either was recorded before."""
        return await tx.mark_handled(event_id) and await tx.record_contact_version(subject_id, aspect, version)

    async def plan_due(self) -> int:
        """Plan the reminders of up to MAX_VISITS_AT_ONCE visits; return how many were planned, or 0 if no further ones are due now.

        So visits that come one after another are planned together by the next run. Raises the refusals of the services that know the
        recipients. Then, and when their answer is older than the version that an event announced, the visits are tried again after
        PLANNING_TIME.
        """
        if not await self.store.has_visits_to_plan(self.now()):
            return 0
        visits = await self._claim()
        contacts = await self._find_contacts(visits)
        planned = await self._store_plans([visit for visit in visits if contacts.is_up_to_date(visit)], contacts)
        return planned if len(visits) == MAX_VISITS_AT_ONCE else 0

    @retry_on_abort
    async def _claim(self) -> Sequence[Visit]:
        async with self.store.begin() as tx:
            return await tx.claim_visits_to_plan(self.now(), self.now() + PLANNING_TIME, MAX_VISITS_AT_ONCE)

    async def _find_contacts(self, visits: Sequence[Visit]) -> PlanningContacts:
        patients, outdated_patients = await self._find_people({visit.patient_id for visit in visits})
        guardian_ids = {person_id for patient in patients.values() for person_id in recipient_ids(patient)} - patients.keys()
        guardians, outdated_guardians = await self._find_people(guardian_ids)
        service_ids = {visit.service_id for visit in visits}
        versions = await self.store.list_contact_versions(service_ids, Aspect.SERVICE)
        services, unreadable = await find_readable(service_ids, lambda ids: self.contacts.find_services(ids, versions))
        outdated_services = {service_id for service_id, service in services.items() if service.version < versions.get(service_id, 0)}
        outdated = outdated_patients | outdated_guardians | outdated_services | unreadable
        return PlanningContacts({**patients, **guardians}, services, outdated)

    async def _find_people(self, ids: Collection[UUID]) -> tuple[Mapping[UUID, PatientContact], frozenset[UUID]]:
        """Return people by id, and the ids of those whose version is older than the one that an event announced, or that cannot be read."""
        if not ids:
            return {}, frozenset()
        versions = await self.store.list_contact_versions(ids, Aspect.PATIENT)
        preferences = await self.store.list_contact_versions(ids, Aspect.PREFERENCES)
        people, unreadable = await find_readable(ids, lambda readable: self.contacts.find_patients(readable, versions, preferences))
        outdated = unreadable | {
            person.id
            for person in people.values()
            if person.version < versions.get(person.id, 0) or person.preferences_version < preferences.get(person.id, 0)
        }
        return people, outdated

    @retry_on_abort
    async def _store_plans(self, visits: Sequence[Visit], contacts: PlanningContacts) -> int:
        """Store the plans of those visits that have not changed since they were claimed; return how many."""
        if not visits:
            return 0
        async with self.store.begin() as tx:
            unchanged_ids = await tx.lock_planning(visits)
            unchanged = [visit for visit in visits if visit.appointment_id in unchanged_ids]
            existing = await tx.list_reminders(unchanged_ids)
            plans = [
                self._plan(visit, contacts, [row for row in existing if row.appointment_id == visit.appointment_id]) for visit in unchanged
            ]
            await tx.store_plans(plans)
        return len(plans)

    def _plan(self, visit: Visit, contacts: PlanningContacts, existing: Sequence[Reminder]) -> VisitPlan:
        recipients = contacts.recipient_ids(visit)
        if visit.starts_at <= self.now():
            return VisitPlan(visit, recipients, [])
        service = contacts.services.get(visit.service_id)
        planned = planned_reminders(
            visit, [self.defaults().recipient(person, service) for person in contacts.reminded_people(visit)], existing
        )
        return VisitPlan(visit, recipients, list(planned))
