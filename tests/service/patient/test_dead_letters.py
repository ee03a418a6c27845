"""An event that patient-service cannot handle is kept, and takes effect once when it is replayed after the repair."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.contracts.events import AppointmentEvent
from shared.contracts.http import Actor
from shared.contracts.identity import Role, Service
from shared.kit.bus import DELAYS_SECONDS
from shared.kit.ids import new_id
from shared.kit.migrations import synchronous_url
from tests.running import NOON, RunningService
from tests.service.patient.running_patient import DOCTOR, SAM
from tests.tokens import bearer, service_bearer

NOTIFY, PATH = service_bearer(Service.NOTIFICATION), "/internal/dead-letters"


def a_booking() -> AppointmentEvent:
    people = {"appointment_id": UUID(int=9), "service_id": UUID(int=8), "doctor_id": DOCTOR, "patient_id": SAM}
    times = {"occurred_at": NOON, "starts_at": NOON, "ends_at": NOON, "time_zone": "UTC"}
    actor = Actor(id=SAM, role=Role.PATIENT)
    booked = {"version": 1, "sequence": 0, "status": "booked", "actor": actor}
    return AppointmentEvent.for_topic("appointment.booked.v1", id=new_id(), **booked, **people, **times)


async def execute(url: str, statement: str) -> list[Any]:
    """Execute a statement in a thread: a job of the service that holds the lock of SQLite needs the event loop to commit."""
    return await asyncio.to_thread(_execute, url, statement)


def _execute(url: str, statement: str) -> list[Any]:
    engine = sa.create_engine(synchronous_url(url))
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        rows = list(result) if result.returns_rows else []
    engine.dispose()
    return rows


async def list_letters(patients: RunningService) -> list[dict[str, Any]]:
    response = await patients.http.get(PATH, headers=NOTIFY)
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


async def test_an_event_that_failed_takes_effect_once_when_it_is_replayed_after_the_repair(patients: RunningService, sql_url: str) -> None:
    event = a_booking()
    await execute(sql_url, "ALTER TABLE visits RENAME TO visits_away")
    await patients.publish_event(event)
    for seconds in DELAYS_SECONDS:
        assert await list_letters(patients) == []
        patients.clock.advance(timedelta(seconds=seconds))
        await patients.run_until_idle()
    (letter,) = await list_letters(patients)
    assert (letter["event_id"], letter["topic"], letter["subject"]) == (str(event.id), event.topic, str(event.appointment_id))
    assert (letter["status"], letter["attempts"]) == ("waiting", len(DELAYS_SECONDS) + 1)
    assert re.match(r"(Operational|Programming)Error from \w+ at [a-z_.]+:\w+:\d+", letter["error"])
    await execute(sql_url, "ALTER TABLE visits_away RENAME TO visits")
    for _ in range(2):
        replayed = await patients.http.post(f"{PATH}/{letter['id']}/replay", headers=NOTIFY)
        assert (replayed.status_code, replayed.json()["status"]) == (200, "replayed")
        await patients.run_until_idle()
    assert await execute(sql_url, "SELECT count(*) FROM visits") == [(1,)]
    assert await execute(sql_url, f"SELECT count(*) FROM inbox WHERE event_id = '{event.id.hex}'") == [(1,)]
    assert (await patients.http.get(f"/patients/{SAM}", headers=bearer(Role.DOCTOR, DOCTOR))).status_code == 200
    assert [letter["status"] for letter in await list_letters(patients)] == ["replayed"]


async def test_waiting_letters_stay_and_replayed_ones_are_deleted_after_a_month(patients: RunningService, sql_url: str) -> None:
    for body in (b"[1]", b"[2]"):
        await patients.bus.publish("appointment.booked.v1", "m", body)
    await patients.run_until_idle()
    first, second = await list_letters(patients)
    await patients.http.post(f"{PATH}/{first['id']}/replay", headers=NOTIFY)
    await patients.run_until_idle()
    await execute(sql_url, f"UPDATE dead_letters SET status = 'replayed' WHERE id = '{UUID(first['id']).hex}'")
    patients.clock.advance(timedelta(days=31))
    await patients.run_until_idle()
    assert [letter["id"] for letter in await list_letters(patients)] == [second["id"]]
