"""The composition root of appointment-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from appointment_svc import consumers, jobs
from appointment_svc.clients import HttpDoctors, HttpPatients, HttpSlots
from appointment_svc.repository import kept
from appointment_svc.repository.relay import DocumentRelay
from appointment_svc.repository.store import DocumentStore
from appointment_svc.settings import AppointmentSettings
from appointment_svc.usecases.book import Booking
from appointment_svc.usecases.change import Changes
from appointment_svc.usecases.find import Records
from appointment_svc.usecases.follow import Displacements
from appointment_svc.usecases.keep import Keeping
from appointment_svc.usecases.settle import Settling
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: AppointmentSettings, overrides: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, overrides) as runtime:
        place = await kept(runtime, settings.database_url)
        relay = DocumentRelay(place.documents, runtime.bus, runtime.clock)
        announced = runtime.jobs.add("relay", relay.publish, every_seconds=1, holder=place.holder)
        runtime.jobs.add("prune", relay.prune, every_seconds=3600, holder=place.holder)
        store = DocumentStore(place.documents, announced)
        slots = HttpSlots(runtime.client(Service.SCHEDULING))
        doctors, patients = HttpDoctors(runtime.client(Service.DOCTOR)), HttpPatients(runtime.client(Service.PATIENT))
        settling = Settling(store, slots, doctors, runtime.clock)
        displacements = Displacements(store, slots, settling, doctors, runtime.clock)
        keeping = Keeping(store, slots, settling, displacements, runtime.clock, timedelta(seconds=settings.settle_after_seconds))
        booking = Booking(store, settling, doctors, patients, runtime.clock, settings.most_active)
        runtime.provide(booking, Changes(store, settling, doctors, runtime.clock), Records(store))
        await consumers.subscribe(runtime, displacements)
        jobs.schedule(runtime.jobs, keeping, place.holder, settings.reconcile_every_seconds)
        async with runtime.jobs:
            yield
