"""The composition root of admin-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from admin_svc.clients import HttpAccounts, HttpAppointments, HttpDoctors, HttpPatients
from admin_svc.repository import INFRASTRUCTURE, SqlWishes
from admin_svc.settings import AdminSettings
from admin_svc.usecases.appointments import Appointments
from admin_svc.usecases.dismissal import Dismissal
from admin_svc.usecases.enrolment import Enrolment
from admin_svc.usecases.users import Users
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: AdminSettings, overrides: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        runtime.start_outbox_relay(database, INFRASTRUCTURE)
        accounts, doctors = HttpAccounts(runtime.client(Service.AUTH)), HttpDoctors(runtime.client(Service.DOCTOR))
        patients = HttpPatients(runtime.client(Service.PATIENT))
        appointments = HttpAppointments(runtime.client(Service.APPOINTMENT))
        enrolment = Enrolment(SqlWishes(database), accounts, doctors, runtime.clock)
        users, dismissal = Users(accounts, doctors, patients), Dismissal(accounts, appointments, runtime.clock)
        runtime.provide(enrolment, users, dismissal, Appointments(appointments))
        runtime.jobs.add("new users", enrolment.finish, every_seconds=10, holder=runtime.lease_holder(database, INFRASTRUCTURE))
        async with runtime.jobs:
            yield
