"""What a failing database makes the log say has no names, phone numbers, search words, addresses or reasons of visits."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
import sqlalchemy as sa
from pymongo.errors import DuplicateKeyError
from pymysql.err import DataError
from sqlalchemy.exc import IntegrityError

from notify_svc.ports import MailRefused
from shared.contracts.identity import Role
from shared.kit.error_texts import describe_error, format_error
from shared.kit.logs import JsonLineHandler, log
from shared.kit.sql import Database
from tests.contract.sql import NUMBERS, open_database
from tests.running import RunningService, run_service
from tests.service.appointment.clinic import a_clinic
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox
from tests.service.patient.running_patient import SAM, SAMS_TOKEN, run_patient_service
from tests.tokens import bearer
from tests.unit.notify.builders import an_event

CANARY = "zyxcanary"
ADMIN = bearer(Role.ADMIN, SAM)


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """The lines that are logged, also by libraries; the handlers are restored afterwards."""
    stream = io.StringIO()
    before = log.handlers, log.propagate, log.level
    handler = JsonLineHandler(stream)
    log.handlers, log.propagate = [handler], False
    logging.root.addHandler(handler)
    yield stream
    logging.root.removeHandler(handler)
    log.handlers, log.propagate, _ = before
    log.setLevel(before[2])


def break_table(table: str, change: str) -> str:
    """Return the statement that makes a change of a table fail: "INSERT", "UPDATE" or "UPDATE OF column"."""
    name = f"broken_{table}_{change[:6]}"
    return f"CREATE TRIGGER {name} BEFORE {change} ON {table} FOR EACH ROW BEGIN INSERT INTO missing_table VALUES (1); END"


async def change_schema(url: str, *statements: str) -> None:
    async with Database(url) as database, database.write() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


def check_lines(output: io.StringIO, *events: str) -> None:
    """Check that the events were logged with an exception each, and that no line has a canary or the parameters of a statement.

    SQLAlchemy shortens long parameters, such as the document of an appointment, so that a canary in them might be missed.
    """
    lines = output.getvalue().splitlines()
    assert [line for line in lines if "[parameters: " in line] == []
    assert {line["message"] for line in map(json.loads, lines) if "missing_table" in str(line) or "search_keys" in str(line)} >= set(events)
    assert [line for line in lines if CANARY in line.lower() or "4930555" in line] == []


async def test_no_name_and_no_search_word_is_logged_by_patient_service(tmp_path: Path, sql_url: str, output: io.StringIO) -> None:
    async with run_patient_service(tmp_path, database_url=sql_url) as patients:
        body = {"full_name": f"{CANARY} Lee", "phone": "+49 30 555", "identifiers": [{"system": "urn:number", "value": CANARY}]}
        await change_schema(sql_url, break_table("identifiers", "INSERT"))
        await expect_500(patients, "POST", "/patients", body)
        await change_schema(sql_url, break_table("patients", "INSERT"), break_table("patients", "UPDATE"))
        await expect_500(patients, "POST", "/patients", body)
        changed = await patients.http.patch("/patients/me", json={"phone": "+49 30 555"}, headers=SAMS_TOKEN | {"If-Match": "*"})
        assert changed.status_code == 500
        await change_schema(sql_url, "DROP TABLE search_keys")
        await expect_500(patients, "GET", f"/patients?q={CANARY}", None)
    check_lines(output, "unhandled_exception")


async def expect_500(service: RunningService, method: str, path: str, body: Any) -> None:
    response = await service.http.request(method, path, json=body, headers=ADMIN)
    assert (response.status_code, CANARY in response.text) == (500, False)


async def test_no_reason_of_a_visit_is_logged_by_appointment_service(tmp_path: Path, output: io.StringIO) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'appointment_svc.db'}"
    async with a_clinic(tmp_path, database_url=url) as clinic:
        booked = await clinic.booked()
        clinic.service.http.event_hooks["response"].clear()  # no route documents a 500
        for change in ("INSERT", "UPDATE"):
            await change_schema(url, break_table("appointments", change))
        assert (await clinic.book(reason=CANARY, intake={CANARY: CANARY})).status_code == 500
        amended = await clinic.service.http.patch(
            f"/appointments/{booked['id']}", json={"reason": CANARY}, headers=ADMIN | {"If-Match": "*"}
        )
        assert amended.status_code == 500
        assert (await clinic.do(booked, "cancel", ADMIN, reason=CANARY)).status_code == 500
    check_lines(output, "unhandled_exception")


async def test_no_address_is_logged_by_notification_service(tmp_path: Path, output: io.StringIO) -> None:
    mailbox = MemoryMailbox()
    mailbox.errors = [MailRefused(f"550 <{CANARY}@example.com> is unknown")] * 4
    async with run_service("notify_svc", tmp_path, FakeContactServices(), mailbox=mailbox, mail_url="file:unused") as service:
        await change_schema(f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db", break_table("messages", "UPDATE OF problem"))
        await service.publish_event(an_event())
    assert "missing_table" in output.getvalue()
    check_lines(output)


@pytest.mark.needs_servers("MONGO")
def test_no_document_of_a_mongodb_error_is_described(mongo_url: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        names = client.get_default_database()["names"]
        names.create_index("name", unique=True)
        names.insert_one({"name": CANARY})
        with pytest.raises(DuplicateKeyError) as raised:
            names.insert_one({"name": CANARY})
        client.drop_database(client.get_default_database().name)
    assert describe_error(raised.value) == "DuplicateKeyError: 11000"
    assert CANARY not in format_error(raised.value)


async def test_the_error_of_a_statement_names_its_number_and_the_statement_without_values(sql_url: str) -> None:
    async with open_database(sql_url) as database:
        insert = sa.insert(NUMBERS).values(name=CANARY, value=1)
        async with database.write() as connection:
            await connection.execute(insert)
            with pytest.raises(IntegrityError) as raised:
                await connection.execute(insert)
    text = format_error(raised.value)
    assert CANARY not in text
    assert "INSERT INTO numbers" in text
    assert ("1062" in text) is not database.is_sqlite


@pytest.mark.parametrize(
    ("error", "description"),
    [
        (ValueError(CANARY), "ValueError"),
        (KeyError(CANARY), "KeyError"),
        (DataError(1366, f"Incorrect string value: '{CANARY}'"), "DataError: 1366"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (AttributeError("'NoneType' object has no attribute 'id'"), "AttributeError: 'NoneType' object has no attribute 'id'"),
    ],
    ids=["value", "key", "mysql", "system", "program"],
)
def test_an_error_is_described_without_content(error: Exception, description: str) -> None:
    assert describe_error(error) == description


def test_a_traceback_has_every_error_that_led_to_it_without_the_texts() -> None:
    try:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise ExceptionGroup(CANARY, [KeyError(CANARY), OSError(5, "Input/output error")]) from error
    except ExceptionGroup as group:
        text = format_error(group)
    assert CANARY not in text.replace("(CANARY", "")
    positions = [text.rindex(words) for words in ("ValueError\n", "direct cause", "ExceptionGroup of 2", "  | KeyError", "  | OSError")]
    assert positions == sorted(positions)
