"""No word of a medical history is readable anywhere but in the answers to those who may read it."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

import pymongo

from tests.conftest import mysql_cursor
from tests.platform.accounts import (
    User,
    book,
    create_doctor,
    create_service_type,
    list_slots,
    register_patient,
    sign_in_admin,
    wait_for_mails,
)
from tests.platform.houses import Distributed, Embedded, Platform

NUMBERS = count(1)
RARE_CODE, RARE_DATE = "918273645546372819", "1931-07-19"
"""A code and a date that appear nowhere else."""


def canary() -> str:
    """Return a word that appears nowhere else."""
    return f"zyxcanary{next(NUMBERS):02}q{uuid4().hex[:8]}"


class Canaries:
    """Words of which each was written once, and the code and the date of every entry."""

    def __init__(self) -> None:
        self.words = [RARE_CODE, RARE_DATE]

    def __call__(self) -> str:
        self.words.append(canary())
        return self.words[-1]

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Yield each word in every form in which it might be stored: plain, in hexadecimal digits, and in Base64 at any position."""
        for word in self.words:
            text = word.encode()
            yield word, text
            yield word, text.hex().encode()
            for padding in range(3):
                encoded = base64.b64encode(b" " * padding + text)
                yield word, encoded[4 if padding else 0 : len(encoded) // 4 * 4 - 4]


def stored_bytes(platform: Platform) -> Iterator[tuple[str, bytes]]:
    """Yield everything that a platform has stored or logged, with the name of its place."""
    if isinstance(platform, Embedded):
        for path in [*platform.data.rglob("*"), platform.log]:
            if path.is_file():
                yield path.name, path.read_bytes()
    elif isinstance(platform, Distributed):
        for path in platform.folder.rglob("*.log"):
            yield path.name, path.read_bytes()
        yield from sql_rows(platform)
        yield from mongo_documents(platform)


def sql_rows(platform: Distributed) -> Iterator[tuple[str, bytes]]:
    """Yield every row of every table of a platform on MariaDB."""
    with mysql_cursor(platform.mysql) as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE %s", [f"%\\_{platform.name}"]
        )
        for schema, table in cursor.fetchall():
            cursor.execute(f"SELECT * FROM `{schema}`.`{table}`")
            for row in cursor.fetchall():
                yield f"{schema}.{table}", b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in row)


def mongo_documents(platform: Distributed) -> Iterator[tuple[str, bytes]]:
    """Yield every document of appointment-service."""
    with pymongo.MongoClient[dict[str, Any]](platform.mongo) as client:
        database = client[f"appointment_{platform.name}"]
        for name in database.list_collection_names():
            for document in database[name].find():
                yield name, repr(document).encode()


def fill_history(word: Canaries, patient: User, doctor: User, admin: User) -> list[str]:
    """Write words into every field, with corrections, retractions and refusals; return the ids of the entries."""
    path, entries = f"/patients/{patient.id}/medical-history", list[str]()
    for kind, fields in (
        ("condition", {}),
        ("allergy", {"severity": "severe"}),
        ("medication", {"dose": word()}),
        ("procedure", {}),
        ("note", {}),
    ):
        code = {"system": "http://snomed.info/sct", "code": RARE_CODE}
        body = {"kind": kind, "title": word(), "details": word(), "onset_on": RARE_DATE, "code": code, **fields}
        for _ in range(2):
            entry = patient.request("POST", path, body, status=201, key=f"add-{kind}")
        entries.append(entry["id"])
    doctor.request("PATCH", f"{path}/{entries[2]}", {"title": word(), "details": word(), "dose": word()}, if_match=1)
    patient.request("POST", f"{path}/{entries[3]}/retract", {"reason": word()}, key="retract")
    admin.request("POST", f"/patients/{patient.id}/break-glass", {"reason": word()}, status=201, key="open")
    for user in (patient, doctor, admin):
        user.request("GET", path)
    doctor.request("GET", f"/patients/{patient.id}/summary")
    return entries


