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
from appointment_svc.settings import Settings
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
async def wired(app: FastAPI, settings: Settings, plugs: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, plugs) as ground:
        place = await kept(ground, settings.database_url)
        relay = DocumentRelay(place.documents, ground.bus, ground.clock)
        announced = ground.jobs.add("relay", relay.publish, every_seconds=1, holder=place.holder)
        ground.jobs.add("prune", relay.prune, every_seconds=3600, holder=place.holder)
        store = DocumentStore(place.documents, announced)
        slots = HttpSlots(ground.neighbour(Service.SCHEDULING))
        doctors, patients = HttpDoctors(ground.neighbour(Service.DOCTOR)), HttpPatients(ground.neighbour(Service.PATIENT))
        settling = Settling(store, slots, doctors, ground.clock)
        displacements = Displacements(store, slots, settling, doctors, ground.clock)
        keeping = Keeping(store, slots, settling, displacements, ground.clock, timedelta(seconds=settings.settle_after_seconds))
        app.state.booking = Booking(store, settling, doctors, patients, ground.clock, settings.most_active)
        app.state.changes = Changes(store, settling, doctors, ground.clock)
        app.state.records = Records(store)
        await consumers.subscribe(ground, displacements)
        jobs.schedule(ground.jobs, keeping, place.holder, settings.reconcile_every_seconds)
        async with ground.jobs:
            yield
