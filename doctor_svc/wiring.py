"""The composition root of doctor-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from doctor_svc import consumers
from doctor_svc.clients import HttpAccounts
from doctor_svc.repository import SqlStore
from doctor_svc.repository.tables import INFRASTRUCTURE
from doctor_svc.settings import DoctorSettings
from doctor_svc.usecases.doctors import Doctors
from doctor_svc.usecases.schedules import Schedules
from doctor_svc.usecases.services import Services
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: DoctorSettings, overrides: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        store = SqlStore(database, runtime.clock, announced=runtime.start_outbox_relay(database, INFRASTRUCTURE))
        doctors = Doctors(store, HttpAccounts(runtime.client(Service.AUTH)), runtime.clock)
        runtime.provide(Services(store, runtime.clock), doctors, Schedules(store, runtime.clock))
        await consumers.subscribe(runtime, doctors)
        runtime.jobs.add(
            "finish doctors", doctors.finish_stragglers, every_seconds=15, holder=runtime.lease_holder(database, INFRASTRUCTURE)
        )
        async with runtime.jobs:
            yield
