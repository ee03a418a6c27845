"""The auditor reads appointments as the store writes them, in an SQLite file and in a server that speaks MongoDB's protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appointment_svc.repository.relay import DocumentRelay
from careslot.auditor.appointment_store import AppointmentReader, SqlAppointments, open_mongo_appointments
from careslot.auditor.sql_store import SqlStore, open_engine
from shared.kit.clock import MovableClock
from tests.contract.test_appointment_store import AppointmentEventBus, Backend, mongo, sqlite
from tests.unit.appointment.builders import NOON, a_change, an_appointment


@dataclass
class AuditedAppointments:
    """A database of appointments, as the store writes it and as the auditor reads it."""

    backend: Backend
    reader: AppointmentReader


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def audited(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AuditedAppointments]:
    clock = MovableClock(NOON, running=False)
    if request.param == "mongo":
        url = request.getfixturevalue("mongo_url")
        async with mongo(url, clock) as backend, open_mongo_appointments(url) as source:
            yield AuditedAppointments(backend, AppointmentReader(source))
    else:
        async with sqlite(tmp_path, clock) as backend:
            engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'appointments.db'}")
            yield AuditedAppointments(backend, AppointmentReader(SqlAppointments(SqlStore(engine))))
            await engine.dispose()


async def test_the_events_that_wait_are_as_many_as_the_store_has_counted(audited: AuditedAppointments) -> None:
    store, appointment = audited.backend.store, an_appointment()
    await audited.backend.add(appointment)
    counts = list[tuple[int, int]]()
    for reason in ("knee", "elbow"):
        appointment = await store.save(appointment.amend({"reason": reason}, a_change()))
        facts = (await audited.reader.find([appointment.id]))[appointment.id]
        counts.append((facts.unsent, len(facts.pending)))
    await DocumentRelay(audited.backend.documents, AppointmentEventBus(), audited.backend.clock).publish()
    facts = (await audited.reader.find([appointment.id]))[appointment.id]
    assert [*counts, (facts.unsent, len(facts.pending), len(facts.published))] == [(2, 2), (4, 4), (0, 0, 4)]
