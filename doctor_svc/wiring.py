"""The composition root of doctor-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from doctor_svc import consumers
from doctor_svc.clients import HttpAccounts
from doctor_svc.repository import SqlStore
from doctor_svc.repository.tables import INFRASTRUCTURE
from doctor_svc.settings import Settings
from doctor_svc.usecases.doctors import Doctors
from doctor_svc.usecases.schedules import Schedules
from doctor_svc.usecases.services import Services
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wired(app: FastAPI, settings: Settings, plugs: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, plugs) as ground:
        database = await ground.database(settings.database_url, INFRASTRUCTURE)
        store = SqlStore(database, ground.clock, announced=ground.relay(database, INFRASTRUCTURE))
        doctors = Doctors(store, HttpAccounts(ground.neighbour(Service.AUTH)), ground.clock)
        app.state.services, app.state.doctors, app.state.schedules = Services(store, ground.clock), doctors, Schedules(store, ground.clock)
        await consumers.subscribe(ground, doctors)
        ground.jobs.add("finish doctors", doctors.finish_stragglers, every_seconds=15, holder=ground.holder(database, INFRASTRUCTURE))
        async with ground.jobs:
            yield
