"""A patient is merged into another one: visits, reminders and messages follow, on every SQL server, and nothing is mailed twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from notify_svc.ports import MailDeferred
from notify_svc.repository.tables import MESSAGES, REMINDERS, VISITS
from shared.contracts.events import AppointmentEvent, PatientChanged, PatientMerged, PreferencesChanged
from shared.contracts.identity import Role, Service
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, problem_response, run_service
from tests.service.notify.fake_services import DOCTOR, EMAILS, MemoryMailbox
from tests.service.notify.reminder_services import FakeReminderServices, a_person
from tests.tokens import bearer
from tests.unit.notify.builders import APPOINTMENT, an_event

START = an_event().starts_at
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
WALK_IN, TARGET, LAST, GUARDIAN = [f"00000000-0000-0000-0000-0000000000{number}" for number in (81, 82, 83, 84)]
OLD_ADDRESS, ADDRESS, LAST_ADDRESS, GUARDIANS_ADDRESS = (
    "walk-in@example.com",
    "target@example.com",
    "last@example.com",
    "guardian@example.com",
)
ADDRESSES = {TARGET: ADDRESS, LAST: LAST_ADDRESS, GUARDIAN: GUARDIANS_ADDRESS}
REMINDER, BOOKED = "Reminder of your appointment", "Appointment confirmed"


class FakeMergingServices(FakeReminderServices):
    """As FakeReminderServices, with a walk-in and accounts. `merged` are the patients whom patient-service has merged."""

    def __init__(self) -> None:
        super().__init__()
        self.people = {WALK_IN: a_person(WALK_IN, email=OLD_ADDRESS), **{person_id: a_person(person_id) for person_id in ADDRESSES}}
        self.ended_reminders: list[str] = []
        self.merged = set[str]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/end-reminders"):
            self.ended_reminders.append(request.url.path.split("/")[3])
            return httpx.Response(204)
        if request.url.path.removeprefix("/internal/patients/") in self.merged:
            return problem_response(404, "patient_merged", merged_into=TARGET)
        if request.url.host != Service.AUTH or request.url.path != "/internal/contacts":
            return super().__call__(request)
        ids = json.loads(request.content)["ids"]
        addresses = {**ADDRESSES, DOCTOR: EMAILS[DOCTOR]}
        return httpx.Response(
            200, json={"items": [self._account(person_id, addresses[person_id]) for person_id in ids if person_id in addresses]}
        )

    def _account(self, account_id: str, email: str) -> dict[str, Any]:
        account = {"email": email, "role": "patient", "status": "active", "created_at": "2026-01-01T00:00:00Z"}
        return a_person(account_id) | account


@dataclass
class MergeScene:
    """A running notification-service whose clock the test moves, and a visit of the walk-in. `version` is that of its last event."""

    notify: RunningService
    services: FakeMergingServices
    mailbox: MemoryMailbox
    url: str
    version: int = 1

    async def publish_visit(self, topic: str = "booked", patient_id: str = WALK_IN, **changes: Any) -> AppointmentEvent:
        """Publish an event about the visit that happens now."""
        self.version += 1
        facts = {"id": new_id(), "version": self.version, "patient_id": UUID(patient_id)} | changes
        event = an_event(f"appointment.{topic}.v1", **facts).model_copy(update={"occurred_at": self.notify.clock()})
        await self.notify.publish_event(event)
        return event

    async def amend_patient(self, patient_id: str = TARGET) -> None:
        """Publish what appointment-service publishes after a merge."""
        await self.publish_visit("amended", patient_id, changed=["patient"])

    def forget_merged(self, patient_id: str = WALK_IN) -> None:
        """Have patient-service merge a patient, without an event."""
        self.services.people.pop(patient_id, None)
        self.services.merged.add(patient_id)

    def merged(self, source: str = WALK_IN, into: str = TARGET) -> PatientMerged:
        """Return the event of a merge that happens now."""
        return PatientMerged(id=new_id(), occurred_at=self.notify.clock(), patient_id=UUID(source), into=UUID(into), version=2)

    async def merge(self, source: str = WALK_IN, into: str = TARGET) -> PatientMerged:
        """Merge two patients, and publish the events of patient-service."""
        self.forget_merged(source)
        person = self.services.people[into]
        person["version"] += 1
        now = self.notify.clock()
        await self.notify.publish_event(PatientChanged(id=new_id(), occurred_at=now, patient_id=UUID(into), version=person["version"]))
        event = self.merged(source, into)
        await self.notify.publish_event(event)
        return event

    async def jump_to(self, instant: datetime) -> None:
        """Set the clock and run what is due."""
        self.notify.clock.set(instant)
        await self.notify.run_until_idle()

    def count(self, title: str, address: str = ADDRESS) -> int:
        """Return how many mails with a title an address has got."""
        return self.mailbox.count_mails()[(address, title)]

    async def rows(self, query: Any) -> list[tuple[Any, ...]]:
        """Return rows of the service's database."""
        async with Database(self.url) as database, database.read() as connection:
            return [tuple(row) for row in await connection.execute(query)]

    async def patient_of_visit(self) -> str:
        ((patient_id,),) = await self.rows(select(VISITS.c.patient_id))
        return str(patient_id)

    async def planned(self) -> set[tuple[str, int]]:
        """Return recipients and offsets of the reminders that wait."""
        query = select(REMINDERS.c.recipient_id, REMINDERS.c.offset_minutes).where(REMINDERS.c.status == "planned")
        return {(str(recipient_id), offset) for recipient_id, offset in await self.rows(query)}

    async def own_messages(self, patient_id: str = TARGET) -> list[tuple[str, str | None]]:
        """Return what a patient reads under `GET /patients/me/messages`."""
        response = await self.notify.http.get("/patients/me/messages", headers=bearer(Role.PATIENT, patient_id))
        assert response.status_code == 200, response.text
        return [(item["kind"], item["appointment_id"]) for item in response.json()["items"]]


