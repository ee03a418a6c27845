"""Which reminders a visit has, and what becomes of one that is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from notify_svc.domain.quiet_hours import PersonalClock
from notify_svc.domain.recipients import recipient_ids
from notify_svc.domain.reminders import Reminder, ReminderDefaults, ReminderRecipient, ReminderStatus, planned_reminders
from notify_svc.domain.visits import Visit
from shared.contracts.contacts import PatientContact, QuietHours, ServiceReminders
from tests.running import NOON
from tests.unit.notify.builders import DOCTOR, PATIENT, SERVICE, an_event

GUARDIAN, OTHER_GUARDIAN = UUID(int=0x71), UUID(int=0x72)
START = datetime.fromisoformat("2026-03-09T13:00Z")
BEFORE = START - timedelta(minutes=30)
DEFAULTS = ReminderDefaults((1440, 60), "Europe/Berlin")
NIGHT = QuietHours(since=time(22), until=time(7))


def a_visit(**changes: Any) -> Visit:
    return replace(Visit.from_event(an_event(), NOON), **changes)


def a_contact(person_id: UUID = PATIENT, **changes: Any) -> PatientContact:
    fields = {"id": person_id, "full_name": "Mina Park", "time_zone": "Europe/Berlin", "locale": "en", "version": 1}
    return PatientContact.model_validate(fields | changes)


def a_recipient(*offsets: int, person_id: UUID = PATIENT, quiet_hours: QuietHours | None = None) -> ReminderRecipient:
    return ReminderRecipient(person_id, frozenset(offsets), PersonalClock("Europe/Berlin", quiet_hours))


def plan(*recipients: ReminderRecipient, visit: Visit | None = None, existing: Sequence[Reminder] = ()) -> list[Reminder]:
    return list(planned_reminders(visit or a_visit(), recipients, existing))


def offsets_of(reminders: Sequence[Reminder]) -> list[int]:
    return sorted(reminder.offset_minutes for reminder in reminders)


def test_each_offset_of_each_recipient_is_one_reminder() -> None:
    planned = plan(a_recipient(1440, 60), a_recipient(1440, person_id=GUARDIAN))
    assert {(row.recipient_id, row.due_at) for row in planned} == {
        (PATIENT, START - timedelta(days=1)),
        (PATIENT, START - timedelta(hours=1)),
        (GUARDIAN, START - timedelta(days=1)),
    }
    assert len({row.id for row in planned}) == 3
    assert {row.id for row in planned} == {row.id for row in plan(a_recipient(1440, 60), a_recipient(1440, person_id=GUARDIAN))}


def test_a_visit_that_was_arranged_later_than_an_offset_has_no_reminder_for_it() -> None:
    assert offsets_of(plan(a_recipient(1440, 60), visit=a_visit(wanted_since=START - timedelta(hours=23)))) == [60]
    assert plan(a_recipient(1440, 60), visit=a_visit(wanted_since=START - timedelta(minutes=5))) == []


def test_an_offset_that_the_patient_chose_later_than_it_has_no_reminder() -> None:
    late = DEFAULTS.recipient(a_contact(reminder_offsets_minutes=[1440, 60], offsets_changed_at=START - timedelta(hours=23)), None)
    assert offsets_of(plan(late)) == [60]
    assert offsets_of(plan(late, existing=plan(a_recipient(1440)))) == [60, 1440]


def test_an_offset_that_is_planned_already_is_not_lost_when_reminders_are_planned_again() -> None:
    existing = plan(a_recipient(1440))
    late = a_visit(wanted_since=START - timedelta(hours=12))
    assert offsets_of(plan(a_recipient(1440, 1000, 60), visit=late, existing=existing)) == [60, 1440]


@pytest.mark.parametrize("status", [ReminderStatus.QUEUED, ReminderStatus.SKIPPED])
def test_a_reminder_that_was_queued_or_skipped_is_not_planned_again(status: ReminderStatus) -> None:
    existing = [replace(row, status=status) for row in plan(a_recipient(1440))]
    assert offsets_of(plan(a_recipient(1440, 60), existing=existing)) == [60]


def test_a_visit_moved_to_another_start_has_new_reminders() -> None:
    existing = [replace(row, status=ReminderStatus.QUEUED) for row in plan(a_recipient(1440, 60))]
    moved = a_visit(starts_at=START + timedelta(days=1))
    assert offsets_of(plan(a_recipient(1440, 60), visit=moved, existing=existing)) == [60, 1440]


def test_of_reminders_that_coincide_after_the_quiet_hours_only_the_nearest_is_queued() -> None:
    early = a_visit(starts_at=datetime.fromisoformat("2026-03-10T07:00Z"))
    far, near = sorted(plan(a_recipient(180, 120, quiet_hours=NIGHT), visit=early), key=lambda row: -row.offset_minutes)
    assert far.due_at == near.due_at == datetime.fromisoformat("2026-03-10T06:00Z")
    statuses = [reminder.status_when_due(early, [far, near], far.due_at) for reminder in (far, near)]
    assert statuses == [ReminderStatus.SKIPPED, ReminderStatus.QUEUED]


def service_offsets(offsets: list[int] | None) -> ServiceReminders:
    return ServiceReminders(id=SERVICE, reminder_offsets_minutes=offsets, version=1)


@pytest.mark.parametrize(
    ("of_patient", "of_service", "effective"),
    [
        (None, None, {1440, 60}),
        (None, [2880], {2880}),
        ([30], [2880], {30}),
        ([], [2880], set()),
        (None, [], set()),
        ([30], None, {30}),
    ],
)
def test_offsets_are_the_patients_else_the_service_types_else_the_clinics(
    of_patient: list[int] | None, of_service: list[int] | None, effective: set[int]
) -> None:
    assert DEFAULTS.recipient(a_contact(reminder_offsets_minutes=of_patient), service_offsets(of_service)).offsets == effective


@pytest.mark.parametrize("of_patient", [None, [30]])
def test_a_person_who_does_not_consent_is_not_reminded(of_patient: list[int] | None) -> None:
    contact = a_contact(reminder_offsets_minutes=of_patient, reminders_consent=False)
    assert DEFAULTS.recipient(contact, service_offsets([2880])).offsets == set()


def test_a_service_type_that_is_not_known_leaves_the_clinics_offsets() -> None:
    assert DEFAULTS.recipient(a_contact(), None).offsets == {1440, 60}


def test_a_person_without_a_zone_has_the_clinics() -> None:
    assert DEFAULTS.clock_of(a_contact(time_zone=None)).time_zone == "Europe/Berlin"
    assert DEFAULTS.clock_of(a_contact(time_zone="Mars/Olympus")).time_zone == "Europe/Berlin"


def test_guardians_are_reminded_of_a_dependants_visits_and_no_one_of_those_of_a_closed_profile() -> None:
    assert recipient_ids(a_contact()) == [PATIENT]
    assert recipient_ids(a_contact(guardian_ids=[GUARDIAN, OTHER_GUARDIAN])) == [GUARDIAN, OTHER_GUARDIAN]
    assert recipient_ids(a_contact(guardian_ids=[GUARDIAN], has_account=True)) == [GUARDIAN, PATIENT]
    assert recipient_ids(a_contact(guardian_ids=[GUARDIAN], has_account=True, active=False)) == [GUARDIAN]
    assert recipient_ids(a_contact(active=False)) == []


def status_of(reminder: Reminder, *due: Reminder, visit: Visit | None = None, now: datetime = BEFORE) -> ReminderStatus:
    return reminder.status_when_due(visit or a_visit(), due, now)


def test_only_the_nearest_of_several_overdue_reminders_is_queued() -> None:
    day, hour = sorted(plan(a_recipient(1440, 60)), key=lambda row: row.due_at)
    assert status_of(day, day, hour) is ReminderStatus.SKIPPED
    assert status_of(hour, day, hour) is ReminderStatus.QUEUED
    assert status_of(day, day, replace(hour, recipient_id=GUARDIAN)) is ReminderStatus.QUEUED


def test_no_reminder_is_queued_once_the_visit_has_begun() -> None:
    (hour,) = plan(a_recipient(60))
    assert status_of(hour, hour, now=START - timedelta(seconds=1)) is ReminderStatus.QUEUED
    assert status_of(hour, hour, now=START) is ReminderStatus.SKIPPED


def test_no_reminder_is_queued_for_a_visit_that_is_not_booked_for_its_start() -> None:
    (hour,) = plan(a_recipient(60))
    assert status_of(hour, hour, visit=a_visit(status="cancelled")) is ReminderStatus.SKIPPED
    assert status_of(hour, hour, visit=a_visit(starts_at=START + timedelta(days=1))) is ReminderStatus.SKIPPED
    assert hour.status_when_due(None, [hour], NOON) is ReminderStatus.SKIPPED


def test_the_message_of_a_reminder_has_the_facts_of_the_visit_and_ends_with_its_start() -> None:
    (hour,) = plan(a_recipient(60))
    message = hour.message(a_visit(sequence=4), NOON)
    assert (message.id, message.kind, message.recipient_id, message.valid_until) == (hour.id, "reminder", PATIENT, START)
    assert message.facts["starts_at"] == "2026-03-09T13:00:00Z"
    assert (message.facts["doctor_id"], message.facts["sequence"], message.facts["offset_minutes"]) == (str(DOCTOR), 4, 60)
    assert message.start_sending("me", NOON).valid_until == START