def refused_texts(word: Canaries, patient: User, other: User) -> Iterator[str]:
    """Yield the answers to requests that are refused although, or because, they contain words."""
    path = f"/patients/{patient.id}/medical-history"
    for body in (
        {"kind": word(), "title": word()},
        {"kind": "note", "title": word() * 20},
        {"kind": "note", "title": word(), "onset_on": word()},
        {"kind": "note", "title": word(), "dose": word()},
        {"kind": "condition", "title": word(), "code": {"system": word(), "code": word()}},
        {"kind": "condition", "title": word(), "code": {"system": "http://www.whocc.no/atc", "code": RARE_CODE}},
    ):
        yield str(patient.request("POST", path, body, status=422, key=f"refused-{uuid4()}"))
    yield str(other.request("POST", path, {"kind": "note", "title": word()}, status=404, key="refused"))
    yield str(other.request("GET", path, status=404))


def change_patient_database(platform: Platform, *statements: str) -> None:
    """Execute statements in the database of patient-service, past the service."""
    if isinstance(platform, Embedded):
        with closing(sqlite3.connect(platform.data / "patient.db", timeout=30)) as connection:
            for statement in statements:
                connection.execute(statement)
    elif isinstance(platform, Distributed):
        with mysql_cursor(platform.mysql) as cursor:
            for statement in (f"USE `patient_{platform.name}`", *statements):
                cursor.execute(statement)


@contextmanager
def failing_inserts(platform: Platform, *tables: str) -> Iterator[None]:
    """Make the database of patient-service fail at every insert into these tables, with an error that names the statement."""
    body = "FOR EACH ROW BEGIN INSERT INTO missing_table VALUES (1); END"
    change_patient_database(platform, *(f"CREATE TRIGGER broken_{table} BEFORE INSERT ON {table} {body}" for table in tables))
    try:
        yield
    finally:
        change_patient_database(platform, *(f"DROP TRIGGER broken_{table}" for table in tables))


def write_without_success(word: Canaries, patient: User, doctor: User, admin: User, entry_id: str) -> Iterator[str]:
    """Yield the answers to requests that contain words, while the database fails at every insert that belongs to them."""
    path, tables = f"/patients/{patient.id}/medical-history", ("medical_entries", "medical_versions", "break_glass")
    with failing_inserts(patient.platform, *tables):
        yield str(patient.request("POST", path, {"kind": "note", "title": word(), "details": word()}, status=500, key="failing"))
        yield str(doctor.request("PATCH", f"{path}/{entry_id}", {"title": word()}, if_match=2, status=500))
        yield str(admin.request("POST", f"/patients/{patient.id}/break-glass", {"reason": word()}, status=500, key="failing"))


def test_nothing_of_a_medical_history_is_readable_in_any_store_log_event_mail_or_error(platform: Platform) -> None:
    admin = sign_in_admin(platform)
    service = create_service_type(admin)
    doctor, patient, other = create_doctor(admin, service), register_patient(platform, "Zoe Canary"), register_patient(platform)
    book(patient, service, doctor, list_slots(patient, service, doctor.id)[0]["starts_at"])
    word = Canaries()
    entries = fill_history(word, patient, doctor, admin)
    refusals = [*refused_texts(word, patient, other), *write_without_success(word, patient, doctor, admin, entries[2])]
    mails = wait_for_mails(platform, patient.account["email"], 2)
    platform.run_until_idle()

    stored = list(stored_bytes(platform))
    for known in ("Zoe Canary", entries[0].replace("-", ""), "unhandled_exception"):
        assert any(known.encode() in content for _, content in stored), "the search does not find what is there"
    places = [*stored, *(("mail", str(mail).encode()) for mail in mails), *(("refusal", text.encode()) for text in refusals)]
    readable = {(word, place) for word, form in word.forms() for place, content in places if form in content}
    assert not readable
