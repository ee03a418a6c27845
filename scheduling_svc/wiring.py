"""The composition root of scheduling-service: which adapter stands behind which port."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from scheduling_svc import consumers, jobs
from scheduling_svc.clients import HttpRules
from scheduling_svc.domain.feeds import SECRET_BYTES
from scheduling_svc.repository import SqlStore
from scheduling_svc.repository.tables import INFRASTRUCTURE
from scheduling_svc.settings import SchedulingSettings
from scheduling_svc.usecases.agenda import Agendas
from scheduling_svc.usecases.closures import Closures, concern
from scheduling_svc.usecases.feeds import Feeds
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.leaves import Leaves
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rulebook import Rulebook
from scheduling_svc.usecases.slots import Slots
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: SchedulingSettings, overrides: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        store = SqlStore(database, runtime.clock, announced=runtime.start_outbox_relay(database, INFRASTRUCTURE))
        rulebook = Rulebook(store, HttpRules(runtime.client(Service.DOCTOR)), concern)
        closures = Closures(store, runtime.clock)
        feeds = Feeds(store, settings.public_url, lambda: secrets.token_bytes(SECRET_BYTES), runtime.clock)
        reservations = Reservations(store, rulebook, runtime.clock)
        runtime.provide(Slots(rulebook, runtime.clock), reservations, Holds(store, rulebook, runtime.clock))
        runtime.provide(Leaves(store, rulebook, runtime.clock), closures, Agendas(store, runtime.clock), feeds)
        jobs.plan(runtime.jobs, rulebook, closures, runtime.lease_holder(database, INFRASTRUCTURE))
        await consumers.subscribe(runtime, rulebook, reservations, feeds)
        async with runtime.jobs:
            yield
