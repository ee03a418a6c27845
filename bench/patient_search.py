"""Compares what the search for patients costs with many patients and with few: `.venv/bin/python -m bench.patient_search`.

Two databases of patient-service have 1,000 and 100,000 patients, in SQLite and, if `make servers` started it, in MariaDB. Each search asks
the use case, as the route does, for a page of 25 patients, with the lines of the access log. The words are those of the first 1,000
patients, whom both databases have; the others have other names, numbers and days, so that both find the same patients and what is compared
is the search. Half of all patients have one common word in their name, of whom both find as many as a search reads. Searches in both
databases take turns; the medians of each kind of search are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from bench.databases import create_mysql_database, create_sqlite_database, mysql_server
from patient_svc.domain.identifiers import Identifier
from patient_svc.domain.patients import Patient
from patient_svc.domain.search_keys import search_keys
from patient_svc.repository import SqlPatientStore
from patient_svc.repository.patients import patient_to_row
from patient_svc.repository.record_cipher import RecordKeyring
from patient_svc.repository.tables import PATIENTS, SEARCH_KEYS, VISITS
from patient_svc.usecases.search import PatientSearch
from shared.contracts.clinic import ClinicProfile
from shared.contracts.identity import Caller, Role
from shared.kit.cursors import PageRequest
from shared.kit.migrations import migrate
from shared.kit.sql import Database

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RECEPTION = Caller(UUID(int=1), Role.RECEPTION)
FEW, MANY, BATCH = 1_000, 100_000, 1_000
COMMON = "maria"
SYLLABLES = ("an", "be", "chri", "da", "el", "fa", "gre", "ha", "jo", "ka", "lu", "mi", "na", "ot", "pe", "ro", "sa", "ti", "ul", "vi")


class SilentAccounts:
    """Implements AccountDirectory: nobody has the address."""

    async def find_by_email(self, emails: Collection[str]) -> list[UUID] | None:
        """Return no accounts."""
        return []


def a_name(number: int, rng: random.Random) -> str:
    """Return a first name of 400 and a last name of 8,000; the first ones are the most common. Half of the patients have COMMON, too."""
    common = [int(len(SYLLABLES) * rng.random() ** 2) for _ in range(5)]
    names = ["".join(SYLLABLES[index] for index in part) for part in (common[:2], common[2:])]
    first, last = names if number < FEW else (f"x{name}" for name in names)
    return f"{first} {COMMON} {last}".title() if number % 2 else f"{first} {last}".title()


def a_patient(number: int, rng: random.Random) -> Patient:
    """Return a patient with all that can be searched. The first FEW are older than the others, and their phone numbers end with 1."""
    born_on = date(1930 if number < FEW else 1960, 1, 1) + timedelta(days=rng.randrange(10_000))
    identifiers = (Identifier("urn:oid:1.2.276.0.76.4.8", f"A{number:09}"),)
    phone = f"+49 30 {rng.randrange(10**6, 10**7)}{1 if number < FEW else rng.choice((0, 2, 3))}"
    return Patient(UUID(int=10**9 + number), a_name(number, rng), None, None, phone, born_on=born_on, identifiers=identifiers)


async def fill(database: Database, count: int) -> None:
    """Insert patients with their keys, and two visits of each. The first ones are the same for every count."""
    rng = random.Random(1)
    for start in range(0, count, BATCH):
        patients = [a_patient(number, rng) for number in range(start, start + BATCH)]
        keys = [{"kind": key.kind, "key": key.key, "patient_id": patient.id} for patient in patients for key in search_keys(patient)]
        async with database.write() as connection:
            await connection.execute(sa.insert(PATIENTS), [patient_to_row(patient) for patient in patients])
            await connection.execute(sa.insert(SEARCH_KEYS), keys)
            await connection.execute(sa.insert(VISITS), [row for patient in patients for row in visits_of(patient, rng)])


def visits_of(patient: Patient, rng: random.Random) -> list[dict[str, object]]:
    """Return two visits of a patient."""
    times = [NOW - timedelta(days=rng.randrange(700)) for _ in range(2)]
    people = {"patient_id": patient.id, "doctor_id": UUID(int=2), "service_id": UUID(int=3)}
    state = {"treats": True, "version": 1, "status": "completed"}
    ids = (UUID(int=patient.id.int * 2 + number) for number in range(2))
    return [people | state | {"appointment_id": id_, "starts_at": at, "ends_at": at} for id_, at in zip(ids, times, strict=True)]


KINDS: dict[str, Callable[[Patient], str]] = {
    "first name": lambda patient: patient.full_name.split()[0],
    "last name": lambda patient: patient.full_name.split()[-1],
    "whole name": lambda patient: patient.full_name,
    "name and part": lambda patient: f"{patient.full_name.split()[-1]} {patient.full_name[:3]}",
    "part of a name": lambda patient: patient.full_name[:3],
    "common word": lambda patient: COMMON,
    "phone": lambda patient: str(patient.phone),
    "trailing digits": lambda patient: str(patient.phone)[-8:],
    "four digits": lambda patient: str(patient.phone)[-4:],
    "day of birth": lambda patient: str(patient.born_on),
    "name and day": lambda patient: f"{patient.full_name.split()[0]} {patient.born_on}",
    "identifier": lambda patient: patient.identifiers[0].value,
}


def searched_patients(rounds: int) -> list[Patient]:
    """Return some patients whom every database has."""
    rng = random.Random(1)
    return random.Random(2).sample([a_patient(number, rng) for number in range(FEW)], rounds)


async def open_search(stack: AsyncExitStack, url: str, count: int) -> PatientSearch:
    """Return the search of a new database with `count` patients."""
    migrate("patient_svc", url)
    database = await stack.enter_async_context(Database(url))
    await fill(database, count)
    keyring = RecordKeyring({"bench": bytes(range(32))})
    store = SqlPatientStore(database, lambda: NOW, wake_relay=lambda: None, keyring=keyring)
    return PatientSearch(store, SilentAccounts(), lambda: NOW, ClinicProfile)


async def compare(few: PatientSearch, many: PatientSearch, texts: list[str]) -> dict[int, float]:
    """Return the median of the milliseconds that the searches for some texts take in both databases."""
    times: dict[int, list[float]] = {FEW: [], MANY: []}
    for text in texts:
        shown = dict[int, int]()
        for count, search in ((FEW, few), (MANY, many)):
            began = time.perf_counter()
            found = await search.find(text, RECEPTION, PageRequest())
            times[count].append((time.perf_counter() - began) * 1000)
            shown[count] = len(found.items)
        assert shown[FEW] == shown[MANY] > 0, text
    return {count: statistics.median(values) for count, values in times.items()}


async def main(rounds: int) -> None:
    """Measure on every server that there is."""
    servers = {"SQLite": create_sqlite_database} | ({"MariaDB": create_mysql_database} if mysql_server() else {})
    for name, create_database in servers.items():
        async with AsyncExitStack() as stack:
            print(name)
            few, many = [await open_search(stack, await stack.enter_async_context(create_database()), count) for count in (FEW, MANY)]
            patients = searched_patients(rounds)
            for kind, form in KINDS.items():
                medians = await compare(few, many, [form(patient) for patient in patients])
                ratio = medians[MANY] / medians[FEW]
                print(f"  {kind:18} {FEW:,}: {medians[FEW]:6.2f} ms, {MANY:,}: {medians[MANY]:6.2f} ms, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="patients whose data are searched, each in all ways")
    asyncio.run(main(parser.parse_args().rounds))
