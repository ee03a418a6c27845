"""The composition root of admin-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from admin_svc.clients import HttpAccounts, HttpAppointments, HttpDoctors, HttpPatients
from admin_svc.repository import INFRASTRUCTURE, SqlWishes
from admin_svc.settings import Settings
from admin_svc.usecases.appointments import Appointments
from admin_svc.usecases.dismissal import Dismissal
from admin_svc.usecases.enrolment import Enrolment
from admin_svc.usecases.users import Users
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wired(app: FastAPI, settings: Settings, plugs: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, plugs) as ground:
        database = await ground.database(settings.database_url, INFRASTRUCTURE)
        ground.relay(database, INFRASTRUCTURE)
        accounts, doctors = HttpAccounts(ground.neighbour(Service.AUTH)), HttpDoctors(ground.neighbour(Service.DOCTOR))
        patients = HttpPatients(ground.neighbour(Service.PATIENT))
        appointments = HttpAppointments(ground.neighbour(Service.APPOINTMENT))
        app.state.enrolment = Enrolment(SqlWishes(database), accounts, doctors, ground.clock)
        app.state.users = Users(accounts, doctors, patients)
        app.state.dismissal = Dismissal(accounts, appointments, ground.clock)
        app.state.appointments = Appointments(appointments)
        ground.jobs.add("new users", app.state.enrolment.finish, every_seconds=10, holder=ground.holder(database, INFRASTRUCTURE))
        async with ground.jobs:
            yield
