"""Knowing the rules."""

from __future__ import annotations

from uuid import UUID

import pytest

from scheduling_svc.domain.refusals import UnknownDoctor, UnknownService
from scheduling_svc.usecases.rulebook import Rulebook
from shared.contracts.events import DoctorChanged, ServiceChanged
from shared.contracts.http import DoctorRules
from tests.unit.scheduling.builders import CHECKUP, DOCTOR, NOON, a_doctor, a_service
from tests.unit.scheduling.fakes import Memory, Owner


def changed(rules: DoctorRules, number: int) -> DoctorChanged:
    return DoctorChanged(id=UUID(int=number), occurred_at=NOON, doctor_id=rules.id, version=rules.version, rules=rules)


async def test_events_teach_the_newest_rules_in_any_order() -> None:
    memory = Memory()
    rulebook = Rulebook(memory, Owner())
    await rulebook.doctor_changed(changed(a_doctor(version=2, active=False), 1))
    await rulebook.doctor_changed(changed(a_doctor(version=1), 2))
    service = a_service()
    await rulebook.service_changed(ServiceChanged(id=UUID(int=3), occurred_at=NOON, service_id=service.id, version=1, rules=service))
    async with rulebook.opened(CHECKUP, [DOCTOR]) as opened:
        assert [doctor.active for doctor in opened.doctors] == [False]


async def test_a_missing_rule_is_asked_for_once() -> None:
    memory, owner = Memory(), Owner({DOCTOR: a_doctor()}, {CHECKUP: a_service()})
    for _ in range(2):
        async with Rulebook(memory, owner).opened(CHECKUP, [DOCTOR]) as opened:
            assert (opened.service.id, [doctor.id for doctor in opened.doctors]) == (CHECKUP, [DOCTOR])
    assert sorted(owner.asked) == sorted([DOCTOR, CHECKUP])


async def test_what_its_owner_does_not_know_does_not_exist() -> None:
    with pytest.raises(UnknownService):
        async with Rulebook(Memory({DOCTOR: a_doctor()}), Owner()).opened(CHECKUP, [DOCTOR]):
            pass
    with pytest.raises(UnknownDoctor):
        async with Rulebook(Memory({CHECKUP: a_service()}), Owner()).opened(CHECKUP, [DOCTOR]):
            pass


async def test_everything_is_fetched_once_and_never_over_what_is_newer() -> None:
    memory = Memory({DOCTOR: a_doctor(version=7)})
    rulebook = Rulebook(memory, Owner({DOCTOR: a_doctor(version=6)}, {CHECKUP: a_service()}))
    assert [await rulebook.learn_all(), await rulebook.learn_all()] == [2, 0]
    assert memory.known[DOCTOR].version == 7
    assert CHECKUP in memory.known
