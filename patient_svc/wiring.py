"""The composition root of patient-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from patient_svc import consumers
from patient_svc.repository import INFRASTRUCTURE, SqlPatientStore
from patient_svc.settings import PatientSettings
from patient_svc.usecases import Patients
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: PatientSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        wake_relay = runtime.start_outbox_relay(database, INFRASTRUCTURE)
        store = SqlPatientStore(database, runtime.clock, wake_relay=wake_relay)

        patients = Patients(store, runtime.clock, settings.time_zone)
        runtime.provide(patients)

        await consumers.subscribe(runtime, patients)
        async with runtime.jobs:
            yield
