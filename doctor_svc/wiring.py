"""The composition root of doctor-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from doctor_svc import consumers, jobs
from doctor_svc.clients import HttpCalendarClient, HttpDoctorAccountClient
from doctor_svc.repository import SqlDoctorStore
from doctor_svc.repository.tables import CLINIC_SETTINGS, INFRASTRUCTURE
from doctor_svc.settings import DoctorSettings
from doctor_svc.usecases.calendar import CalendarFollower
from doctor_svc.usecases.doctors import Doctors
from doctor_svc.usecases.schedules import Schedules
from doctor_svc.usecases.service_types import ServiceTypes
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime
from shared.kit.sql_clinic_settings import SqlSettingsCopy


@asynccontextmanager
async def wire(app: FastAPI, settings: DoctorSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        wake_relay = runtime.start_outbox_relay(database, INFRASTRUCTURE)
        store = SqlDoctorStore(database, runtime.clock, wake_relay=wake_relay)
        clinic = await runtime.follow_clinic(SqlSettingsCopy(database, CLINIC_SETTINGS))
        accounts = HttpDoctorAccountClient(runtime.client(Service.AUTH))
        calendar = CalendarFollower(HttpCalendarClient(runtime.client(Service.SCHEDULING)))

        service_types = ServiceTypes(store, calendar, runtime.clock)
        doctors = Doctors(store, accounts, calendar, runtime.clock, clinic)
        schedules = Schedules(store, calendar, runtime.clock)
        runtime.provide(service_types, doctors, schedules)

        await consumers.subscribe(runtime, doctors)
        jobs.schedule_jobs(runtime.jobs, doctors, runtime.lease_holder(database, INFRASTRUCTURE))
        async with runtime.jobs:
            yield
