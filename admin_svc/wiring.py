"""The composition root of admin-service: which adapter stands behind which port."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from admin_svc import consumers, jobs
from admin_svc.clients import (
    HttpAppointmentClient,
    HttpClinicMessages,
    HttpDoctorImporter,
    HttpDoctorProfileClient,
    HttpHeadSigner,
    HttpMovePlanning,
    HttpPatientImporter,
    HttpPatientNameClient,
    HttpUserAccountClient,
)
from admin_svc.clients.reports import HttpAvailabilityClient, HttpNameClient, HttpVisitSource
from admin_svc.domain.clinic_settings import RETENTION_DELAY
from admin_svc.domain.imports import ImportKind
from admin_svc.domain.report_visits import ReportVisit
from admin_svc.ports.imports import ProfileImporter
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.clinic_settings import OwnSettings
from admin_svc.repository.imports import stop_unfinished
from admin_svc.repository.old_audit_lines import SqlOldAuditLines
from admin_svc.repository.report_visits import SqlReportStore
from admin_svc.repository.row_encryption import AesRowEncryption
from admin_svc.repository.tables import INFRASTRUCTURE
from admin_svc.settings import AdminSettings
from admin_svc.usecases.appointments import AdminAppointments
from admin_svc.usecases.audit import AuditRetention, AuditTrail
from admin_svc.usecases.audit_heads import AuditHeads
from admin_svc.usecases.bulk import BulkChanges
from admin_svc.usecases.clinic_settings import ClinicAdministration
from admin_svc.usecases.create_user import UserCreation
from admin_svc.usecases.disable_user import UserDisabling
from admin_svc.usecases.erasure import UserErasure
from admin_svc.usecases.imports import ImportRetention, ImportRunner, Imports
from admin_svc.usecases.report_model import AccessNotes, ReportModel, ReportRetention
from admin_svc.usecases.report_names import ReportNames
from admin_svc.usecases.reports import Reports
from admin_svc.usecases.users import Users
from shared.contracts.clinic import ClinicSettings, CurrentClinic
from shared.contracts.identity import Service
from shared.kit.clinic_settings import ClinicFollower
from shared.kit.clock import Clock, system_clock
from shared.kit.erasure_reports import HttpErasureReports
from shared.kit.leases import LeaseHolder
from shared.kit.logs import log_event
from shared.kit.overrides import Overrides
from shared.kit.rebuilding import ReadModelRebuilding
from shared.kit.rebuilds import RebuildRequests
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime
from shared.kit.sql import Database


@asynccontextmanager
async def wire(app: FastAPI, settings: AdminSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        store = SqlAdminStore(database, runtime.clock, runtime.start_outbox_relay(database, INFRASTRUCTURE))
        clinic = await follow_own_settings(runtime, store)
        accounts = HttpUserAccountClient(runtime.client(Service.AUTH))
        doctors = HttpDoctorProfileClient(runtime.client(Service.DOCTOR))
        patients = HttpPatientNameClient(runtime.client(Service.PATIENT))
        appointments = HttpAppointmentClient(runtime.client(Service.APPOINTMENT))

        creation = UserCreation(store, accounts, doctors, runtime.clock)
        disabling = UserDisabling(accounts, appointments, runtime.clock)
        users = Users(accounts, doctors, patients)
        trail = AuditTrail(store, runtime.clock)
        heads = AuditHeads(store, HttpHeadSigner(runtime.client(Service.AUTH)), runtime.clock)
        planning = HttpMovePlanning(runtime.client(Service.SCHEDULING))
        messages = HttpClinicMessages(runtime.client(Service.NOTIFICATION))
        bulk = BulkChanges(store, appointments, planning, messages, runtime.clock)
        runtime.provide(creation, disabling, users, trail, heads, AdminAppointments(appointments), bulk)

        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        report_store = _wire_reports(runtime, settings, database, clinic, holder)
        erasure = UserErasure(store, runtime.stored_answers, HttpErasureReports(runtime.client(Service.PATIENT)))
        await consumers.subscribe(runtime, trail, erasure, ReportModel(report_store))
        retention = await open_audit_retention(runtime, settings, clinic)
        jobs.schedule_jobs(runtime.jobs, creation, heads, retention, bulk, holder)
        _wire_imports(runtime, settings, store, holder)
        async with runtime.jobs:
            yield


def _wire_reports(
    runtime: ServiceRuntime, settings: AdminSettings, database: Database, clinic: CurrentClinic, holder: LeaseHolder
) -> SqlReportStore:
    """Provide the reports, and schedule what keeps their read model; return its store."""
    report_store, availability = SqlReportStore(database, runtime.clock), HttpAvailabilityClient(runtime.client(Service.SCHEDULING))
    names = ReportNames(HttpNameClient(runtime.client(Service.DOCTOR)), runtime.clock)
    runtime.provide(Reports(report_store, availability, names, runtime.clock, clinic))
    notes = AccessNotes(report_store, availability, runtime.clock, clinic)
    visits = HttpVisitSource(runtime.client(Service.APPOINTMENT))
    rebuilding = ReadModelRebuilding(report_store, visits, ReportVisit.of, runtime.clock)
    report_retention = ReportRetention(report_store, settings.keep_reports_years, runtime.clock)
    jobs.schedule_report_jobs(runtime.jobs, notes, rebuilding, report_retention, holder)
    return report_store


def _wire_imports(runtime: ServiceRuntime, settings: AdminSettings, store: SqlAdminStore, holder: LeaseHolder) -> None:
    """Provide imports, and schedule what creates their rows and deletes old outcomes."""
    importers: dict[ImportKind, ProfileImporter] = {
        ImportKind.DOCTORS: HttpDoctorImporter(runtime.client(Service.DOCTOR), runtime.client(Service.AUTH)),
        ImportKind.PATIENTS: HttpPatientImporter(runtime.client(Service.PATIENT)),
    }
    encryption = AesRowEncryption(settings.import_key)
    runner = ImportRunner(store, encryption, importers, runtime.clock)
    wake_runner = jobs.schedule_imports(runtime.jobs, runner, ImportRetention(store, runtime.clock), holder)
    runtime.provide(Imports(store, encryption, runtime.clock, wake_runner))


async def open_audit_retention(runtime: ServiceRuntime, settings: AdminSettings, clinic: CurrentClinic) -> AuditRetention | None:
    """Open the database as the user who may delete old lines of the audit trail, or return None if no user may."""
    if not settings.retention_url:
        log_event("audit_retention_off", logging.WARNING, variable="ADMIN_RETENTION_DATABASE_URL", keep_years=settings.keep_audit_years)
        return None
    database = await runtime.stack.enter_async_context(Database(settings.retention_url))
    return AuditRetention(
        SqlOldAuditLines(database), lambda: clinic().retention_of("audit_years", settings.keep_audit_years), runtime.clock
    )


@asynccontextmanager
async def open_rebuild_requests(database_url: str) -> AsyncIterator[RebuildRequests]:
    """Open the database for `careslot rebuild reports`."""
    async with Database(database_url) as database:
        yield RebuildRequests(SqlReportStore(database, system_clock), system_clock)


async def stop_imports(database_url: str, now: Clock = system_clock) -> int:
    """Stop the imports of a restored database, for `careslot restore`. Returns the number of rows that waited."""
    async with Database(database_url) as database, database.write() as connection:
        return await stop_unfinished(connection, now())


async def follow_own_settings(runtime: ServiceRuntime, store: SqlAdminStore) -> ClinicFollower:
    """Provide the use cases of the clinic's settings, and return what knows the clinic as another instance may have changed it."""

    async def fetch() -> ClinicSettings:
        return (await store.read_settings(runtime.clock() - RETENTION_DELAY)).settings

    follower = await runtime.follow_clinic(OwnSettings(fetch), fetch=fetch)
    runtime.provide(ClinicAdministration(store, follower.defaults, runtime.clock))
    return follower
