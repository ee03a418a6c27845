"""Corruption that the product would never write, planted directly in the stores, each on rows of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID, uuid4

import pymongo
from sqlalchemy import create_engine, text

from shared.contracts.identity import Service

Document = dict[str, Any]


class WritableStores(Protocol):
    """The stores of an installation that does not run."""

    def execute(self, service: Service, statement: str, **values: Any) -> list[Any]:
        """Run a statement of SQL in the database of a service, and return its rows."""

    def change_appointment(self, appointment_id: str, change: Callable[[Document], None]) -> None:
        """Change a document in place."""

    def delete_appointment(self, appointment_id: str) -> None:
        """Delete a document."""


@dataclass
class SqlStores:
    """The databases of the services, by URL. The appointments are in one of them."""

    urls: dict[Service, str]

    def execute(self, service: Service, statement: str, **values: Any) -> list[Any]:
        url = self.urls[service].replace("sqlite+aiosqlite", "sqlite").replace("mysql+aiomysql", "mysql+pymysql")
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement), values)
                assert result.returns_rows or result.rowcount > 0, statement
                return list(result.all()) if result.returns_rows else []
        finally:
            engine.dispose()

    def execute_definition(self, service: Service, statement: str) -> None:
        """Run a statement that changes the definitions of a database, and no rows."""
        engine = create_engine(self.urls[service].replace("sqlite+aiosqlite", "sqlite"))
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def change_appointment(self, appointment_id: str, change: Callable[[Document], None]) -> None:
        rows = self.execute(Service.APPOINTMENT, "SELECT document FROM appointments WHERE id = :id", id=appointment_id)
        document = json.loads(rows[0][0])
        change(document)
        columns = {name: document[name] for name in ("edition", "status", "doctor_id", "patient_id", "starts_us", "ends_us", "unsent")}
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        values = columns | {"document": json.dumps(document), "id": appointment_id}
        self.execute(Service.APPOINTMENT, f"UPDATE appointments SET document = :document, {assignments} WHERE id = :id", **values)

    def delete_appointment(self, appointment_id: str) -> None:
        self.execute(Service.APPOINTMENT, "DELETE FROM appointments WHERE id = :id", id=appointment_id)


@dataclass
class ServerStores(SqlStores):
    """The databases of the services; the appointments are documents of a server that speaks MongoDB's protocol."""

    def change_appointment(self, appointment_id: str, change: Callable[[Document], None]) -> None:
        with pymongo.MongoClient[Document](self.urls[Service.APPOINTMENT]) as client:
            collection = client.get_default_database()["appointments"]
            document = collection.find_one({"_id": appointment_id})
            assert document is not None
            change(document)
            collection.replace_one({"_id": appointment_id}, document)

    def delete_appointment(self, appointment_id: str) -> None:
        with pymongo.MongoClient[Document](self.urls[Service.APPOINTMENT]) as client:
            assert client.get_default_database()["appointments"].delete_one({"_id": appointment_id}).deleted_count


@dataclass
class Victims:
    """What the corruptions may take: ids of booked visits, of people, and of visits in groups. None is taken twice.

    `reminded_visit` is that of a patient who has chosen when to be reminded.
    """

    stores: WritableStores
    visits: list[str]
    group_visits: list[str]
    patients: list[str]
    doctors: list[str]
    reminded_visit: str
    taken: dict[str, str] = field(default_factory=dict)

    def visit(self) -> tuple[str, str]:
        """Return the id of a booked visit, as text, and as the databases store it."""
        visit_id = self.visits.pop()
        return visit_id, UUID(visit_id).hex


Plant = Callable[[Victims], str]
"""Plants one corruption, and returns an id that the line of the fault must name."""


