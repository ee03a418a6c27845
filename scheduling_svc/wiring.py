"""The composition root of scheduling-service: which adapter stands behind which port."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from scheduling_svc import consumers, jobs
from scheduling_svc.clients import HttpRuleOwner
from scheduling_svc.domain.feeds import SECRET_BYTES
from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.repository.tables import INFRASTRUCTURE
from scheduling_svc.settings import Settings
from scheduling_svc.usecases.agenda import Agenda
from scheduling_svc.usecases.closures import Closures, apply_closures
from scheduling_svc.usecases.feeds import Feeds
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.leaves import Leaves
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_cache import RuleCache
from scheduling_svc.usecases.slots import SlotSearch
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wired(app: FastAPI, settings: Settings, plugs: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, plugs) as runtime:
        database = await runtime.database(settings.database_url, INFRASTRUCTURE)
        store = SqlCalendarStore(database, runtime.clock, wake_relay=runtime.relay(database, INFRASTRUCTURE))
        rules = RuleCache(store, HttpRuleOwner(runtime.neighbour(Service.DOCTOR)), apply_closures)
        closures = Closures(store, runtime.clock)
        feeds = Feeds(store, settings.public_url, lambda: secrets.token_bytes(SECRET_BYTES), runtime.clock)
        app.state.slots = SlotSearch(store, rules, runtime.clock)
        app.state.reservations = reservations = Reservations(store, rules, runtime.clock)
        app.state.holds = Holds(store, rules, runtime.clock)
        app.state.leaves = Leaves(store, rules, runtime.clock)
        app.state.closures = closures
        app.state.agenda = Agenda(store, runtime.clock)
        app.state.feeds = feeds
        jobs.schedule(runtime.jobs, rules, closures, runtime.holder(database, INFRASTRUCTURE))
        await consumers.subscribe(runtime, rules, reservations, feeds)
        async with runtime.jobs:
            yield