@pytest.fixture
async def scene(tmp_path: Path, mailbox: MemoryMailbox, sql_url: str) -> AsyncIterator[MergeScene]:
    services = FakeMergingServices()
    settings: dict[str, Any] = {"mail_url": "file:unused", "time_zone": "Europe/Berlin", "database_url": sql_url}
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, **settings) as notify:
        yield MergeScene(notify, services, mailbox, sql_url)


@pytest.mark.parametrize("order", ["merged_first", "amended_first"])
async def test_visits_become_the_targets_in_whatever_order_the_events_come(scene: MergeScene, order: str) -> None:
    await scene.publish_visit()
    scene.forget_merged()
    if order == "amended_first":
        await scene.amend_patient()
        assert await scene.patient_of_visit() == TARGET
    event = await scene.merge()
    assert await scene.patient_of_visit() == TARGET
    await scene.amend_patient()
    await scene.notify.publish_event(event)
    await scene.notify.publish_event(event.model_copy(update={"id": new_id()}))
    assert await scene.patient_of_visit() == TARGET
    await scene.jump_to(START - DAY)
    assert (scene.count(REMINDER), scene.count(REMINDER, OLD_ADDRESS)) == (1, 0)


async def test_no_mail_tells_of_the_merge(scene: MergeScene) -> None:
    await scene.publish_visit()
    sent = scene.mailbox.count_mails()
    await scene.merge()
    await scene.amend_patient()
    await scene.jump_to(NOON + HOUR)
    assert scene.mailbox.count_mails() == sent


async def test_reminders_are_planned_again_by_the_preferences_of_the_target(scene: MergeScene) -> None:
    scene.services.people[TARGET] |= {"reminder_offsets_minutes": [120]}
    await scene.publish_visit()
    await scene.jump_to(NOON + MINUTE)
    assert await scene.planned() == {(WALK_IN, 1440), (WALK_IN, 60)}
    await scene.merge()
    await scene.jump_to(NOON + 2 * MINUTE)
    assert await scene.planned() == {(TARGET, 120)}


async def test_reminders_follow_the_preferences_that_the_target_changes_later(scene: MergeScene) -> None:
    await scene.publish_visit()
    await scene.merge()
    scene.services.people[TARGET] |= {"reminder_offsets_minutes": [30], "preferences_version": 2}
    now = scene.notify.clock()
    await scene.notify.publish_event(PreferencesChanged(id=new_id(), occurred_at=now, patient_id=UUID(TARGET), version=2))
    await scene.jump_to(NOON + 2 * MINUTE)
    assert await scene.planned() == {(TARGET, 30)}


