"""The auditor compares what the reports count with the appointments, in the database of admin-service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, update

from admin_svc.domain.report_visits import ReportVisit
from admin_svc.repository.report_visits import SqlReportStore
from admin_svc.repository.tables import REPORT_REBUILDS, REPORT_VISITS
from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.reports import LONGEST_REBUILD, ReportCheck
from careslot.auditor.findings import Finding
from careslot.auditor.repairs import CODES
from careslot.auditor.runner import STUCK_AFTER
from careslot.auditor.sql_store import SqlStore, open_engine
from careslot.auditor.stores import Stores
from patient_svc.repository.tables import ERASURES
from shared.contracts.identity import Service
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.rebuilds import RebuildRequests
from shared.kit.sql import Database
from tests.unit.careslot.test_auditor import ID, NOW, PATIENT, booked_appointment, visit_event

LATER = NOW + 2 * STUCK_AFTER
STRANGER = UUID(int=77)


@dataclass
class FixedAppointments:
    """Appointments that nobody changes."""

    known: dict[UUID, AppointmentFacts]

    async def find(self, ids: Collection[UUID]) -> dict[UUID, AppointmentFacts]:
        return {appointment_id: self.known[appointment_id] for appointment_id in ids if appointment_id in self.known}

    async def pages(self) -> AsyncIterator[list[UUID]]:
        yield list(self.known)


@dataclass
class AuditedReports:
    """The databases of admin- and patient-service, with the visit of one booked appointment in the reports."""

    database: Database
    patients: Database
    stores: Stores
    appointment: AppointmentFacts

    async def change(self, statement: Any) -> None:
        async with self.database.write() as connection:
            await connection.execute(statement)

    async def find(self) -> list[Finding]:
        found = list[Finding]()
        async for keys in ReportCheck().pages(self.stores):
            found += await ReportCheck().examine(self.stores, keys)
        return found

    async def codes(self) -> set[str]:
        """Return the codes of all findings; each has a meaning and advice."""
        codes = {finding.code for finding in await self.find()}
        assert codes <= CODES.keys()
        return codes


@pytest.fixture
async def reports(tmp_path: Path, sql_url: str) -> AsyncIterator[AuditedReports]:
    patient_url = f"sqlite+aiosqlite:///{tmp_path / 'patient.db'}"
    migrate("admin_svc", sql_url)
    migrate("patient_svc", patient_url)
    engines = {Service.ADMIN: open_engine(sql_url), Service.PATIENT: open_engine(patient_url)}
    appointment = booked_appointment()
    source = FixedAppointments({appointment.id: appointment})
    stores = Stores({service: SqlStore(engine) for service, engine in engines.items()}, cast(Any, source), None, lambda: LATER)
    async with Database(sql_url) as database, Database(patient_url) as patients:
        async with SqlReportStore(database, lambda: NOW).begin() as tx:
            await tx.save_visit(ReportVisit.of(visit_event(appointment)))
        async with database.write() as connection:
            await connection.execute(update(REPORT_REBUILDS).values(finished_at=NOW))  # the one after the installation
        yield AuditedReports(database, patients, stores, appointment)
    for engine in engines.values():
        await engine.dispose()


async def test_what_equals_the_appointments_is_no_fault(reports: AuditedReports) -> None:
    assert await reports.find() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "missed"},
        {"doctor_id": STRANGER},
        {"service_id": STRANGER},
        {"patient_id": STRANGER},
        {"starts_at": NOW},
        {"minutes": 31},
        {"is_group": True},
        {"channel": "reception"},
        {"lead_days": 40},
        {"is_confirmed": True},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_a_visit_that_differs_is_named_with_what_differs(reports: AuditedReports, wrong: dict[str, Any]) -> None:
    await reports.change(update(REPORT_VISITS).values(wrong))
    names = {"doctor_id": "doctor", "service_id": "service", "patient_id": "patient", "starts_at": "start"}
    names |= {"is_group": "group", "is_confirmed": "confirmed"}
    (column,) = wrong
    found = await reports.find()
    assert {finding.code for finding in found} == {"report_visit_differs"}
    assert {(finding.ids["appointment"], finding.ids["differs"]) for finding in found} == {(str(ID), names.get(column, column))}


async def test_a_difference_is_work_under_way_until_an_event_would_be_stuck(reports: AuditedReports) -> None:
    await reports.change(delete(REPORT_VISITS))
    (found,) = await reports.find()
    assert (found.code, found.since) == ("report_visit_missing", reports.appointment.changed_at)
    assert LATER - reports.appointment.changed_at > STUCK_AFTER, "a fault by now"


async def test_a_visit_without_an_appointment_is_named(reports: AuditedReports) -> None:
    row = (await reports.stores.sql[Service.ADMIN].fetch(REPORT_VISITS.select()))[0]._asdict()
    await reports.change(insert(REPORT_VISITS).values(row | {"appointment_id": STRANGER}))
    (found,) = await reports.find()
    assert (found.code, found.ids, found.since) == ("report_visit_without_appointment", {"appointment": str(STRANGER)}, None)


async def test_while_the_reports_are_rebuilt_nothing_is_a_fault(reports: AuditedReports) -> None:
    await reports.change(update(REPORT_VISITS).values(appointment_id=STRANGER))
    assert await reports.codes() == {"report_visit_without_appointment", "report_visit_missing"}
    store = SqlReportStore(reports.database, lambda: LATER)
    await RebuildRequests(store, lambda: LATER).request(new_id())
    assert {finding.since for finding in await reports.find()} == {LATER}
    late = replace(reports.stores, now=lambda: LATER + LONGEST_REBUILD)
    keys = [(str(ID),), (str(STRANGER),)]
    assert LATER + LONGEST_REBUILD not in {finding.since for finding in await ReportCheck().examine(late, keys)}


async def test_the_patient_of_an_erased_or_merged_one_may_differ(reports: AuditedReports) -> None:
    await reports.change(update(REPORT_VISITS).values(patient_id=STRANGER))
    assert await reports.codes() == {"report_visit_differs"}
    async with reports.patients.write() as connection:
        erasure = {"id": new_id(), "patient_id": PATIENT, "reason": "requested", "pass_number": 1}
        await connection.execute(insert(ERASURES).values(erasure | {"requested_at": NOW, "published_at": NOW}))
    assert await reports.codes() == set()


async def test_what_earlier_releases_did_not_tell_is_no_fault(reports: AuditedReports) -> None:
    await reports.change(update(REPORT_VISITS).values(lead_days=None, channel="unknown"))
    assert await reports.find() == []
