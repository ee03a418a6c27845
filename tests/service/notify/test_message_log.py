"""The log of messages: who may read it, what it shows, and its filters and pages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from notify_svc.domain.messages import MessageStatus
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.domain.problems import PROBLEMS
from notify_svc.ports import DeliveryUnknown, MailDeferred, MailRefused
from notify_svc.ports.message_log import MessageFilter
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.message_log import finished_messages, matching_messages
from notify_svc.repository.tables import MESSAGES, VISITS
from notify_svc.usecases.message_log import MessageRetention
from shared.contracts.events import PasswordChanged
from shared.contracts.identity import Role
from shared.kit.batch_deletion import BATCH_SIZE
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON, RunningService
from tests.service.notify.fake_services import EMAILS, FakeContactServices, MemoryMailbox
from tests.tokens import bearer, service_bearer
from tests.unit.notify.builders import APPOINTMENT, DOCTOR, PATIENT, an_event, message_for

ADMIN, RECEPTION = bearer(Role.ADMIN), bearer(Role.RECEPTION)
A_MESSAGE = "/admin/messages/01a206b9-ffc9-726c-b520-6c5fbdafecf3"


async def list_messages(service: RunningService, **params: Any) -> list[dict[str, Any]]:
    """Return the messages on one page, as an admin lists them."""
    response = await service.http.get("/admin/messages", params=params, headers=ADMIN)
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/admin/messages", {Role.ADMIN, Role.RECEPTION}),
        ("GET", A_MESSAGE, {Role.ADMIN, Role.RECEPTION}),
        ("POST", f"{A_MESSAGE}/resend", {Role.ADMIN, Role.RECEPTION}),
        ("GET", "/patients/me/messages", {Role.PATIENT}),
    ],
)
async def test_staff_read_all_messages_and_patients_their_own(notify: RunningService, method: str, path: str, allowed: set[Role]) -> None:
    for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION, Role.ADMIN):
        response = await notify.http.request(method, path, headers=bearer(role))
        assert (response.status_code == 403) == (role not in allowed), (role, response.text)
    assert (await notify.http.request(method, path)).status_code == 401
    assert (await notify.http.request(method, path, headers=service_bearer("patient-service"))).status_code == 403


async def test_a_message_is_shown_without_its_text_and_without_names_and_addresses(notify: RunningService) -> None:
    await notify.publish_event(an_event())
    response = await notify.http.get("/admin/messages", headers=RECEPTION)
    assert response.headers["cache-control"] == "no-store"
    doctors, patients = sorted(response.json()["items"], key=lambda item: str(item["audience"]))
    assert patients | {"id": None} == {
        "id": None,
        "kind": "booked",
        "audience": "patient",
        "recipient_id": str(PATIENT),
        "appointment_id": str(APPOINTMENT),
        "status": "sent",
        "problem": None,
        "problem_detail": None,
        "attempts": 1,
        "created_at": "2026-03-02T12:00:00Z",
        "due_at": "2026-03-02T12:00:00Z",
        "sent_at": "2026-03-02T12:00:00Z",
        "resent_from": None,
        "resent_by": None,
        "resent_at": None,
    }
    assert doctors["recipient_id"] == str(DOCTOR)
    details = await notify.http.get(f"/admin/messages/{patients['id']}", headers=RECEPTION)
    for shown in (response.text, details.text):
        assert not [word for word in ("Person", "example.com", *EMAILS.values()) if word in shown]


async def test_the_attempts_of_a_message_are_shown_with_time_and_reason(notify: RunningService, mailbox: MemoryMailbox) -> None:
    mailbox.errors = [MailDeferred("451 4.3.0"), MailRefused("550 5.1.1")]
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    notify.clock.advance(timedelta(seconds=5))
    await notify.run_until_idle()
    (item,) = await list_messages(notify)
    message = (await notify.http.get(f"/admin/messages/{item['id']}", headers=ADMIN)).json()
    assert message.items() >= item.items()
    assert message["attempt_log"] == [
        {"at": "2026-03-02T12:00:00Z", "status": "queued", "problem": "deferred", "problem_detail": "451 4.3.0"},
        {"at": "2026-03-02T12:00:05Z", "status": "failed", "problem": "refused", "problem_detail": "550 5.1.1"},
    ]
    assert (message["status"], message["problem"], message["attempts"], message["appointment_id"]) == ("failed", "refused", 2, None)


async def test_the_message_id_that_is_shown_is_that_of_the_mail(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    (item,) = await list_messages(notify)
    message = (await notify.http.get(f"/admin/messages/{item['id']}", headers=ADMIN)).json()
    assert message["internet_message_id"] == mailbox.mails[0]["Message-ID"]


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (MailRefused("550 5.1.1"), ("refused", "550 5.1.1")),
        (MailDeferred("421"), ("deferred", "421")),
        (DeliveryUnknown("SMTPServerDisconnected"), ("connection_lost", "SMTPServerDisconnected")),
        (KeyError("mina@example.com"), ("unexpected", "KeyError")),
        (None, ("service_unavailable", None)),
    ],
)
async def test_every_problem_is_a_documented_code(
    notify: RunningService, mailbox: MemoryMailbox, services: FakeContactServices, error: Exception | None, problem: tuple[str, str | None]
) -> None:
    if error is None:
        services.disconnect()
    else:
        mailbox.errors = [error]
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    (item,) = await list_messages(notify)
    assert (item["problem"], item["problem_detail"]) == problem
    assert item["problem"] in PROBLEMS


async def test_an_unknown_message_does_not_exist(notify: RunningService) -> None:
    for method, path in (("GET", A_MESSAGE), ("POST", f"{A_MESSAGE}/resend")):
        response = await notify.http.request(method, path, headers=ADMIN)
        assert (response.status_code, response.json()["code"]) == (404, "no_such_message")


async def test_filters_restrict_the_list_and_all_must_match(notify: RunningService, mailbox: MemoryMailbox) -> None:
    mailbox.errors = [MailRefused("550")]
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    notify.clock.advance(timedelta(hours=1))
    await notify.publish_event(an_event())
    notify.clock.advance(timedelta(hours=1))
    await notify.publish_event(an_event("appointment.cancelled.v1", id=new_id(), version=3))
    for params, count in (
        ({}, 5),
        ({"status": "failed"}, 1),
        ({"status": ["failed", "sent"]}, 5),
        ({"status": "queued"}, 0),
        ({"kind": "booked"}, 2),
        ({"kind": ["booked", "password_changed"]}, 3),
        ({"recipient_id": str(DOCTOR)}, 2),
        ({"appointment_id": str(APPOINTMENT)}, 4),
        ({"appointment_id": str(PATIENT)}, 0),
        ({"appointment_id": str(APPOINTMENT), "recipient_id": str(PATIENT), "kind": "cancelled", "status": "sent"}, 1),
        ({"from": "2026-03-02T13:00:00Z"}, 4),
        ({"to": "2026-03-02T13:00:00Z"}, 1),
        ({"from": "2026-03-02T13:00:00+00:00", "to": "2026-03-02T14:00:00Z"}, 2),
    ):
        assert len(await list_messages(notify, **params)) == count, params


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"status": "gone"}, "validation_failed"),
        ({"kind": "teleported"}, "validation_failed"),
        ({"kind": ["booked"] * 31}, "validation_failed"),
        ({"recipient_id": "mina@example.com"}, "validation_failed"),
        ({"from": "2026-03-02T13:00:00"}, "offset_required"),
        ({"from": "2026-03-02T13:00:00Z", "to": "2026-03-02T13:00:00Z"}, "range_reversed"),
        ({"limit": "101"}, "validation_failed"),
        ({"address": "x"}, "unknown_parameter"),
        ({"after": "W10"}, "bad_cursor"),
        ({"after": "WyJ4IiwgIjEiXQ"}, "bad_cursor"),
        ({"after": "WyIyMDI2LTAzLTAyVDEyOjAwOjAwKzAwOjAwIiwgIjk5OTk5OTk5OTk5OTk5OTk5OTk5OSJd"}, "bad_cursor"),
        ({"after": "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjAwIiwgIjEiXQ"}, "bad_cursor"),
    ],
)
async def test_a_hostile_query_is_refused(notify: RunningService, params: dict[str, Any], code: str) -> None:
    response = await notify.http.get("/admin/messages", params=params, headers=ADMIN)
    assert (response.status_code, response.json()["code"]) == (422, code)


async def test_pages_have_no_repeats_and_no_gaps_while_messages_are_added(notify: RunningService) -> None:
    for _ in range(4):
        await notify.publish_event(an_event(id=new_id(), appointment_id=new_id()))
    before = {item["id"] for item in await list_messages(notify)}
    seen, path = list[str](), "/admin/messages?limit=3"
    while path:
        response = await notify.http.get(path, headers=ADMIN)
        seen += [item["id"] for item in response.json()["items"]]
        path = response.links.get("next", {}).get("url", "")
        notify.clock.advance(timedelta(seconds=1))
        await notify.publish_event(an_event(id=new_id(), appointment_id=new_id()))
    assert len(seen) == len(set(seen)) == 8
    assert set(seen) == before
    instants = [item["created_at"] for item in await list_messages(notify)]
    assert instants == sorted(instants, reverse=True)


async def test_patients_see_what_they_were_sent_and_nothing_else(notify: RunningService, mailbox: MemoryMailbox) -> None:
    mailbox.errors = [MailRefused("550"), DeliveryUnknown("x"), MailDeferred("451"), MailDeferred("451")]
    for _ in range(2):
        await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
        notify.clock.advance(timedelta(minutes=1))
    notify.clock.advance(-timedelta(minutes=1))
    await notify.publish_event(an_event())
    headers = bearer(Role.PATIENT, PATIENT)
    items = (await notify.http.get("/patients/me/messages", headers=headers)).json()["items"]
    assert [(item["kind"], item["status"], item["sent_at"]) for item in items] == [
        ("password_changed", "unknown", None),
        ("password_changed", "failed", None),
    ], "the confirmation is still waiting"
    notify.clock.advance(timedelta(minutes=1))
    await notify.run_until_idle()
    items = (await notify.http.get("/patients/me/messages", headers=headers)).json()["items"]
    assert items[0] | {"id": None} == {
        "id": None,
        "kind": "booked",
        "appointment_id": str(APPOINTMENT),
        "status": "sent",
        "created_at": "2026-03-02T12:01:00Z",
        "sent_at": "2026-03-02T12:02:00Z",
    }
    assert (await notify.http.get("/patients/me/messages", headers=bearer(Role.PATIENT))).json()["items"] == []
    page = await notify.http.get("/patients/me/messages", params={"limit": 2}, headers=headers)
    rest = await notify.http.get(page.links["next"]["url"], headers=headers)
    assert page.json()["items"] + rest.json()["items"] == items


async def test_a_message_of_a_kind_that_a_newer_release_added_is_listed_and_not_sent_again(notify: RunningService, tmp_path: Path) -> None:
    await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db") as database, database.write() as connection:
        await connection.execute(update(MESSAGES).values(kind="teleported"))
    (item,) = await list_messages(notify)
    assert item["kind"] == "teleported"
    own = (await notify.http.get("/patients/me/messages", headers=bearer(Role.PATIENT, PATIENT))).json()["items"]
    assert [message["kind"] for message in own] == ["teleported"]
    response = await notify.http.post(f"/admin/messages/{item['id']}/resend", headers=ADMIN)
    assert (response.status_code, response.json()["code"]) == (409, "message_unreadable")


@pytest.mark.parametrize(
    ("wanted", "indexes"),
    [
        (MessageFilter(), {"messages_created"}),
        (MessageFilter(created_from=NOON, created_to=NOON + timedelta(seconds=20)), {"messages_created"}),
        (MessageFilter(statuses=(MessageStatus.FAILED,)), {"messages_by_status"}),
        (MessageFilter(kinds=(MessageKind.RESET,)), {"messages_by_kind"}),
        (MessageFilter(recipient_id=UUID(int=7)), {"messages_by_recipient"}),
        (MessageFilter((MessageStatus.SENT, MessageStatus.UNKNOWN), recipient_id=UUID(int=7)), {"messages_by_recipient"}),
        (MessageFilter(appointment_id=UUID(int=9)), {"messages_about"}),
        (MessageFilter(appointment_id=UUID(int=9), recipient_id=UUID(int=7)), {"messages_about", "messages_by_recipient"}),
    ],
    ids=lambda value: "+".join(sorted(value)) if isinstance(value, set) else None,
)
async def test_no_filter_scans_the_table(sql_url: str, wanted: MessageFilter, indexes: set[str]) -> None:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, 1500)
        for after in (None, ((NOON + timedelta(seconds=900)).isoformat(), "900")):
            plan = await explain(database, matching_messages(wanted, 26, after))
            assert any(name in plan for name in indexes), plan
            assert "SCAN messages USING INDEX" in plan or "SCAN" not in plan, plan
            if wanted.appointment_id is None and wanted.recipient_id is None:  # of which there are few
                assert "filesort" not in plan, plan
                assert "TEMP B-TREE" not in plan, plan


async def test_old_messages_are_found_by_an_index(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, 1500)
        assert "messages_created" in await explain(database, finished_messages(NOON + timedelta(seconds=30), 10))


async def fill(database: Database, count: int) -> None:
    """Insert messages: one in a hundred failed, one in a hundred is a reset; each has a recipient and an appointment of its own."""
    rows = []
    for number in range(1, count + 1):
        message = message_for(an_event(id=new_id()), MessageKind.BOOKED, Audience.PATIENT)
        facts = {"kind": "reset" if number % 100 == 1 else "booked", "status": "failed" if number % 100 == 2 else "sent"}
        ids = {"id": new_id(), "recipient_id": UUID(int=number), "subject_id": UUID(int=number), "event_id": message.event_id}
        instant = NOON + timedelta(seconds=number)
        rows.append(facts | ids | {"audience": "patient", "version": 1, "facts": {}, "created_at": instant, "due_at": instant,
                                   "attempts": 1, "handed_over": True, "attempt_log": []})  # fmt: skip
    async with database.write() as connection:
        await connection.execute(MESSAGES.insert(), rows)
    async with database.write() as connection:
        await connection.execute(text("ANALYZE" if database.is_sqlite else "ANALYZE TABLE messages"))


async def explain(database: Database, query: Any) -> str:
    """Return how the database executes a query."""
    statement = query.compile(compile_kwargs={"literal_binds": True}, dialect=database._reader.dialect)
    async with database.read() as connection:
        keyword = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        return str((await connection.execute(text(f"{keyword} {statement}".replace(":", r"\:")))).all())


async def test_old_messages_are_deleted_in_batches_and_those_not_finished_stay(sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, BATCH_SIZE + 20)
        async with database.write() as connection:
            await connection.execute(update(MESSAGES).where(MESSAGES.c.seq == 1).values(status="queued"))
            await connection.execute(update(MESSAGES).where(MESSAGES.c.seq == 2).values(status="sending"))
        last = NOON + timedelta(days=400, seconds=BATCH_SIZE + 10)
        store = SqlNotificationStore(database, lambda: last)
        assert await MessageRetention(store, lambda: 400, lambda: last).delete_old() == BATCH_SIZE + 7
        async with database.read() as connection:
            left = list((await connection.execute(MESSAGES.select().order_by(MESSAGES.c.seq))).all())
        assert [row.status for row in left[:2]] == ["queued", "sending"]
        assert [row.seq for row in left[2:]] == list(range(BATCH_SIZE + 10, BATCH_SIZE + 21))


async def test_the_service_deletes_messages_after_400_days(notify: RunningService) -> None:
    await notify.publish_event(an_event())
    notify.clock.advance(timedelta(days=399))
    await notify.run_until_idle()
    assert len(await list_messages(notify)) == 2
    notify.clock.advance(timedelta(days=2))
    await notify.run_until_idle()
    assert await list_messages(notify) == []


async def test_the_service_deletes_visits_400_days_after_their_end(notify: RunningService, tmp_path: Path) -> None:
    await notify.publish_event(an_event())
    url, ends_at = f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db", an_event().ends_at
    for days, stored in ((399, 1), (401, 0)):
        notify.clock.set(ends_at + timedelta(days=days))
        await notify.run_until_idle()
        async with Database(url) as database, database.read() as connection:
            assert len((await connection.execute(VISITS.select())).all()) == stored
