"""The composition root of admin-service: which adapter stands behind which port."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from admin_svc import consumers, jobs
from admin_svc.clients import HttpAppointmentClient, HttpDoctorProfileClient, HttpHeadSigner, HttpPatientNameClient, HttpUserAccountClient
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.old_audit_lines import SqlOldAuditLines
from admin_svc.repository.tables import INFRASTRUCTURE
from admin_svc.settings import AdminSettings
from admin_svc.usecases.appointments import AdminAppointments
from admin_svc.usecases.audit import AuditRetention, AuditTrail
from admin_svc.usecases.audit_heads import AuditHeads
from admin_svc.usecases.audit_verification import AuditVerification, IsSigned
from admin_svc.usecases.create_user import UserCreation
from admin_svc.usecases.disable_user import UserDisabling
from admin_svc.usecases.erasure import UserErasure
from admin_svc.usecases.users import Users
from shared.contracts.identity import Service
from shared.kit.clock import system_clock
from shared.kit.erasure_reports import HttpErasureReports
from shared.kit.logs import log_event
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime
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
        heads = AuditHeads(store, HttpHeadSigner(runtime.client(Service.AUTH)), runtime.clock)
        runtime.provide(creation, disabling, users, trail, heads, AdminAppointments(appointments))

        reports = HttpErasureReports(runtime.client(Service.PATIENT))
        await consumers.subscribe(runtime, trail, UserErasure(store, runtime.stored_answers, reports))
        retention = await open_audit_retention(runtime, settings)
        jobs.schedule_jobs(runtime.jobs, creation, heads, retention, runtime.lease_holder(database, INFRASTRUCTURE))
        async with runtime.jobs:
            yield


async def open_audit_retention(runtime: ServiceRuntime, settings: AdminSettings) -> AuditRetention | None:
    """Open the database as the user who may delete old lines of the audit trail, or return None if no user may."""
    if not settings.retention_url:
        log_event("audit_retention_off", logging.WARNING, variable="ADMIN_RETENTION_DATABASE_URL", keep_years=settings.keep_audit_years)
        return None
    database = await runtime.stack.enter_async_context(Database(settings.retention_url))
    return AuditRetention(SqlOldAuditLines(database), settings.keep_audit_years, runtime.clock)


@asynccontextmanager
async def open_audit_verification(database_url: str, is_signed: IsSigned, keep_years: int) -> AsyncIterator[AuditVerification]:
    """Open the audit trail to check that it is whole, without the rest of the service."""
    async with Database(database_url) as database:
        yield AuditVerification(SqlAdminStore(database, system_clock), is_signed, keep_years)
