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
from scheduling_svc.settings import Settings
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
async def wired(app: FastAPI, settings: Settings, plugs: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, plugs) as ground:
        database = await ground.database(settings.database_url, INFRASTRUCTURE)
        store = SqlStore(database, ground.clock, announced=ground.relay(database, INFRASTRUCTURE))
        rulebook = Rulebook(store, HttpRules(ground.neighbour(Service.DOCTOR)), concern)
        closures = Closures(store, ground.clock)
        feeds = Feeds(store, settings.public_url, lambda: secrets.token_bytes(SECRET_BYTES), ground.clock)
        app.state.slots = Slots(rulebook, ground.clock)
        app.state.reservations = reservations = Reservations(store, rulebook, ground.clock)
        app.state.holds = Holds(store, rulebook, ground.clock)
        app.state.leaves = Leaves(store, rulebook, ground.clock)
        app.state.closures = closures
        app.state.agendas = Agendas(store, ground.clock)
        app.state.feeds = feeds
        jobs.plan(ground.jobs, rulebook, closures, ground.holder(database, INFRASTRUCTURE))
        await consumers.subscribe(ground, rulebook, reservations, feeds)
        async with ground.jobs:
            yield
