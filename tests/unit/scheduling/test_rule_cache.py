"""The stored rules of doctors and services."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from scheduling_svc.domain.refusals import UnknownDoctor
from scheduling_svc.domain.terms import DoctorTerms, ServiceOffer
from scheduling_svc.ports import CalendarTransaction
from scheduling_svc.usecases.rule_cache import RuleCache, load_offer
from shared.contracts.events import DoctorChanged, ServiceChanged
from shared.contracts.http import DoctorRules
from shared.contracts.relayed_refusals import UnknownService
from tests.unit.scheduling.builders import CHECKUP, COLLEAGUE, DOCTOR, NOON, a_doctor, a_service
from tests.unit.scheduling.fakes import FakeRuleOwner, InMemoryCalendar


def doctor_changed(rules: DoctorRules, number: int) -> DoctorChanged:
    return DoctorChanged(id=UUID(int=number), occurred_at=NOON, doctor_id=rules.id, version=rules.version, rules=rules)


async def ensure_and_load(rules: RuleCache, service_id: UUID, doctor_ids: Sequence[UUID], **options: dict[UUID, int]) -> ServiceOffer:
    await rules.ensure(service_id, doctor_ids, minimum_versions=options.get("minimum_versions"))
    async with rules.store.read() as calendar:
        return await load_offer(calendar, service_id, doctor_ids)


async def test_the_newest_rules_are_kept_in_whatever_order_events_arrive() -> None:
    calendar = InMemoryCalendar()
    rules = RuleCache(calendar, FakeRuleOwner())
    await rules.save_doctor(doctor_changed(a_doctor(version=2, active=False), 1))
    await rules.save_doctor(doctor_changed(a_doctor(version=1), 2))
    service = a_service()
    await rules.save_service(ServiceChanged(id=UUID(int=3), occurred_at=NOON, service_id=service.id, version=1, rules=service))
    offer = await ensure_and_load(rules, CHECKUP, [DOCTOR])
    assert [doctor.active for doctor in offer.doctors] == [False]


async def test_a_missing_rule_is_fetched_once() -> None:
    calendar, owner = InMemoryCalendar(), FakeRuleOwner({DOCTOR: a_doctor()}, {CHECKUP: a_service()})
    for _ in range(2):
        offer = await ensure_and_load(RuleCache(calendar, owner), CHECKUP, [DOCTOR])
        assert (offer.service.id, [doctor.id for doctor in offer.doctors]) == (CHECKUP, [DOCTOR])
    assert sorted(owner.requested) == sorted([DOCTOR, CHECKUP])


async def test_rules_are_fetched_again_only_if_the_requester_has_seen_newer_ones() -> None:
    calendar = InMemoryCalendar({DOCTOR: a_doctor(version=1), CHECKUP: a_service(version=1)})
    owner = FakeRuleOwner({DOCTOR: a_doctor(version=3, active=False)}, {CHECKUP: a_service(version=1)})
    rules = RuleCache(calendar, owner)
    assert [doctor.version for doctor in (await ensure_and_load(rules, CHECKUP, [DOCTOR])).doctors] == [1]
    for _ in range(2):
        offer = await ensure_and_load(rules, CHECKUP, [DOCTOR], minimum_versions={DOCTOR: 2, CHECKUP: 1})
        assert [doctor.version for doctor in offer.doctors] == [3]
    assert owner.requested == [DOCTOR]


async def test_a_service_or_doctor_that_doctor_service_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownService):
        await RuleCache(InMemoryCalendar({DOCTOR: a_doctor()}), FakeRuleOwner()).ensure(CHECKUP, [DOCTOR])
    with pytest.raises(UnknownDoctor):
        await RuleCache(InMemoryCalendar({CHECKUP: a_service()}), FakeRuleOwner()).ensure(CHECKUP, [DOCTOR])


async def test_all_rules_are_fetched_once_and_do_not_replace_newer_ones() -> None:
    calendar = InMemoryCalendar({DOCTOR: a_doctor(version=7)})
    rules = RuleCache(calendar, FakeRuleOwner({DOCTOR: a_doctor(version=6)}, {CHECKUP: a_service()}))
    assert [await rules.fetch_all(), await rules.fetch_all()] == [2, 0]
    assert calendar.known[DOCTOR].version == 7
    assert CHECKUP in calendar.known


async def test_a_doctor_whose_rules_cannot_be_stored_does_not_stop_the_others() -> None:
    calendar, failing = InMemoryCalendar(), {DOCTOR}

    async def fail_for_one(_tx: CalendarTransaction, doctor: DoctorTerms) -> None:
        if doctor.id in failing:
            raise ZeroDivisionError

    owner = FakeRuleOwner({DOCTOR: a_doctor(), COLLEAGUE: a_doctor(id=COLLEAGUE)}, {CHECKUP: a_service()})
    rules = RuleCache(calendar, owner, fail_for_one)
    with pytest.raises(ZeroDivisionError):
        await rules.fetch_all()
    async with calendar.read() as reader:
        assert COLLEAGUE in {doctor.id for doctor in await reader.list_doctors([DOCTOR, COLLEAGUE])}
    failing.clear()
    assert await rules.fetch_all() == 3, "the job runs again until all are stored"
