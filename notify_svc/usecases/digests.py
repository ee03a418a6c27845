"""Queueing the digests of doctors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from notify_svc.domain.digests import DigestDay, DigestPreference
from notify_svc.ports import Contacts, ReminderStore
from notify_svc.usecases.contacts import find_readable
from shared.contracts.clinic import CurrentClinic
from shared.contracts.contacts import MAX_CONTACTS, DoctorContact
from shared.contracts.values import ZONES
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class DigestQueue:
    """Queues the digests of the doctors who want them. Doctors without a time zone have that of the `clinic`."""

    store: ReminderStore
    contacts: Contacts
    clinic: CurrentClinic
    now: Clock
    wake_sender: Callable[[], None]

    async def queue_due(self) -> int:
        """Decide the digests whose evening has come; return how many. Each is decided once, and is queued only if the day has visits."""
        decided, after = 0, None
        while preferences := await self.store.list_digest_preferences(after, MAX_CONTACTS):
            after = preferences[-1].doctor_id
            for doctor_id, day in await self._list_due(preferences):
                decided += await self._decide(doctor_id, day)
        if decided:
            self.wake_sender()
        return decided

    async def _list_due(self, preferences: Sequence[DigestPreference]) -> list[tuple[UUID, DigestDay]]:
        now = self.now()
        doctor_ids = [preference.doctor_id for preference in preferences]
        decided = await self.store.list_decided_digests(doctor_ids, now.date() - timedelta(days=1))
        doctors, _unreadable = await find_readable(doctor_ids, self.contacts.find_doctors)
        due = self._due_days(preferences, doctors)
        return [(doctor_id, day) for doctor_id, day in due if (doctor_id, day.local_date) not in decided]

    def _due_days(self, preferences: Sequence[DigestPreference], doctors: Mapping[UUID, DoctorContact]) -> Iterator[tuple[UUID, DigestDay]]:
        now = self.now()
        for preference in preferences:
            doctor = doctors.get(preference.doctor_id)
            if doctor is not None and doctor.active:
                day = DigestDay.after(now, doctor.time_zone if doctor.time_zone in ZONES else self.clinic().time_zone)
                if day.is_due(preference, now):
                    yield preference.doctor_id, day

    @retry_on_abort
    async def _decide(self, doctor_id: UUID, day: DigestDay) -> bool:
        starts = await self.store.list_day_starts(doctor_id, day.starts_at, day.ends_at)
        async with self.store.begin() as tx:
            if not await tx.record_digest(doctor_id, day.local_date, self.now()):
                return False
            if starts:
                await tx.insert_messages([day.message(doctor_id, starts, self.now())])
        return True
