"""The cache of contacts: one request for many ids, and nothing that an event has made outdated."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from notify_svc.usecases.contact_cache import MAX_AGE, MAX_AGE_OF_ABSENCE
from notify_svc.usecases.contacts import CachedContacts
from shared.contracts.contacts import DoctorContact, PatientContact, ServiceReminders
from shared.contracts.events import PatientChanged, PatientMerged
from shared.contracts.http import AccountContact
from shared.contracts.refusals import Unavailable
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from tests.running import NOON

MINA, LENA, NOBODY = UUID(int=1), UUID(int=2), UUID(int=3)


class CountingSource:
    """patient- and doctor-service. Everybody exists but NOBODY. A request waits for `may_answer`, and fails with `error`."""

    def __init__(self) -> None:
        self.requests, self.version, self.preferences = list[list[UUID]](), 1, 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    async def fetch_patients(self, ids: Sequence[UUID]) -> list[PatientContact]:
        facts = {"full_name": "Mina", "time_zone": None, "locale": None, "version": self.version, "preferences_version": self.preferences}
        await self._answer(ids)
        return [PatientContact(id=patient_id, **facts) for patient_id in ids if patient_id != NOBODY]

    async def fetch_doctors(self, ids: Sequence[UUID]) -> list[DoctorContact]:
        await self._answer(ids)
        return [DoctorContact(id=doctor_id, full_name="Ada", time_zone=None, version=self.version) for doctor_id in ids]

    async def fetch_services(self, ids: Sequence[UUID]) -> list[ServiceReminders]:
        await self._answer(ids)
        return [ServiceReminders(id=service_id, version=self.version) for service_id in ids]

    async def fetch_accounts(self, ids: Sequence[UUID]) -> list[AccountContact]:
        raise NotImplementedError

    async def _answer(self, ids: Sequence[UUID]) -> None:
        self.requests.append(list(ids))
        await self.may_answer.wait()
        if self.error:
            raise self.error


async def let_tasks_run() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


def a_changed_patient(patient_id: UUID) -> PatientChanged:
    return PatientChanged(id=new_id(), occurred_at=NOON, patient_id=patient_id, version=2)


@pytest.fixture
def source() -> CountingSource:
    return CountingSource()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON, running=False)


@pytest.fixture
def contacts(source: CountingSource, clock: MovableClock) -> CachedContacts:
    return CachedContacts(source, clock)


async def test_a_hundred_bookings_at_once_ask_for_their_doctor_once(contacts: CachedContacts, source: CountingSource) -> None:
    found = await asyncio.gather(*(contacts.find_doctors([MINA]) for _ in range(100)))
    assert {doctor.id for answer in found for doctor in answer.values()} == {MINA}
    assert source.requests == [[MINA]]


async def test_ids_that_are_asked_for_at_the_same_moment_are_one_request_of_at_most_a_hundred(
    contacts: CachedContacts, source: CountingSource
) -> None:
    people = [UUID(int=number) for number in range(10, 260)]
    found = await asyncio.gather(*(contacts.find_patients([person]) for person in people))
    assert [next(iter(answer)) for answer in found] == people
    assert [len(request) for request in source.requests] == [100, 100, 50]


async def test_ids_that_come_during_a_request_wait_for_the_next_one(contacts: CachedContacts, source: CountingSource) -> None:
    source.may_answer.clear()
    first = asyncio.create_task(contacts.find_patients([MINA]))
    await let_tasks_run()
    others = [asyncio.create_task(contacts.find_patients([UUID(int=number), MINA])) for number in range(10, 20)]
    await let_tasks_run()
    source.may_answer.set()
    await asyncio.gather(first, *others)
    assert [len(request) for request in source.requests] == [1, 10]


async def test_an_answer_is_used_for_thirty_seconds_and_an_absence_for_five(
    contacts: CachedContacts, source: CountingSource, clock: MovableClock
) -> None:
    assert set(await contacts.find_patients([MINA, NOBODY])) == {MINA}
    clock.advance(MAX_AGE_OF_ABSENCE - timedelta(seconds=1))
    await contacts.find_patients([MINA, NOBODY])
    assert len(source.requests) == 1
    clock.advance(timedelta(seconds=1))
    await contacts.find_patients([MINA, NOBODY])
    assert source.requests[1:] == [[NOBODY]]
    clock.advance(MAX_AGE - MAX_AGE_OF_ABSENCE)
    await contacts.find_patients([MINA])
    assert source.requests[2:] == [[MINA]]
    clock.advance(-timedelta(hours=1))
    await contacts.find_patients([MINA])
    assert len(source.requests) == 4, "an answer from the future, after the clock was set back, is not used"


async def test_a_changed_person_is_asked_for_again(contacts: CachedContacts, source: CountingSource) -> None:
    await contacts.find_patients([MINA, LENA])
    source.version = 2
    await contacts.forget_patient(a_changed_patient(MINA))
    found = await contacts.find_patients([MINA, LENA])
    assert (found[MINA].version, found[LENA].version) == (2, 1)


async def test_both_patients_of_a_merge_are_asked_for_again(contacts: CachedContacts, source: CountingSource) -> None:
    await contacts.find_patients([MINA, LENA])
    source.version = 2
    await contacts.forget_merged(PatientMerged(id=new_id(), occurred_at=NOON, patient_id=MINA, into=LENA, version=2))
    found = await contacts.find_patients([MINA, LENA])
    assert (found[MINA].version, found[LENA].version) == (2, 2)


async def test_an_answer_that_was_under_way_when_the_person_changed_is_not_used(contacts: CachedContacts, source: CountingSource) -> None:
    source.may_answer.clear()
    waiting = asyncio.create_task(contacts.find_patients([MINA]))
    await let_tasks_run()
    source.version = 2
    await contacts.forget_patient(a_changed_patient(MINA))
    source.may_answer.set()
    assert (await waiting)[MINA].version == 2
    assert (await contacts.find_patients([MINA]))[MINA].version == 2
    assert len(source.requests) == 2


@pytest.mark.parametrize("requirement", ["min_versions", "min_preferences"])
async def test_a_contact_older_than_the_version_of_an_event_is_asked_for_again(
    contacts: CachedContacts, source: CountingSource, requirement: str
) -> None:
    await contacts.find_patients([MINA, LENA])
    source.version = source.preferences = 2
    found = await contacts.find_patients([MINA, LENA], **{requirement: {MINA: 2}})
    assert (found[MINA].version, found[LENA].version) == (2, 1)
    await contacts.find_patients([MINA], **{requirement: {MINA: 2}})
    assert source.requests[1:] == [[MINA]]


async def test_all_waiting_callers_get_a_failure_and_it_is_not_cached(contacts: CachedContacts, source: CountingSource) -> None:
    source.error = Unavailable("patient-service does not answer.")
    answers = await asyncio.gather(*(contacts.find_patients([MINA, LENA]) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert len(source.requests) == 1
    source.error = None
    assert set(await contacts.find_patients([MINA])) == {MINA}


async def test_one_caller_who_gives_up_does_not_take_the_answer_from_others(contacts: CachedContacts, source: CountingSource) -> None:
    source.may_answer.clear()
    first, second = [asyncio.create_task(contacts.find_patients([MINA])) for _ in range(2)]
    await let_tasks_run()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    source.may_answer.set()
    assert set(await second) == {MINA}
    assert len(source.requests) == 1


async def test_closing_ends_the_requests_under_way(contacts: CachedContacts, source: CountingSource) -> None:
    source.may_answer.clear()
    waiting = [asyncio.create_task(contacts.find_patients([person])) for person in (MINA, LENA)]
    await let_tasks_run()
    await contacts.aclose()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
