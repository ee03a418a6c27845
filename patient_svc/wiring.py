"""The composition root of patient-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from patient_svc import consumers
from patient_svc.repository import INFRASTRUCTURE, SqlStore
from patient_svc.settings import Settings
from patient_svc.usecases import Patients
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wired(app: FastAPI, settings: Settings, plugs: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, plugs) as ground:
        database = await ground.database(settings.database_url, INFRASTRUCTURE)
        store = SqlStore(database, ground.clock, announced=ground.relay(database, INFRASTRUCTURE))
        app.state.patients = Patients(store, ground.clock)
        await consumers.subscribe(ground, app.state.patients)
        async with ground.jobs:
            yield