async def test_a_reminder_that_was_sent_before_the_merge_is_not_sent_again(scene: MergeScene) -> None:
    await scene.publish_visit()
    await scene.jump_to(START - DAY)
    assert scene.count(REMINDER, OLD_ADDRESS) == 1
    await scene.merge()
    await scene.amend_patient()
    await scene.jump_to(START - DAY + 5 * MINUTE)
    assert scene.count(REMINDER) == 0
    await scene.jump_to(START - HOUR)
    assert scene.count(REMINDER) == 1


async def test_what_the_guardian_of_the_merged_patient_was_reminded_of_is_not_sent_to_the_target(scene: MergeScene) -> None:
    scene.services.people[WALK_IN] |= {"guardian_ids": [GUARDIAN]}
    await scene.publish_visit()
    await scene.jump_to(START - DAY)
    assert scene.count(REMINDER, GUARDIANS_ADDRESS) == 1
    await scene.merge()
    await scene.jump_to(START - DAY + 5 * MINUTE)
    assert scene.count(REMINDER) == 0
    await scene.jump_to(START - HOUR)
    assert (scene.count(REMINDER), scene.count(REMINDER, GUARDIANS_ADDRESS)) == (1, 1)


async def test_an_offset_that_only_the_target_has_and_that_is_over_sends_nothing(scene: MergeScene) -> None:
    scene.services.people[TARGET] |= {"reminder_offsets_minutes": [2880]}
    await scene.publish_visit()
    await scene.jump_to(START - DAY)
    await scene.merge()
    await scene.jump_to(START - DAY + 5 * MINUTE)
    assert scene.count(REMINDER) == 0


async def test_waiting_messages_go_to_the_address_of_the_target(scene: MergeScene) -> None:
    scene.services.is_down = True
    await scene.publish_visit()
    assert scene.mailbox.mails == []
    await scene.merge()
    scene.services.is_down = False
    await scene.jump_to(NOON + HOUR)
    assert (scene.count(BOOKED), scene.count(BOOKED, OLD_ADDRESS)) == (1, 0)
    assert sum(scene.mailbox.count_mails().values()) == 2, "patient and doctor, one mail each"


async def test_messages_about_a_merge_that_is_not_known_here_wait_and_then_are_about_the_target(scene: MergeScene) -> None:
    scene.forget_merged()
    await scene.publish_visit()
    assert scene.mailbox.mails == []
    await scene.merge()
    await scene.jump_to(NOON + HOUR)
    assert scene.count(BOOKED) == 1
    assert sum(scene.mailbox.count_mails().values()) == 2, "patient and doctor, one mail each"
    assert f"Patient: Person {TARGET[-2:]}" in scene.mailbox.text_to(EMAILS[DOCTOR])


async def test_messages_that_were_skipped_while_nobody_knew_the_patient_are_sent_to_the_target(scene: MergeScene) -> None:
    walk_in = scene.services.people.pop(WALK_IN)
    await scene.publish_visit()
    assert await scene.rows(select(MESSAGES.c.problem).where(MESSAGES.c.recipient_id == UUID(WALK_IN))) == [("no_address",)]
    scene.services.people[WALK_IN] = walk_in
    await scene.merge()
    await scene.jump_to(NOON + HOUR)
    assert scene.count(BOOKED) == 1


async def test_a_doctors_mail_about_a_visit_with_a_former_id_names_the_target(scene: MergeScene) -> None:
    await scene.publish_visit()
    await scene.merge()
    await scene.publish_visit("cancelled", status="cancelled")
    assert (EMAILS[DOCTOR], "Appointment cancelled") in scene.mailbox.count_mails()
    assert f"Patient: Person {TARGET[-2:]}" in scene.mailbox.text_to(EMAILS[DOCTOR])


