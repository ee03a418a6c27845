"""The composition root of scheduling-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from scheduling_svc import consumers, jobs
from scheduling_svc.clients import HttpRules
from scheduling_svc.repository import SqlStore
from scheduling_svc.repository.tables import PLUMBING
from scheduling_svc.settings import Settings
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rulebook import Rulebook
from scheduling_svc.usecases.slots import Slots
from shared.contracts.identity import Service
from shared.kit.footing import footing
from shared.kit.outbox import Relay
from shared.kit.plugs import Plugs


@asynccontextmanager
async def wired(app: FastAPI, settings: Settings, plugs: Plugs) -> AsyncIterator[None]:
    async with footing(app, settings, plugs) as ground:
        database = await ground.database(settings.database_url, PLUMBING)
        store = SqlStore(database, ground.clock)
        rulebook = Rulebook(store, HttpRules(ground.neighbour(Service.DOCTOR)))
        app.state.slots = Slots(rulebook, ground.clock)
        app.state.reservations = Reservations(store, rulebook, ground.clock)
        relay = Relay(database, PLUMBING, ground.bus, ground.clock)
        jobs.plan(ground.jobs, rulebook, relay, ground.holder(database, PLUMBING))
        await consumers.subscribe(ground, rulebook)
        async with ground.jobs:
            yield
