"""The auditor on a clinic in which everything legal has happened, and on one with planted corruption, in both ways of running."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from careslot.auditor.checks.inboxes import consumers_of
from careslot.auditor.command import audit, result_document
from careslot.auditor.stores import BUS_FILE, SERVICES_WITH_STORE, open_stores
from careslot.backup.erasure_list import QUEUE
from careslot.folder import Folder
from shared.contracts.events import TOPICS
from shared.contracts.identity import Service
from tests.platform.accounts import book, create_doctor, register_patient
from tests.platform.audited_clinic import LEGAL_STATES, AuditedClinic, let_time_pass, run_verify
from tests.platform.corruptions import CORRUPTIONS, ServerStores, SqlStores, Victims
from tests.platform.houses import Distributed, Embedded, Platform, wait_until
from tests.platform.moving_clinic import MovingClinic

RUNS, CHANGES_PER_RUN = 3, 25
WITHOUT_INBOX = {
    ("auth-service", "patient.erased.v1"),
    ("admin-service", "patient.erased.v1"),
    ("scheduling-service", "patient.erased.v1"),
    ("notification-service", "patient.erased.v1"),
    ("notification-service", "patient.merged.v1"),
    ("scheduling-service", "patient.merged.v1"),
}
"""Subscriptions whose effects may be repeated, so that the events are not recorded in the inbox; appointment-service has none at all."""


def ways_of_running(group: str) -> list[Any]:
    """Return the parameters of a fixture: each way of running is one group of tests on one worker."""
    servers = pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")
    return [
        pytest.param("embedded", marks=pytest.mark.xdist_group(f"{group} embedded")),
        pytest.param("distributed", marks=[servers, pytest.mark.xdist_group(f"{group} distributed")]),
    ]


@pytest.fixture(scope="module", params=ways_of_running("audited"))
def audited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of its own, because every state of it is looked at."""
    folder = tmp_path_factory.mktemp("audited")
    platform = Embedded(folder / "data") if request.param == "embedded" else Distributed(folder)
    with platform:
        yield platform


def assert_clean(platform: Platform) -> dict[str, Any]:
    code, document = run_verify(platform, patience_seconds=10)
    assert (code, document["faults"]) == (0, [])
    return document


def test_no_false_alarm_under_load(audited: Platform) -> None:
    """Each run of the auditor goes on while at least CHANGES_PER_RUN bookings, moves and cancellations are made.

    `bench/verify_under_load.py` does the same for five minutes.
    """
    with MovingClinic(audited) as clinic:
        for _ in range(RUNS):
            before = clinic.granted
            while clinic.granted < before + CHANGES_PER_RUN and not clinic.faults:
                code, document = run_verify(audited, patience_seconds=5)
                assert (code, document["faults"]) == (0, [])
    assert clinic.faults == []
    assert {verb for verb, status in clinic.counts if status < 300} == {"book", "move", "cancel"}


def test_nothing_that_is_legal_is_a_fault(audited: Platform) -> None:
    clinic = AuditedClinic(audited)
    for make in LEGAL_STATES.values():
        clinic.patient = register_patient(audited)
        make(clinic)
    assert_clean(audited)
    audited.run_until_idle()
    document = wait_until(lambda: _without_waiting_work(audited), seconds=600)
    assert min(document["checked"].values()) > 0
    if isinstance(audited, Embedded):
        _check_table_of_inboxes(audited)
        for days in (3, 30):
            let_time_pass(audited, days)
            assert_clean(audited)


def _check_table_of_inboxes(platform: Embedded) -> None:
    """The table of events that services record has every subscription but those that are repeatable, and no other."""
    with closing(sqlite3.connect(platform.data / BUS_FILE)) as bus:
        bindings = set(bus.execute("SELECT queue, topic FROM bindings"))
    repeatable = {binding for binding in bindings if binding[0] in (Service.APPOINTMENT.value, QUEUE)} | WITHOUT_INBOX
    # scheduling-service and the reports of admin-service follow appointments by their versions; the check of the reports compares them
    by_version = (Service.SCHEDULING.value, Service.ADMIN.value)
    repeatable |= {binding for binding in bindings if binding[0] in by_version and binding[1].startswith("appointment.")}
    assert bindings - repeatable == {(service.value, topic) for topic in TOPICS for service in consumers_of(topic)}


def _without_waiting_work(platform: Platform) -> dict[str, Any] | None:
    document = assert_clean(platform)
    return None if document["waiting"] else document


@dataclass(frozen=True)
class CorruptedClinic:
    """What the auditor found in stores in which every corruption was planted once. `planted` names an id for each."""

    faults: list[dict[str, Any]]
    planted: dict[str, str]