async def test_a_message_that_waits_for_the_guardians_goes_to_the_target_who_has_none(scene: MergeScene) -> None:
    scene.services.people[WALK_IN] |= {"guardian_ids": [GUARDIAN]}
    scene.services.people[WALK_IN].pop("email")
    scene.mailbox.errors = [MailDeferred("451")] * 2
    await scene.publish_visit()
    assert scene.mailbox.errors == []
    await scene.merge()
    await scene.jump_to(NOON + HOUR)
    assert (scene.count(BOOKED), scene.count(BOOKED, GUARDIANS_ADDRESS)) == (1, 0)


async def test_an_event_with_the_old_patient_that_comes_after_the_merge_is_mailed_to_the_target(scene: MergeScene) -> None:
    await scene.merge()
    await scene.publish_visit()
    await scene.jump_to(NOON + 2 * MINUTE)
    assert await scene.patient_of_visit() == TARGET
    assert scene.count(BOOKED) == 1
    await scene.jump_to(START - DAY)
    assert scene.count(REMINDER) == 1


@pytest.mark.parametrize("order", ["in_order", "reversed"])
async def test_a_target_who_is_merged_themselves_passes_everything_on(scene: MergeScene, order: str) -> None:
    await scene.publish_visit()
    first, second = scene.merged(WALK_IN, TARGET), scene.merged(TARGET, LAST)
    scene.forget_merged(WALK_IN)
    scene.forget_merged(TARGET)
    for event in (first, second) if order == "in_order" else (second, first):
        await scene.notify.publish_event(event)
    assert await scene.patient_of_visit() == LAST
    assert await scene.own_messages(LAST) == [("booked", str(APPOINTMENT))]


async def test_the_target_reads_the_messages_of_the_merged_patient(scene: MergeScene) -> None:
    await scene.publish_visit()
    assert await scene.own_messages() == []
    await scene.merge()
    assert await scene.own_messages() == [("booked", str(APPOINTMENT))]
    assert await scene.own_messages(WALK_IN) == []


async def test_a_sent_message_that_staff_send_again_goes_to_the_target(scene: MergeScene) -> None:
    await scene.publish_visit()
    await scene.merge()
    await scene.jump_to(NOON + 5 * MINUTE)
    query = select(MESSAGES.c.id).where(MESSAGES.c.recipient_id == UUID(TARGET))
    ((message_id,),) = await scene.rows(query)
    response = await scene.notify.http.post(f"/admin/messages/{message_id}/resend", headers=bearer(Role.ADMIN))
    assert response.status_code in (200, 202), response.text
    await scene.notify.run_until_idle()
    assert (scene.count(BOOKED), scene.count(BOOKED, OLD_ADDRESS)) == (1, 1)


async def test_more_visits_than_a_page_follow_the_merge(scene: MergeScene) -> None:
    for number in range(53):
        await scene.publish_visit(appointment_id=UUID(int=1000 + number))
    await scene.merge()
    assert {str(row[0]) for row in await scene.rows(select(VISITS.c.patient_id))} == {TARGET}
    assert {str(row[0]) for row in await scene.rows(select(MESSAGES.c.recipient_id))} == {TARGET, DOCTOR}


async def test_a_message_that_this_release_cannot_read_is_the_targets_too(scene: MergeScene) -> None:
    await scene.publish_visit()
    async with Database(scene.url) as database, database.write() as connection:
        await connection.execute(update(MESSAGES).where(MESSAGES.c.recipient_id == UUID(WALK_IN)).values(kind="of_a_newer_release"))
    await scene.merge()
    assert {str(row[0]) for row in await scene.rows(select(MESSAGES.c.recipient_id))} == {TARGET, DOCTOR}


async def test_the_link_in_an_old_reminder_ends_the_reminders_of_the_target(scene: MergeScene) -> None:
    await scene.publish_visit()
    await scene.jump_to(START - DAY)
    link = str(scene.mailbox.mails[-1]["List-Unsubscribe"]).strip("<>").split("/unsubscribe/")[1]
    await scene.merge()
    response = await scene.notify.http.post(f"/unsubscribe/{link}", data={"List-Unsubscribe": "One-Click"})
    assert response.status_code == 200, response.text
    assert scene.services.ended_reminders == [TARGET]
