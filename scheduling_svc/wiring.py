"""The composition root of scheduling-service: which adapter stands behind which port."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from scheduling_svc import consumers, jobs
from scheduling_svc.clients import HttpPatientDirectory, HttpRuleOwner
from scheduling_svc.domain.feeds import SECRET_BYTES
from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.repository.tables import CLINIC_SETTINGS, INFRASTRUCTURE
from scheduling_svc.settings import SchedulingSettings
from scheduling_svc.usecases.agenda import Agenda
from scheduling_svc.usecases.archive import Archive
from scheduling_svc.usecases.closures import Closures, apply_closures
from scheduling_svc.usecases.erasure import OwnerErasure
from scheduling_svc.usecases.feeds import Feeds
from scheduling_svc.usecases.holds import Holds
from scheduling_svc.usecases.leaves import Leaves
from scheduling_svc.usecases.merged_patients import MergedPatients
from scheduling_svc.usecases.move_previews import MovePreviewing
from scheduling_svc.usecases.report_figures import ReportFigures
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.retention import CalendarRetention
from scheduling_svc.usecases.rule_cache import RuleCache
from scheduling_svc.usecases.rule_changes import RuleChanges
from scheduling_svc.usecases.slots import SlotSearch
from shared.contracts.identity import Service
from shared.kit.erasure_reports import HttpErasureReports
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime
from shared.kit.sql_clinic_settings import SqlSettingsCopy


@asynccontextmanager
async def wire(app: FastAPI, settings: SchedulingSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open everything the service needs, in order, and close it in reverse."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        store = SqlCalendarStore(database, runtime.clock, wake_relay=runtime.start_outbox_relay(database, INFRASTRUCTURE))
        rules = RuleCache(store, HttpRuleOwner(runtime.client(Service.DOCTOR)), apply_closures)
        reservations = Reservations(store, rules, runtime.clock)
        closures = Closures(store, runtime.clock)
        feeds = Feeds(store, settings.public_url, lambda: secrets.token_bytes(SECRET_BYTES), runtime.clock)
        patients = HttpPatientDirectory(runtime.client(Service.PATIENT))
        erasure = OwnerErasure(store, runtime.stored_answers, HttpErasureReports(runtime.client(Service.PATIENT)))
        runtime.provide(SlotSearch(store, rules, runtime.clock), reservations, Holds(store, rules, runtime.clock, patients))
        runtime.provide(Leaves(store, rules, runtime.clock), closures, Agenda(store, runtime.clock), feeds)
        merges = MergedPatients(store)
        runtime.provide(RuleChanges(store, rules, runtime.clock), ReportFigures(store, runtime.clock), merges)
        runtime.provide(MovePreviewing(store, runtime.clock))
        archive = Archive(store, runtime.clock)
        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        jobs.schedule_jobs(runtime.jobs, rules, closures, archive, holder)
        clinic = await runtime.follow_clinic(SqlSettingsCopy(database, CLINIC_SETTINGS))
        retention = CalendarRetention(store, lambda: clinic().retention_of("visits_years", settings.keep_years), runtime.clock)
        jobs.schedule_retention(runtime.jobs, retention, holder)
        await consumers.subscribe(runtime, rules, reservations, feeds, erasure, merges)
        async with runtime.jobs:
            yield
