"""The composition root of admin-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from admin_svc import consumers, jobs
from admin_svc.clients import (
    HttpAppointmentClient,
    HttpAvailabilityClient,
    HttpDoctorProfileClient,
    HttpPatientNameClient,
    HttpUserAccountClient,
    HttpVisitSource,
)
from admin_svc.domain.report_visits import ReportVisit
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.old_audit_lines import SqlOldAuditLines
from admin_svc.repository.report_visits import SqlReportStore
from admin_svc.repository.tables import INFRASTRUCTURE
from admin_svc.settings import AdminSettings
from admin_svc.usecases.appointments import AdminAppointments
from admin_svc.usecases.audit import AuditRetention, AuditTrail
from admin_svc.usecases.create_user import UserCreation
from admin_svc.usecases.disable_user import UserDisabling
from admin_svc.usecases.erasure import UserErasure
from admin_svc.usecases.report_model import AccessNotes, ReportModel, ReportRetention
from admin_svc.usecases.reports import Reports
from admin_svc.usecases.users import Users
from shared.contracts.identity import Service
from shared.kit.clock import system_clock
from shared.kit.erasure_reports import HttpErasureReports
from shared.kit.overrides import Overrides
from shared.kit.rebuilds import ReadModelRebuilding, RebuildRequests
from shared.kit.service_runtime import open_service_runtime
from shared.kit.sql import Database


@asynccontextmanager
async def wire(app: FastAPI, settings: AdminSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        runtime.start_pruning(database, INFRASTRUCTURE)
        store = SqlAdminStore(database, runtime.clock)
        accounts = HttpUserAccountClient(runtime.client(Service.AUTH))
        doctors = HttpDoctorProfileClient(runtime.client(Service.DOCTOR))
        patients = HttpPatientNameClient(runtime.client(Service.PATIENT))
        appointments = HttpAppointmentClient(runtime.client(Service.APPOINTMENT))

        creation = UserCreation(store, accounts, doctors, runtime.clock)
        disabling = UserDisabling(accounts, appointments, runtime.clock)
        users = Users(accounts, doctors, patients)
        trail = AuditTrail(store, runtime.clock)
        runtime.provide(creation, disabling, users, trail, AdminAppointments(appointments))

        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        report_store, availability = SqlReportStore(database, runtime.clock), HttpAvailabilityClient(runtime.client(Service.SCHEDULING))
        runtime.provide(Reports(report_store, availability, runtime.clock, settings.time_zone))
        notes = AccessNotes(report_store, availability, runtime.clock, settings.time_zone)
        visits = HttpVisitSource(runtime.client(Service.APPOINTMENT))
        rebuilding = ReadModelRebuilding(report_store, visits, ReportVisit.of, runtime.clock)
        report_retention = ReportRetention(report_store, settings.keep_reports_years, runtime.clock)
        jobs.schedule_report_jobs(runtime.jobs, notes, rebuilding, report_retention, holder)

        erasure = UserErasure(store, runtime.stored_answers, HttpErasureReports(runtime.client(Service.PATIENT)))
        await consumers.subscribe(runtime, trail, erasure, ReportModel(report_store))
        retention = AuditRetention(SqlOldAuditLines(database), settings.keep_audit_years, runtime.clock)
        jobs.schedule_jobs(runtime.jobs, creation, retention, holder)
        async with runtime.jobs:
            yield


@asynccontextmanager
async def open_rebuild_requests(database_url: str) -> AsyncIterator[RebuildRequests]:
    """Open the database for `careslot rebuild reports`."""
    async with Database(database_url) as database:
        yield RebuildRequests(SqlReportStore(database, system_clock), system_clock)