def drop_a_grain(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    first = victims.stores.execute(Service.SCHEDULING, "SELECT min(grain) FROM claim_grains WHERE claim_id = :id", id=hex_id)[0][0]
    victims.stores.execute(Service.SCHEDULING, "DELETE FROM claim_grains WHERE claim_id = :id AND grain = :grain", id=hex_id, grain=first)
    return visit


def add_a_grain_of_no_claim(victims: Victims) -> str:
    stranger = uuid4()
    statement = "INSERT INTO claim_grains (resource_id, grain, lane, claim_id) VALUES (:resource, 5900000, 0, :claim)"
    victims.stores.execute(Service.SCHEDULING, statement, resource=uuid4().hex, claim=stranger.hex)
    return str(stranger)


def raise_a_grain_to_lane_2(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.SCHEDULING, "UPDATE claim_grains SET lane = 2 WHERE claim_id = :id", id=hex_id)
    return visit


def book_the_same_time_twice(victims: Victims) -> str:
    """Move the claim of one visit over that of another of the same doctor, in another lane, as a lost primary key would allow."""
    (visit, hex_id), (_, other_id) = victims.visit(), victims.visit()
    stores = victims.stores
    times = "visit_from, visit_to, span_from, span_to, doctor_id"
    values = stores.execute(Service.SCHEDULING, f"SELECT {times} FROM claims WHERE id = :id", id=other_id)[0]._asdict()
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    stores.execute(Service.SCHEDULING, f"UPDATE claims SET {assignments} WHERE id = :id", id=hex_id, **values)
    stores.execute(Service.SCHEDULING, "DELETE FROM claim_grains WHERE claim_id = :id", id=hex_id)
    insert = (
        "INSERT INTO claim_grains (resource_id, grain, lane, claim_id) "
        "SELECT resource_id, grain, 1, :id FROM claim_grains WHERE claim_id = :other AND resource_id = :doctor"
    )
    stores.execute(Service.SCHEDULING, insert, id=hex_id, other=other_id, doctor=values["doctor_id"])
    return visit


def shift_a_claim(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.SCHEDULING, "UPDATE claims SET visit_to = visit_to + 1 WHERE id = :id", id=hex_id)
    return visit


def change_the_patient_of_a_claim(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.SCHEDULING, "UPDATE claims SET patient_id = :other WHERE id = :id", id=hex_id, other=uuid4().hex)
    return visit


def change_the_doctor_of_a_claim(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.SCHEDULING, "UPDATE claims SET doctor_id = :other WHERE id = :id", id=hex_id, other=uuid4().hex)
    return visit


def delete_a_claim(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.SCHEDULING, "DELETE FROM claim_grains WHERE claim_id = :id", id=hex_id)
    victims.stores.execute(Service.SCHEDULING, "DELETE FROM claims WHERE id = :id", id=hex_id)
    return visit


def release_a_claim(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.SCHEDULING, "DELETE FROM claim_grains WHERE claim_id = :id", id=hex_id)
    victims.stores.execute(Service.SCHEDULING, "UPDATE claims SET live = :live WHERE id = :id", id=hex_id, live=False)
    return visit


def raise_the_revision_of_a_claim(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.SCHEDULING, "UPDATE claims SET revision = revision + 5 WHERE id = :id", id=hex_id)
    return visit


def delete_an_appointment(victims: Victims) -> str:
    visit, _ = victims.visit()
    victims.stores.delete_appointment(visit)
    return visit


def cancel_in_the_document_only(victims: Victims) -> str:
    visit, _ = victims.visit()
    victims.stores.change_appointment(visit, lambda document: document.update(status="cancelled"))
    return visit


def move_in_the_document_only(victims: Victims) -> str:
    visit, _ = victims.visit()

    def move(document: Document) -> None:
        document["starts_us"] += 3_600_000_000
        document["ends_us"] += 3_600_000_000

    victims.stores.change_appointment(visit, move)
    return visit


def lose_the_newest_event(victims: Victims) -> str:
    visit, _ = victims.visit()
    victims.stores.change_appointment(visit, lambda document: document.update(published_events=[]))
    return visit


def miscount_pending_events(victims: Victims) -> str:
    visit, _ = victims.visit()
    victims.stores.change_appointment(visit, lambda document: document.update(unsent=3))
    return visit


def spoil_an_event(victims: Victims) -> str:
    visit, _ = victims.visit()
    victims.stores.change_appointment(visit, lambda document: document.update(published_events=["{}"]))
    return visit


def _event_of(victims: Victims, visit: str, topic: str) -> str:
    """Return the id of the newest published event of a topic."""
    found = list[str]()

    def find(document: Document) -> None:
        events = map(json.loads, document["published_events"])
        found.extend(event["id"] for event in events if event["type"] == topic)

    victims.stores.change_appointment(visit, find)
    return found[-1]


def lose_an_event_on_its_way(victims: Victims) -> str:
    visit, _ = victims.visit()
    event_id = _event_of(victims, visit, "appointment.booked.v1")
    victims.stores.execute(Service.PATIENT, "DELETE FROM inbox WHERE event_id = :id", id=UUID(event_id).hex)
    return event_id


def lose_an_event_of_a_doctor(victims: Victims) -> str:
    query = "SELECT event_id FROM outbox WHERE topic = 'doctor.changed.v1' AND published_at IS NOT NULL ORDER BY seq LIMIT 1"
    event_id = victims.stores.execute(Service.DOCTOR, query)[0][0]
    victims.stores.execute(Service.SCHEDULING, "DELETE FROM inbox WHERE event_id = :id", id=event_id)
    return str(UUID(event_id))


def overfill_a_group(victims: Victims) -> str:
    visit = victims.group_visits[0]
    statement = "UPDATE seats SET seat = 99 WHERE claim_id = :id"
    victims.stores.execute(Service.SCHEDULING, statement, id=UUID(visit).hex)
    rows = victims.stores.execute(Service.SCHEDULING, "SELECT session_id FROM seats WHERE claim_id = :id", id=UUID(visit).hex)
    return str(UUID(rows[0][0]))


def take_a_seat_away(victims: Victims) -> str:
    visit = victims.group_visits[-1]
    victims.stores.execute(Service.SCHEDULING, "DELETE FROM seats WHERE claim_id = :id", id=UUID(visit).hex)
    return visit


def delete_a_confirmation(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.NOTIFICATION, "DELETE FROM messages WHERE subject_id = :id", id=hex_id)
    return visit


def queue_a_message_twice(victims: Victims) -> str:
    _, hex_id = victims.visit()
    names = [row[0] for row in _columns(victims, "messages") if row[0] not in ("seq", "id")]
    columns, twin = ", ".join(names), uuid4()
    query = f"INSERT INTO messages (id, {columns}) SELECT :twin, {columns} FROM messages WHERE subject_id = :id AND reader = 'patient'"
    victims.stores.execute(Service.NOTIFICATION, query, id=hex_id, twin=twin.hex)
    return str(twin)


def _columns(victims: Victims, table: str) -> list[Any]:
    from notify_svc.repository.tables import METADATA

    return [(column.name,) for column in METADATA.tables[table].columns]


def send_a_message_twice(victims: Victims) -> str:
    _, hex_id = victims.visit()
    rows = victims.stores.execute(Service.NOTIFICATION, "SELECT id, attempt_log FROM messages WHERE subject_id = :id", id=hex_id)
    message_id, log = rows[0][0], json.loads(rows[0][1])
    twice = json.dumps([*log, ["2026-01-01T00:00:00Z", "sent", None], ["2026-01-01T00:00:09Z", "sent", None]])
    victims.stores.execute(Service.NOTIFICATION, "UPDATE messages SET attempt_log = :log WHERE id = :id", id=message_id, log=twice)
    return str(UUID(message_id))


def shift_a_reminder(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    statement = "UPDATE reminders SET starts_at = '2031-01-01 00:00:00.000000' WHERE appointment_id = :id AND offset_minutes = 60"
    victims.stores.execute(Service.NOTIFICATION, statement, id=hex_id)
    return visit


def lose_the_message_of_a_reminder(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    statement = "UPDATE reminders SET status = 'queued' WHERE appointment_id = :id AND offset_minutes = 60"
    victims.stores.execute(Service.NOTIFICATION, statement, id=hex_id)
    return visit


def forget_a_reminder(victims: Victims) -> str:
    visit, hex_id = victims.reminded_visit, UUID(victims.reminded_visit).hex
    victims.stores.execute(Service.NOTIFICATION, "DELETE FROM reminders WHERE appointment_id = :id", id=hex_id)
    return visit


def forget_a_reminder_of_the_clinic(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.NOTIFICATION, "DELETE FROM reminders WHERE appointment_id = :id AND offset_minutes = 60", id=hex_id)
    return visit


def forget_a_visit_to_remind_of(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.NOTIFICATION, "DELETE FROM reminders WHERE appointment_id = :id", id=hex_id)
    victims.stores.execute(Service.NOTIFICATION, "DELETE FROM visits WHERE appointment_id = :id", id=hex_id)
    return visit


def remind_of_another_time(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.NOTIFICATION, "UPDATE visits SET status = 'missed' WHERE appointment_id = :id", id=hex_id)
    return visit


def delete_a_visit_of_the_history(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.PATIENT, "DELETE FROM visits WHERE appointment_id = :id", id=hex_id)
    return visit


def change_a_visit_of_the_history(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.PATIENT, "UPDATE visits SET status = 'completed' WHERE appointment_id = :id", id=hex_id)
    return visit


def invent_a_visit_of_the_history(victims: Victims) -> str:
    _, hex_id = victims.visit()
    from patient_svc.repository.tables import VISITS

    names = ", ".join(column.name for column in VISITS.c if column.name != "appointment_id")
    twin = uuid4()
    statement = f"INSERT INTO visits (appointment_id, {names}) SELECT :twin, {names} FROM visits WHERE appointment_id = :id"
    victims.stores.execute(Service.PATIENT, statement, id=hex_id, twin=twin.hex)
    return str(twin)


def delete_a_visit_of_the_reports(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.ADMIN, "DELETE FROM report_visits WHERE appointment_id = :id", id=hex_id)
    return visit


def change_the_status_of_a_visit_of_the_reports(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.ADMIN, "UPDATE report_visits SET status = 'missed' WHERE appointment_id = :id", id=hex_id)
    return visit


def change_the_channel_of_a_visit_of_the_reports(victims: Victims) -> str:
    visit, hex_id = victims.visit()
    victims.stores.execute(Service.ADMIN, "UPDATE report_visits SET channel = 'admin' WHERE appointment_id = :id", id=hex_id)
    return visit


def invent_a_visit_of_the_reports(victims: Victims) -> str:
    _, hex_id = victims.visit()
    from admin_svc.repository.tables import REPORT_VISITS

    names = ", ".join(column.name for column in REPORT_VISITS.c if column.name != "appointment_id")
    twin = uuid4()
    statement = f"INSERT INTO report_visits (appointment_id, {names}) SELECT :twin, {names} FROM report_visits WHERE appointment_id = :id"
    victims.stores.execute(Service.ADMIN, statement, id=hex_id, twin=twin.hex)
    return str(twin)


def lose_the_line_of_an_appointment_on_its_way(victims: Victims) -> str:
    visit, _ = victims.visit()
    event_id = _event_of(victims, visit, "audit.recorded.v1")
    victims.stores.execute(Service.ADMIN, "DELETE FROM inbox WHERE event_id = :id", id=UUID(event_id).hex)
    return event_id


def delete_the_profile_of_an_account(victims: Victims) -> str:
    patient = victims.patients.pop()
    victims.stores.execute(Service.PATIENT, "DELETE FROM patients WHERE id = :id", id=UUID(patient).hex)
    return patient


def delete_the_account_of_a_patient(victims: Victims) -> str:
    patient = victims.patients.pop()
    victims.stores.execute(Service.AUTH, "DELETE FROM accounts WHERE id = :id", id=UUID(patient).hex)
    return patient


def delete_the_account_of_a_doctor(victims: Victims) -> str:
    doctor = victims.doctors.pop()
    victims.stores.execute(Service.AUTH, "DELETE FROM accounts WHERE id = :id", id=UUID(doctor).hex)
    return doctor


def delete_the_profile_of_a_doctor(victims: Victims) -> str:
    doctor = victims.doctors.pop()
    victims.stores.execute(Service.DOCTOR, "DELETE FROM doctors WHERE id = :id", id=UUID(doctor).hex)
    return doctor


def change_a_line_of_the_audit_trail(victims: Victims) -> str:
    line = _line_to_change(victims, offset=3)
    victims.stores.execute(Service.ADMIN, "UPDATE audit_lines SET outcome = 'refused' WHERE id = :id AND outcome <> 'refused'", id=line)
    return str(UUID(line))


def delete_a_line_of_the_audit_trail(victims: Victims) -> str:
    """Delete a line. The fault names the line that comes after the gap."""
    line, follower = _line_to_change(victims, offset=8), _line_to_change(victims, offset=9)
    victims.stores.execute(Service.ADMIN, "DELETE FROM audit_lines WHERE id = :id", id=line)
    return str(UUID(follower))


def _line_to_change(victims: Victims, offset: int) -> str:
    """Return the id of a line, counted from the newest day's first. Triggers, which a user with all rights can drop, protect the lines."""
    if isinstance(victims.stores, SqlStores) and victims.stores.urls[Service.ADMIN].startswith("sqlite"):
        for name in victims.stores.execute(Service.ADMIN, "SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            victims.stores.execute_definition(Service.ADMIN, f"DROP TRIGGER {name[0]}")
    query = f"SELECT id FROM audit_lines WHERE outcome = 'done' ORDER BY day DESC, position LIMIT 1 OFFSET {offset}"
    return str(victims.stores.execute(Service.ADMIN, query)[0][0])


CORRUPTIONS: dict[str, tuple[str, Plant]] = {
    "a grain is missing": ("claim_lacks_time", drop_a_grain),
    "a grain belongs to no claim": ("grain_without_claim", add_a_grain_of_no_claim),
    "lane 0 is free": ("lane_0_is_free", raise_a_grain_to_lane_2),
    "a time is booked twice": ("double_booking", book_the_same_time_twice),
    "a claim ends later": ("claim_differs", shift_a_claim),
    "a claim is of another patient": ("claim_differs", change_the_patient_of_a_claim),
    "a claim is of another doctor": ("claim_differs", change_the_doctor_of_a_claim),
    "a claim is gone": ("appointment_without_claim", delete_a_claim),
    "a claim is released": ("appointment_without_claim", release_a_claim),
    "a claim has an unknown revision": ("claim_differs", raise_the_revision_of_a_claim),
    "an appointment is gone": ("claim_without_appointment", delete_an_appointment),
    "a cancelled appointment has time": ("claim_of_ended_appointment", cancel_in_the_document_only),
    "an appointment has another time": ("claim_differs", move_in_the_document_only),
    "the newest event is gone": ("event_missing", lose_the_newest_event),
    "pending events are miscounted": ("pending_events_miscounted", miscount_pending_events),
    "an event cannot be read": ("event_unreadable", spoil_an_event),
    "an event of an appointment is lost": ("event_lost", lose_an_event_on_its_way),
    "an event of a doctor is lost": ("event_lost", lose_an_event_of_a_doctor),
    "a group has too high a seat": ("group_overfull", overfill_a_group),
    "a seat is gone": ("seat_differs", take_a_seat_away),
    "a confirmation is gone": ("confirmation_missing", delete_a_confirmation),
    "a message is queued twice": ("message_twice", queue_a_message_twice),
    "a message is sent twice": ("message_sent_twice", send_a_message_twice),
    "a reminder is for another time": ("reminder_without_visit", shift_a_reminder),
    "a queued reminder has no message": ("reminder_without_message", lose_the_message_of_a_reminder),
    "a reminder is not planned": ("reminder_missing", forget_a_reminder),
    "a reminder of the clinic is not planned": ("reminder_missing", forget_a_reminder_of_the_clinic),
    "a visit is not reminded of": ("notified_visit_missing", forget_a_visit_to_remind_of),
    "a visit has another status for reminders": ("notified_visit_differs", remind_of_another_time),
    "a visit of the history is gone": ("visit_missing", delete_a_visit_of_the_history),
    "a visit of the history differs": ("visit_differs", change_a_visit_of_the_history),
    "a visit of the history is invented": ("visit_without_appointment", invent_a_visit_of_the_history),
    "a visit of the reports is gone": ("report_visit_missing", delete_a_visit_of_the_reports),
    "a visit of the reports has another status": ("report_visit_differs", change_the_status_of_a_visit_of_the_reports),
    "a visit of the reports has another channel": ("report_visit_differs", change_the_channel_of_a_visit_of_the_reports),
    "a visit of the reports is invented": ("report_visit_without_appointment", invent_a_visit_of_the_reports),
    "a line about an appointment is lost": ("event_lost", lose_the_line_of_an_appointment_on_its_way),
    "a line of the audit trail is changed": ("audit_line_changed", change_a_line_of_the_audit_trail),
    "a line of the audit trail is gone": ("audit_lines_missing", delete_a_line_of_the_audit_trail),
    "an account has no profile": ("account_without_patient", delete_the_profile_of_an_account),
    "a patient has no account": ("patient_without_account", delete_the_account_of_a_patient),
    "a doctor has no account": ("doctor_without_account", delete_the_account_of_a_doctor),
    "a doctor's account has no profile": ("account_without_doctor", delete_the_profile_of_a_doctor),
}
"""By name: the code of the fault that it must lead to, and what plants it."""
