"""The composition root of patient-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from patient_svc import consumers, jobs
from patient_svc.clients.accounts import HttpAccountDirectory
from patient_svc.clients.doctors import HttpDoctorNameClient
from patient_svc.domain.patients import ClinicDefaults
from patient_svc.repository import SqlPatientStore
from patient_svc.repository.tables import INFRASTRUCTURE
from patient_svc.settings import PatientSettings
from patient_svc.usecases.accesses import AccessLog, AccessRetention
from patient_svc.usecases.dependants import Dependants
from patient_svc.usecases.patients import Patients
from patient_svc.usecases.preferences import PatientPreferences
from patient_svc.usecases.search import PatientSearch
from patient_svc.usecases.staff_patients import StaffPatients
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: PatientSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        wake_relay = runtime.start_outbox_relay(database, INFRASTRUCTURE)
        store = SqlPatientStore(database, runtime.clock, wake_relay=wake_relay)

        clinic = ClinicDefaults(settings.time_zone, settings.locale)
        patients = Patients(store, runtime.clock, clinic)
        preferences = PatientPreferences(store, runtime.clock, clinic)
        runtime.provide(patients, preferences, Dependants(store, runtime.clock, clinic), StaffPatients(store, runtime.clock, clinic))
        search = PatientSearch(store, HttpAccountDirectory(runtime.client(Service.AUTH)), runtime.clock, clinic)
        runtime.provide(search)

        doctors = HttpDoctorNameClient(runtime.client(Service.DOCTOR))
        runtime.provide(AccessLog(store, store, doctors))
        retention = AccessRetention(store, settings.keep_accesses_days, runtime.clock)
        jobs.schedule_jobs(runtime.jobs, retention, search, runtime.lease_holder(database, INFRASTRUCTURE))

        await consumers.subscribe(runtime, patients)
        async with runtime.jobs:
            yield
