"""The composition root of doctor-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from doctor_svc.repository import SqlStore
from doctor_svc.repository.tables import PLUMBING
from doctor_svc.settings import Settings
from doctor_svc.usecases.services import Services
from shared.kit.footing import footing
from shared.kit.plugs import Plugs


@asynccontextmanager
async def wired(app: FastAPI, settings: Settings, plugs: Plugs) -> AsyncIterator[None]:
    async with footing(app, settings, plugs) as ground:
        database = await ground.database(settings.database_url, PLUMBING)
        store = SqlStore(database, ground.clock, announced=ground.relay(database, PLUMBING))
        app.state.services = Services(store, ground.clock)
        async with ground.jobs:
            yield