def plant_and_verify(platform: Platform, stop: Callable[[], None], stores: SqlStores, bus: str | None) -> CorruptedClinic:
    """Fill a clinic, stop the platform, plant every corruption, and run the auditor an hour later."""
    clinic = AuditedClinic(platform)
    settings = clinic.admin.request("GET", "/admin/settings")
    clinic.admin.request("PUT", "/admin/settings", {"reminder_offsets_minutes": [1440, 60]}, if_match=settings["version"])
    patients = [register_patient(platform) for _ in range(4)]
    visits = [clinic.book(patients[number % 4])["id"] for number in range(44)]
    start = clinic.next_start()
    group_visits = [book(patient, clinic.group, clinic.doctor, start)["id"] for patient in patients[:3]]
    doctors = [create_doctor(clinic.admin, clinic.service).id for _ in range(2)]
    chooser = register_patient(platform)
    preferences = chooser.request("GET", "/patients/me/preferences")
    chosen = {"channels": preferences["channels"], "reminder_offsets_minutes": [120, 30]}
    chooser.request("PUT", "/patients/me/preferences", chosen, if_match=preferences["version"])
    reminded = clinic.book(chooser)["id"]
    lonely = [register_patient(platform).id for _ in range(2)]
    wait_until(lambda: _is_notified(clinic, [*visits, *group_visits, reminded]), seconds=600)
    are_planned = "SELECT appointment_id FROM reminders GROUP BY appointment_id"  # by a job, after the confirmations
    wait_until(lambda: len(stores.execute(Service.NOTIFICATION, are_planned)) >= len(visits) + len(group_visits) + 1, seconds=600)
    platform.run_until_idle()
    stop()
    victims = Victims(stores, visits, group_visits, lonely, doctors, reminded)
    planted = {name: plant(victims) for name, (_, plant) in CORRUPTIONS.items()}
    result = asyncio.run(audit(open_stores(stores.urls, in_an_hour, bus=bus), patience_seconds=0))
    return CorruptedClinic(result_document(result, with_repairs=True)["faults"], planted)


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def _is_notified(clinic: AuditedClinic, visits: list[str]) -> bool:
    """Return whether both messages about every visit were sent, so that nothing is under way."""
    clinic.wait_until_quiet()
    sent = set[str]()
    after: str | None = None
    while True:
        more = f"&after={after}" if after else ""
        page = clinic.admin.request("GET", f"/admin/messages?status=sent&kind=booked&limit=100{more}")
        sent |= {f"{message['appointment_id']} {message['audience']}" for message in page["items"]}
        after = page["next"]
        if after is None:
            return {f"{visit} {reader}" for visit in visits for reader in ("patient", "doctor")} <= sent


@pytest.fixture(scope="module")
def corrupted_embedded(tmp_path_factory: pytest.TempPathFactory) -> CorruptedClinic:
    platform = Embedded(tmp_path_factory.mktemp("corrupted") / "data")
    folder = Folder(platform.data)
    stores = SqlStores({service: folder.database_url(service) for service in SERVICES_WITH_STORE})
    with platform:
        clinic = plant_and_verify(platform, lambda: _end(platform), stores, f"sqlite+aiosqlite:///{platform.data / BUS_FILE}")
        code, document = run_verify(platform, patience_seconds=0)
        assert (code, len(document["faults"]) > 0) == (1, True)
        return clinic


def _end(platform: Embedded) -> None:
    assert platform.process.end() == 0


@pytest.fixture(scope="module")
def corrupted_distributed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CorruptedClinic]:
    with Distributed(tmp_path_factory.mktemp("corrupted")) as platform:
        urls: dict[Service, str] = {service: platform.environment[f"{service.prefix}_DATABASE_URL"] for service in SERVICES_WITH_STORE}
        yield plant_and_verify(platform, platform.stop_instances, ServerStores(urls), None)


@pytest.fixture(params=ways_of_running("corrupted"))
def corrupted(request: pytest.FixtureRequest) -> CorruptedClinic:
    """The clinic with every corruption, once for each way of running."""
    clinic: CorruptedClinic = request.getfixturevalue(f"corrupted_{request.param}")
    return clinic


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_planted_corruption_is_found(corrupted: CorruptedClinic, name: str) -> None:
    expected_code, planted_id = CORRUPTIONS[name][0], corrupted.planted[name]
    named = [fault for fault in corrupted.faults if fault["code"] == expected_code and planted_id in " ".join(fault["ids"].values())]
    assert named, [fault for fault in corrupted.faults if planted_id in json.dumps(fault)]
