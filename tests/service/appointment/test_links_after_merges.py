"""Links in mails that a patient got before their profiles were merged still lead to the visit."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from appointment_svc.migrations import migrate
from shared.contracts.events import PatientMerged
from shared.kit.ids import new_id
from tests.running import NOON
from tests.service.appointment.clinic import BO, DESK, RunningClinic, a_clinic
from tests.service.appointment.test_visit_links import JSON, link_of
from tests.unit.appointment.builders import PATIENT, STRANGER

BETWEEN = UUID(int=901)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def clinic(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[RunningClinic]:
    """The service with its documents in SQLite and on a MongoDB-protocol server."""
    settings = {}
    if request.param == "mongo":
        settings["database_url"] = request.getfixturevalue("mongo_url")
        migrate(settings["database_url"])
    async with a_clinic(tmp_path, **settings) as clinic:
        yield clinic


async def merge(clinic: RunningClinic, source: UUID, into: UUID) -> None:
    """Merge two patients, and have the appointments follow."""
    clinic.upstreams.patients.pop(source, None)
    clinic.upstreams.contacts.pop(source, None)
    await clinic.service.publish_event(PatientMerged(id=new_id(), occurred_at=NOON, patient_id=source, into=into, version=2))
    clinic.service.clock.advance(timedelta(seconds=5))
    await clinic.service.run_until_idle()


@pytest.mark.parametrize("between", [[], [BETWEEN]], ids=["directly", "by way of another"])
async def test_the_patient_confirms_and_cancels_by_a_link_from_before_the_merge(clinic: RunningClinic, between: list[UUID]) -> None:
    visit = await clinic.booked()
    chain = [PATIENT, *between, STRANGER]
    for source, into in itertools.pairwise(chain):
        await merge(clinic, source, into)
    link, http = link_of(visit), clinic.service.http
    assert (await clinic.get(f"/appointments/{visit['id']}", BO)).json()["patient_id"] == str(STRANGER)

    assert (await http.get(link, headers=JSON)).json()["status"] == "booked"
    assert (await http.post(f"{link}/confirm", headers=JSON)).status_code == 200
    assert (await http.post(f"{link}/cancel", headers=JSON)).json()["status"] == "cancelled"
    last = (await clinic.get(f"/appointments/{visit['id']}/history", DESK)).json()["items"][-1]
    assert last["actor"]["id"] == str(STRANGER)


async def test_a_link_of_another_patient_leads_to_nothing(clinic: RunningClinic) -> None:
    visit = await clinic.booked()
    await merge(clinic, BETWEEN, PATIENT)
    answer = await clinic.service.http.get(link_of(visit, STRANGER), headers=JSON)
    assert answer.status_code == 404
