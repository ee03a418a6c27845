"""Links to appointments and the list of changes, on every back end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.ports import StoredChange
from appointment_svc.repository.documents import to_document
from appointment_svc.repository.relay import DocumentRelay
from shared.kit.clock import MovableClock
from shared.kit.outbox import RETENTION
from shared.kit.paging import BadCursor
from tests.contract.test_appointment_store import AppointmentEventBus, Backend, cancelled, mongo, sqlite, stored_document
from tests.unit.appointment.builders import NOON, a_change, an_appointment, link_hash_of

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    clock = MovableClock(NOON, running=False)
    opened = sqlite(tmp_path, clock) if request.param == "sqlite" else mongo(request.getfixturevalue("mongo_url"), clock)
    async with opened as backend:
        yield backend


async def test_an_appointment_is_found_by_the_hash_of_each_of_its_links(backend: Backend) -> None:
    first, second = an_appointment(), an_appointment()
    await backend.add(first, second)
    await backend.store.add_link_hashes({first.id: ["guardian", "second guardian"], second.id: ["third"]})
    await backend.store.add_link_hashes({first.id: ["guardian"]})
    for link_hash in (link_hash_of(first), "guardian", "second guardian"):
        assert await backend.store.find_by_link(link_hash) == first
    assert await backend.store.find_by_link("third") == second
    assert await backend.store.find_by_link("fourth") is None
    stored = await backend.store.list_link_hashes({first.id, second.id, UUID(int=99)})
    assert {appointment_id: sorted(hashes) for appointment_id, hashes in stored.items()} == {
        first.id: sorted([link_hash_of(first), "guardian", "second guardian"]),
        second.id: sorted([link_hash_of(second), "third"]),
    }


async def test_changes_and_the_relay_keep_the_links_and_an_insert_that_is_repeated_adds_none(backend: Backend) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    await backend.store.add_link_hashes({appointment.id: ["guardian"]})
    saved = await backend.store.save(cancelled(appointment))
    await DocumentRelay(backend.documents, AppointmentEventBus(), backend.clock).publish()
    assert not await backend.store.insert(appointment, "another")
    assert await backend.store.find_by_link("another") is None
    linked = await backend.store.find_by_link("guardian")
    assert linked is not None
    assert (linked, linked.status) == (replace(saved, unsaved_change=None), AppointmentStatus.CANCELLED)


async def test_an_appointment_of_an_earlier_release_has_no_links_until_they_are_added(backend: Backend) -> None:
    old = an_appointment()
    events: dict[str, Any] = {"pending_events": [], "published_events": [], "unsent": 0}
    await backend.documents.insert(to_document(old) | events)
    assert await backend.store.list_link_hashes({old.id}) == {old.id: []}
    await backend.store.add_link_hashes({old.id: ["first"]})
    assert await backend.store.find_by_link("first") == old


async def changes(backend: Backend, limit: int = 100, after: tuple[str, ...] | None = None, **since: Any) -> list[StoredChange]:
    return await backend.store.list_changes(NOON + timedelta(**since), limit, after)


async def test_changes_are_listed_in_their_order_in_pages_without_gaps_or_repeats(backend: Backend) -> None:
    """Three appointments change at the same instant; the ids decide among them."""
    appointments = [
        an_appointment(id=UUID(int=number), updated_at=NOON + minutes * MINUTE) for number, minutes in enumerate((5, 2, 2, 2, 0))
    ]
    await backend.add(*appointments)
    seen: list[UUID] = []
    after: tuple[str, ...] | None = None
    while page := await changes(backend, limit=2, after=after, minutes=1):
        seen += [change.appointment_id for change in page]
        after = tuple(map(str, page[-1].sort_key))
    assert seen == [UUID(int=number) for number in (1, 2, 3, 0)]
    assert [change.changed_at for change in await changes(backend, minutes=2)] == [NOON + minutes * MINUTE for minutes in (2, 2, 2, 5)]
    with pytest.raises(BadCursor):
        await changes(backend, after=("yesterday", "x"))


async def test_a_change_has_its_waiting_and_its_published_events_until_they_are_deleted(backend: Backend) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    relay = DocumentRelay(backend.documents, AppointmentEventBus(), backend.clock)
    saved = await backend.store.save(appointment.confirm(a_change()))
    await relay.publish()
    await backend.store.save(cancelled(replace(saved, unsaved_change=None)))
    assert [topics(change) for change in await changes(backend)] == [["amended", "cancelled"]]
    await relay.publish()
    backend.clock.advance(RETENTION + MINUTE)
    await relay.prune()
    assert [topics(change) for change in await changes(backend)] == [[]]


def topics(change: StoredChange) -> list[str]:
    return [event["type"].split(".")[1] for event in change.cloudevents]


@pytest.mark.parametrize("damaged", ["{", "[]", "null", '{"type": "appointment.booked.v1"}', '{"data": 7}'])
async def test_an_event_that_cannot_be_read_is_left_out_and_stops_no_other(
    backend: Backend, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    await backend.store.save(cancelled(appointment))
    document = await stored_document(backend, appointment)
    assert await backend.documents.update(str(appointment.id), document["edition"], {"edition": document["edition"]}, None, [damaged])
    (change,) = await changes(backend)
    assert topics(change) == ["cancelled"]
    assert "stored_item_unreadable" in caplog.text


async def test_an_appointment_that_cannot_be_read_is_listed_with_its_events(backend: Backend) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    saved = await backend.store.save(cancelled(appointment))
    changed = {"intent": {"kind": "teleport"}, "edition": saved.row_version + 1}
    assert await backend.documents.update(str(appointment.id), saved.row_version, changed, None, [])
    assert [topics(change) for change in await changes(backend)] == [["cancelled"]]
    assert json.dumps([change.cloudevents for change in await changes(backend)])
