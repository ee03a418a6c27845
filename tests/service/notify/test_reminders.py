"""Reminders from the event of a visit to the mail: who gets them, when, and once only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from notify_svc.ports import MailDeferred
from notify_svc.repository.tables import MESSAGES, REMINDERS, VISITS
from shared.contracts.events import AppointmentEvent, PatientChanged, PreferencesChanged, ReminderSent, ServiceChanged
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, run_service
from tests.service.notify.fake_services import EMAILS, PATIENT, ZONES, MemoryMailbox, stored_messages
from tests.service.notify.reminder_services import SERVICE, FakeReminderServices, a_person
from tests.unit.notify.builders import an_event

START = an_event().starts_at
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
GUARDIAN = "00000000-0000-0000-0000-000000000071"
REMINDER = "Reminder of your appointment"


@dataclass
class ReminderScene:
    """A running notification-service whose clock the test moves. `version` is that of the last event about the visit."""

    notify: RunningService
    services: FakeReminderServices
    mailbox: MemoryMailbox
    folder: Path
    version: int = 1

    async def publish_change(self, topic: str = "booked", status: str = "booked", **changes: Any) -> AppointmentEvent:
        """Publish an event about the visit that happens now."""
        self.version += 1
        event = an_event(f"appointment.{topic}.v1", **{"id": new_id(), "version": self.version, "status": status} | changes)
        event = event.model_copy(update={"occurred_at": self.notify.clock()})
        await self.notify.publish_event(event)
        return event

    async def wait_until(self, instant: datetime) -> None:
        """Move the clock to `instant` in steps, so that every job runs when it is due."""
        while (next_due := await self._next_due()) is not None and next_due < instant:
            await self.jump_to(next_due)
        await self.jump_to(instant)

    async def _next_due(self) -> datetime | None:
        due_times = (select(REMINDERS.c.due_at), select(MESSAGES.c.due_at), select(VISITS.c.planning_due_at))
        url, now = f"sqlite+aiosqlite:///{self.folder / 'notify_svc'}.db", self.notify.clock()
        async with Database(url) as database, database.read() as connection:
            instants = [instant for query in due_times for instant in (await connection.execute(query)).scalars() if instant]
        return min((instant for instant in instants if instant > now), default=None)

    async def jump_to(self, instant: datetime) -> None:
        """Set the clock, as after an outage, and run what is due."""
        self.notify.clock.set(instant)
        await self.notify.run_until_idle()

    async def change_preferences(self, person_id: str = PATIENT, **changes: Any) -> None:
        """Change a person's preferences, and publish the event of patient-service."""
        person = self.services.people[person_id]
        version = person.get("preferences_version", 0) + 1
        person |= {"preferences_version": version} | changes
        now = self.notify.clock()
        await self.notify.publish_event(PreferencesChanged(id=new_id(), occurred_at=now, patient_id=UUID(person_id), version=version))

    async def change_profile(self, person_id: str = PATIENT, **changes: Any) -> None:
        """Change a person's profile, and publish the event of patient-service."""
        person = self.services.people[person_id]
        person |= {"version": person["version"] + 1} | changes
        now = self.notify.clock()
        event = PatientChanged(id=new_id(), occurred_at=now, patient_id=UUID(person_id), version=person["version"])
        await self.notify.publish_event(event)

    async def change_service(self, **changes: Any) -> None:
        """Change the service type, and publish the event of doctor-service."""
        service = self.services.service_types[SERVICE]
        service |= {"version": service["version"] + 1} | changes
        rules = {"id": SERVICE, "name": "Check-up", "duration_minutes": 30, "slot_step_minutes": 15, "horizon_days": 60}
        facts = {"service_id": SERVICE, "version": service["version"], "rules": rules | {"version": service["version"]}}
        await self.notify.publish_event(ServiceChanged.model_validate({"id": new_id(), "occurred_at": self.notify.clock(), **facts}))

    def count_reminders(self, email: str = EMAILS[PATIENT]) -> int:
        """Return how many reminders were mailed to an address."""
        return self.mailbox.count_mails()[(email, REMINDER)]

    async def list_reminders(self) -> list[tuple[int, str]]:
        """Return offset and status of the stored reminders."""
        url = f"sqlite+aiosqlite:///{self.folder / 'notify_svc'}.db"
        async with Database(url) as database, database.read() as connection:
            query = select(REMINDERS.c.offset_minutes, REMINDERS.c.status).order_by(REMINDERS.c.starts_at, REMINDERS.c.due_at)
            return [tuple(row) for row in await connection.execute(query)]


