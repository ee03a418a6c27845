"""Answers that are kept for Idempotency-Keys are not readable in the database, and come back as they were sent."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pymongo
import pytest
from cryptography.exceptions import InvalidTag

from appointment_svc.migrations import migrate
from shared.kit.ids import new_id
from shared.kit.sealed_answers import open_body, seal_body
from tests.service.appointment.clinic import ANNA, DESK, RunningClinic, a_clinic

KEYED = {"Idempotency-Key": "k"}
RASH, SUNDAY, ILL = "a rash on the arm", "since Sunday", "ill at home"


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def clinic_and_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[RunningClinic, str]]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'answers.db'}" if request.param == "sqlite" else request.getfixturevalue("mongo_url")
    migrate(url)
    async with a_clinic(tmp_path, database_url=url) as clinic:
        yield clinic, url


def stored_answers(url: str) -> list[bytes]:
    """Return the bodies of all stored answers."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.partition("///")[2])) as connection:
            return [body for (body,) in connection.execute("SELECT body FROM answers WHERE body IS NOT NULL")]
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        return [bytes(answer["body"]) for answer in client.get_default_database()["answers"].find({"status": {"$ne": None}})]


async def test_stored_answers_hold_no_reason_and_no_intake_in_plain_text(clinic_and_url: tuple[RunningClinic, str]) -> None:
    clinic, url = clinic_and_url
    body = {"reason": RASH, "intake": {"Since": SUNDAY}}
    booked, again = await clinic.book(ANNA | KEYED, **body), await clinic.book(ANNA | KEYED, **body)
    assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (201, booked.content, "true")
    cancelled, repeated = [await clinic.do(booked.json(), "cancel", DESK | KEYED, reason=ILL) for _ in range(2)]
    assert (repeated.status_code, repeated.content) == (200, cancelled.content)
    assert RASH in booked.text
    assert ILL in cancelled.text
    answers = stored_answers(url)
    assert len(answers) == 2
    assert [text for text in (RASH, SUNDAY, ILL) if any(text.encode() in answer for answer in answers)] == []
    patient_id = booked.json()["patient_id"].encode()
    assert all(patient_id in answer for answer in answers), "erasing a patient finds the answers that name the patient"


def test_an_answer_that_an_earlier_release_stored_is_read_as_it_is() -> None:
    assert open_body(b'{"id":"1"}', new_id(), "k") == b'{"id":"1"}'


def test_an_answer_is_encrypted_for_its_key_and_its_row() -> None:
    key_id, body = new_id(), b'{"reason":"a rash","id":"01a206b9-ffc9-726c-b520-6c5fbdafecf3"}'
    stored = seal_body(body, key_id, "k")
    assert open_body(stored, key_id, "k") == body
    assert stored.startswith(b"careslot-sealed-1 01a206b9-ffc9-726c-b520-6c5fbdafecf3\n")
    for other_id, other_key in ((key_id, "l"), (UUID(int=1), "k")):
        with pytest.raises(InvalidTag):
            open_body(stored, other_id, other_key)