@pytest.fixture
async def scene(tmp_path: Path, mailbox: MemoryMailbox) -> AsyncIterator[ReminderScene]:
    services = FakeReminderServices()
    settings: dict[str, Any] = {"mail_url": "file:unused", "time_zone": "Europe/Berlin", "record_events": (ReminderSent,)}
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, **settings) as notify:
        yield ReminderScene(notify, services, mailbox, tmp_path)


async def test_a_booked_visit_is_reminded_of_a_day_and_an_hour_before(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.wait_until(START - DAY - MINUTE)
    assert scene.count_reminders() == 0
    await scene.jump_to(START - DAY)
    assert scene.count_reminders() == 1
    await scene.wait_until(START - HOUR - MINUTE)
    assert scene.count_reminders() == 1
    await scene.jump_to(START - HOUR)
    assert scene.count_reminders() == 2
    await scene.wait_until(START + DAY)
    assert scene.count_reminders() == 2


async def test_a_reminder_that_was_sent_is_announced_with_the_start_of_its_visit(scene: ReminderScene) -> None:
    booked = await scene.publish_change()
    await scene.wait_until(START - DAY)
    moved_to = START + DAY
    await scene.publish_change("rescheduled", starts_at=moved_to, previous_starts_at=START)
    await scene.wait_until(moved_to - DAY)
    announced = scene.notify.published
    assert all(isinstance(event, ReminderSent) for event in announced)
    facts = [event.model_dump(include={"appointment_id", "starts_at", "occurred_at"}) for event in announced]
    appointment_id = booked.appointment_id
    assert facts == [
        {"appointment_id": appointment_id, "starts_at": START, "occurred_at": START - DAY},
        {"appointment_id": appointment_id, "starts_at": moved_to, "occurred_at": moved_to - DAY},
    ], "a confirmation is not announced"


async def test_only_the_patient_is_reminded(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.wait_until(START)
    assert {email for email, title in scene.mailbox.count_mails() if title == REMINDER} == {EMAILS[PATIENT]}


async def test_a_requested_visit_is_reminded_of_once_it_is_approved(scene: ReminderScene) -> None:
    await scene.publish_change("requested", "requested")
    await scene.wait_until(START - 2 * DAY)
    assert await scene.list_reminders() == []
    await scene.publish_change()
    await scene.wait_until(START)
    assert scene.count_reminders() == 2


async def test_a_visit_booked_later_than_an_offset_gets_no_reminder_for_it(scene: ReminderScene) -> None:
    await scene.jump_to(START - DAY + MINUTE)
    await scene.publish_change()
    await scene.wait_until(START)
    assert await scene.list_reminders() == [(60, "queued")]


@pytest.mark.parametrize(
    ("topic", "status"),
    [
        ("cancelled", "cancelled"),
        ("declined", "declined"),
        ("missed", "missed"),
        ("checked_in", "checked_in"),
        ("rescheduled", "requested"),
    ],
)
async def test_a_visit_that_is_no_longer_booked_is_not_reminded_of(scene: ReminderScene, topic: str, status: str) -> None:
    await scene.publish_change()
    assert len(await scene.list_reminders()) == 2
    await scene.publish_change(topic, status)
    assert await scene.list_reminders() == []
    await scene.wait_until(START)
    assert scene.count_reminders() == 0


async def test_a_moved_visit_is_reminded_of_at_its_new_time_also_after_a_reminder_was_sent(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.jump_to(START - DAY)
    assert scene.count_reminders() == 1
    await scene.publish_change("rescheduled", starts_at=START + 2 * DAY, previous_starts_at=START)
    await scene.wait_until(START + DAY - MINUTE)
    assert scene.count_reminders() == 1
    await scene.wait_until(START + 2 * DAY)
    assert scene.count_reminders() == 3


async def test_a_visit_restored_to_the_same_start_sends_no_reminder_again(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.jump_to(START - DAY)
    await scene.publish_change("cancelled", "cancelled")
    await scene.publish_change("booked")
    await scene.wait_until(START)
    assert scene.count_reminders() == 2
    assert await scene.list_reminders() == [(1440, "queued"), (60, "queued")]


async def test_a_visit_restored_later_than_an_offset_gets_no_reminder_for_it(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.publish_change("cancelled", "cancelled")
    await scene.wait_until(START - HOUR - MINUTE)
    await scene.publish_change("booked")
    await scene.wait_until(START)
    assert await scene.list_reminders() == [(60, "queued")]


async def test_an_undone_check_in_is_reminded_of_again(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.publish_change("checked_in", "checked_in")
    await scene.publish_change("booked", changed=["check_in"])
    await scene.wait_until(START)
    assert scene.count_reminders() == 2


async def test_a_change_of_reason_or_place_plans_nothing(scene: ReminderScene) -> None:
    await scene.publish_change()
    planned = await scene.list_reminders()
    await scene.wait_until(START - 12 * HOUR)
    await scene.publish_change("amended", changed=["place", "reason"])
    await scene.wait_until(START)
    assert len(planned) == scene.count_reminders() == 2


async def test_another_doctor_at_the_same_time_is_named_in_the_reminder(scene: ReminderScene) -> None:
    await scene.publish_change()
    other = list(ZONES)[2]
    await scene.publish_change("rescheduled", doctor_id=UUID(other), previous_starts_at=START, previous_doctor_id=an_event().doctor_id)
    await scene.jump_to(START - DAY)
    (reminder,) = [row for row in await stored_messages(scene.folder) if row.kind == "reminder"]
    assert reminder.facts["doctor_id"] == other


async def test_of_several_overdue_reminders_only_the_nearest_is_sent_after_an_outage(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.jump_to(START - 30 * MINUTE)
    assert scene.count_reminders() == 1
    assert await scene.list_reminders() == [(1440, "skipped"), (60, "queued")]


async def test_no_reminder_is_sent_after_an_outage_that_lasted_until_the_visit(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.jump_to(START)
    assert scene.count_reminders() == 0
    assert {status for _, status in await scene.list_reminders()} == {"skipped"}


async def test_an_outage_of_the_services_that_know_the_patient_delays_planning_and_loses_nothing(scene: ReminderScene) -> None:
    scene.services.is_down = True
    await scene.publish_change()
    await scene.jump_to(START - DAY + HOUR)
    assert await scene.list_reminders() == []
    scene.services.is_down = False
    await scene.jump_to(START - DAY + 2 * HOUR)
    assert await scene.list_reminders() == [(1440, "queued"), (60, "planned")]


async def test_an_event_that_arrives_twice_or_late_changes_no_reminder(scene: ReminderScene) -> None:
    booked = await scene.publish_change()
    await scene.publish_change("cancelled", "cancelled")
    await scene.notify.publish_event(booked)
    await scene.notify.publish_event(booked.model_copy(update={"id": new_id()}))
    assert await scene.list_reminders() == []


async def test_guardians_are_reminded_of_a_dependants_visit_by_their_own_preferences(scene: ReminderScene) -> None:
    scene.services.people[GUARDIAN] = a_person(GUARDIAN, reminder_offsets_minutes=[30])
    scene.services.people[PATIENT]["guardian_ids"] = [GUARDIAN]
    await scene.publish_change()
    assert await scene.list_reminders() == [(30, "planned")]
    await scene.change_preferences(GUARDIAN, reminder_offsets_minutes=[45, 15])
    assert await scene.list_reminders() == [(45, "planned"), (15, "planned")]


async def test_a_minor_with_an_account_is_reminded_beside_the_guardians(scene: ReminderScene) -> None:
    scene.services.people[GUARDIAN] = a_person(GUARDIAN, reminder_offsets_minutes=[30])
    scene.services.people[PATIENT] |= {"guardian_ids": [GUARDIAN], "has_account": True}
    await scene.publish_change()
    assert await scene.list_reminders() == [(1440, "planned"), (60, "planned"), (30, "planned")]


async def test_no_one_is_reminded_of_the_visits_of_a_dependant_without_consent(scene: ReminderScene) -> None:
    scene.services.people[GUARDIAN] = a_person(GUARDIAN, reminder_offsets_minutes=[30])
    scene.services.people[PATIENT] |= {"guardian_ids": [GUARDIAN], "reminders_consent": False}
    await scene.publish_change()
    assert await scene.list_reminders() == []
    await scene.change_profile(PATIENT, reminders_consent=True)
    assert await scene.list_reminders() == [(30, "planned")]
    scene.services.people[PATIENT] |= {"reminders_consent": False}  # the event is on its way
    await scene.jump_to(START - 30 * MINUTE)
    assert [row.problem for row in await stored_messages(scene.folder) if row.kind == "reminder"] == ["not_wanted"]


async def test_who_becomes_the_recipient_without_an_event_is_reminded_instead_once(scene: ReminderScene) -> None:
    """On the 18th birthday of a patient with an account, the guardians are no recipients any more."""
    scene.services.people[GUARDIAN] = a_person(GUARDIAN)
    scene.services.people[PATIENT] |= {"guardian_ids": [GUARDIAN]}
    await scene.publish_change()
    scene.services.people[PATIENT] |= {"guardian_ids": [], "has_account": True}
    for moment in (START - DAY, START - DAY + MINUTE, START - 60 * MINUTE, START - 59 * MINUTE, START):
        await scene.jump_to(moment)
    sent = [(row.recipient_id, row.status, row.problem) for row in await stored_messages(scene.folder) if row.kind == "reminder"]
    assert sent.count((UUID(PATIENT), "sent", None)) == 2
    assert sent.count((UUID(GUARDIAN), "skipped", "not_a_recipient")) == 1
    assert len(sent) == 3


async def test_a_new_guardian_is_reminded_and_a_former_one_is_not(scene: ReminderScene) -> None:
    scene.services.people[GUARDIAN] = a_person(GUARDIAN, reminder_offsets_minutes=[30])
    await scene.publish_change()
    await scene.change_profile(PATIENT, guardian_ids=[GUARDIAN])
    assert await scene.list_reminders() == [(30, "planned")]
    await scene.change_profile(PATIENT, guardian_ids=[])
    await scene.change_preferences(GUARDIAN, reminder_offsets_minutes=[45])
    assert await scene.list_reminders() == [(1440, "planned"), (60, "planned")]


async def test_changed_preferences_plan_what_lies_ahead_again(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.change_preferences(reminder_offsets_minutes=[2880, 30])
    assert await scene.list_reminders() == [(2880, "planned"), (30, "planned")]
    await scene.change_preferences(reminder_offsets_minutes=[])
    assert await scene.list_reminders() == []
    await scene.change_preferences(reminder_offsets_minutes=None)
    assert await scene.list_reminders() == [(1440, "planned"), (60, "planned")]


async def test_who_withdraws_the_consent_to_reminders_gets_none_and_who_gives_it_again_does(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.change_preferences(reminders_consent=False)
    assert await scene.list_reminders() == []
    await scene.change_preferences(reminders_consent=True)
    assert await scene.list_reminders() == [(1440, "planned"), (60, "planned")]


async def test_changed_preferences_send_no_reminder_twice_and_none_that_would_have_been_due_before(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.jump_to(START - DAY)
    await scene.wait_until(START - 12 * HOUR)
    await scene.change_preferences(reminder_offsets_minutes=[1440, 900, 60])
    await scene.wait_until(START)
    assert await scene.list_reminders() == [(1440, "queued"), (60, "queued")]


async def test_an_older_change_that_arrives_late_wants_no_reminder_that_a_newer_one_came_too_late_for(scene: ReminderScene) -> None:
    await scene.publish_change()
    early = scene.notify.clock()
    await scene.wait_until(START - 12 * HOUR)
    await scene.change_preferences(reminder_offsets_minutes=[900])
    scene.services.people[PATIENT]["version"] = 2
    await scene.notify.publish_event(PatientChanged(id=new_id(), occurred_at=early, patient_id=UUID(PATIENT), version=2))
    assert await scene.list_reminders() == [(1440, "queued")]


async def test_reminders_are_planned_with_preferences_at_least_as_new_as_the_event(scene: ReminderScene) -> None:
    await scene.publish_change()
    event = PreferencesChanged(id=new_id(), occurred_at=scene.notify.clock(), patient_id=UUID(PATIENT), version=1)
    await scene.notify.publish_event(event)
    assert await scene.list_reminders() == [(1440, "planned"), (60, "planned")]
    scene.services.people[PATIENT] |= {"preferences_version": 1, "reminder_offsets_minutes": [90]}
    scene.notify.clock.advance(2 * MINUTE)
    await scene.notify.run_until_idle()
    assert await scene.list_reminders() == [(90, "planned")]


@pytest.mark.parametrize("is_planned_first", [True, False])
async def test_an_offset_that_was_chosen_too_late_sends_nothing_even_if_planning_was_late(
    scene: ReminderScene, is_planned_first: bool
) -> None:
    booked = an_event(id=new_id()).model_copy(update={"occurred_at": START - 5 * HOUR})
    chosen_at = START - 3 * HOUR
    chosen = {"reminder_offsets_minutes": [240, 30], "preferences_version": 2, "offsets_changed_at": chosen_at.isoformat()}
    scene.services.people[PATIENT] |= chosen
    scene.services.is_down = not is_planned_first
    scene.notify.clock.set(START - 2 * HOUR)
    await scene.notify.publish_event(booked)
    await scene.notify.publish_event(PreferencesChanged(id=new_id(), occurred_at=chosen_at, patient_id=UUID(PATIENT), version=2))
    scene.services.is_down = False
    await scene.jump_to(START - HOUR - 30 * MINUTE)
    assert scene.count_reminders() == 0
    assert await scene.list_reminders() == [(30, "planned")]


async def test_a_reminder_that_waits_for_quiet_hours_is_sent_when_the_patient_removes_them(scene: ReminderScene) -> None:
    await scene.publish_change()
    scene.services.people[PATIENT] |= {"quiet_hours": {"since": "12:00", "until": "20:00"}}  # the event about it has not arrived yet
    await scene.jump_to(START - DAY)
    assert scene.count_reminders() == 0
    await scene.change_preferences(quiet_hours=None)
    await scene.wait_until(START - DAY + MINUTE)
    assert scene.count_reminders() == 1


async def test_a_reminder_that_the_service_type_no_longer_has_when_it_is_sent_is_skipped(scene: ReminderScene) -> None:
    await scene.publish_change()
    scene.services.service_types[SERVICE] |= {"reminder_offsets_minutes": [60]}  # the event about it has not arrived yet
    await scene.jump_to(START - DAY)
    assert scene.count_reminders() == 0
    await scene.jump_to(START - HOUR)
    assert scene.count_reminders() == 1


async def test_changed_offsets_of_a_service_type_plan_its_visits_again(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.change_service(reminder_offsets_minutes=[120])
    assert await scene.list_reminders() == [(120, "planned")]


async def test_quiet_hours_are_those_of_the_zone_in_which_the_patient_is_when_the_reminder_is_sent(scene: ReminderScene) -> None:
    scene.services.people[PATIENT] |= {"quiet_hours": {"since": "22:00", "until": "07:00"}, "reminder_offsets_minutes": [240]}
    await scene.publish_change()
    scene.services.people[PATIENT] |= {"time_zone": "America/New_York"}  # the event about it has not arrived yet
    await scene.jump_to(START - 4 * HOUR)  # five in the morning there
    assert scene.count_reminders() == 0
    await scene.wait_until(START - 2 * HOUR - MINUTE)
    assert scene.count_reminders() == 0
    await scene.jump_to(START - 2 * HOUR)
    assert scene.count_reminders() == 1


async def test_a_changed_zone_moves_reminders_out_of_the_quiet_hours(scene: ReminderScene) -> None:
    quiet_hours = {"since": "22:00", "until": "07:00"}
    scene.services.people[PATIENT] |= {"quiet_hours": quiet_hours, "reminder_offsets_minutes": [240]}
    await scene.publish_change()
    await scene.change_profile(time_zone="America/New_York")
    await scene.jump_to(START - 2 * HOUR - MINUTE)
    assert (scene.count_reminders(), await scene.list_reminders()) == (0, [(240, "planned")])
    await scene.jump_to(START - 2 * HOUR)
    assert scene.count_reminders() == 1


async def test_a_queued_reminder_is_not_sent_when_the_visit_was_cancelled_meanwhile(scene: ReminderScene) -> None:
    await scene.publish_change()
    scene.mailbox.errors = [MailDeferred("450")] * 3
    await scene.jump_to(START - DAY)
    await scene.publish_change("cancelled", "cancelled")
    scene.mailbox.errors = []
    await scene.wait_until(START)
    assert scene.count_reminders() == 0
    (reminder,) = [row for row in await stored_messages(scene.folder) if row.kind == "reminder"]
    assert (reminder.status, reminder.problem) == ("skipped", "outdated")


async def test_a_group_session_reminds_each_patient(scene: ReminderScene) -> None:
    await scene.publish_change()
    scene.services.people[GUARDIAN] = a_person(GUARDIAN)
    await scene.publish_change(appointment_id=new_id(), patient_id=UUID(GUARDIAN))
    await scene.jump_to(START - DAY)
    recipients = [row.recipient_id for row in await stored_messages(scene.folder) if row.kind == "reminder"]
    assert set(recipients) == {UUID(PATIENT), UUID(GUARDIAN)}
    assert len(recipients) == 2


async def test_reminders_are_deleted_a_month_after_the_visit(scene: ReminderScene) -> None:
    await scene.publish_change()
    await scene.wait_until(START)
    assert len(await scene.list_reminders()) == 2
    await scene.jump_to(START + 31 * DAY)
    assert await scene.list_reminders() == []


async def test_a_visit_whose_planning_was_interrupted_is_planned_by_the_next_instance(scene: ReminderScene) -> None:
    """The first instance ended after it had claimed the visit."""
    await scene.publish_change()
    url = f"sqlite+aiosqlite:///{scene.folder / 'notify_svc'}.db"
    async with Database(url) as database, database.write() as connection:
        await connection.execute(REMINDERS.delete())
        await connection.execute(update(VISITS).values(planning_due_at=NOON + MINUTE))
    await scene.jump_to(NOON + MINUTE - timedelta(seconds=1))
    assert await scene.list_reminders() == []
    await scene.jump_to(NOON + MINUTE)
    assert len(await scene.list_reminders()) == 2
