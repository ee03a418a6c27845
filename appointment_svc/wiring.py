"""The composition root of appointment-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from prometheus_client import Counter

from appointment_svc import consumers, jobs
from appointment_svc.clients import HttpCalendar, HttpDoctorLookup, HttpPatientContactLookup, HttpPatientLookup
from appointment_svc.domain.overrides import OverridePolicy
from appointment_svc.domain.visit_links import LinkTokens
from appointment_svc.repository import open_storage
from appointment_svc.repository.clinic_settings import DocumentSettingsCopy
from appointment_svc.repository.relay import BATCH, DocumentRelay
from appointment_svc.repository.store import DocumentStore
from appointment_svc.settings import AppointmentSettings
from appointment_svc.usecases.actions import AppointmentActions
from appointment_svc.usecases.book import Booking
from appointment_svc.usecases.booking_history import BookingHistorySource
from appointment_svc.usecases.doctors import DoctorFollower
from appointment_svc.usecases.erasure import AppointmentErasure
from appointment_svc.usecases.leaves import LeaveFollower
from appointment_svc.usecases.merged_patients import MergeFollower
from appointment_svc.usecases.queries import AppointmentQueries
from appointment_svc.usecases.reconcile import Reconciliation
from appointment_svc.usecases.retention import AppointmentRetention, TextRetention
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from appointment_svc.usecases.visit_links import LinkedVisits
from shared.contracts.clinic import CurrentClinic
from shared.contracts.identity import Service
from shared.kit.erasure_reports import HttpErasureReports
from shared.kit.leases import LeaseHolder
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: AppointmentSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open everything the service needs, in order, and close it in reverse."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        storage = await runtime.stack.enter_async_context(open_storage(settings.database_url, runtime.bus, runtime.clock))
        app.state.idempotency = storage.idempotency
        app.state.checks.append(storage.check)

        holder = LeaseHolder(storage.leases, overrides.instance_name, runtime.clock)
        runtime.keep_dead_letters(storage.dead_letters, holder)
        relay = DocumentRelay(storage.documents, runtime.bus, runtime.clock)
        wake_relay = jobs.schedule_outbox_jobs(
            runtime.jobs, holder, publish=relay.publish, batch=BATCH, prune_events=relay.prune, prune_keys=storage.prune_keys
        )
        store = DocumentStore(storage.documents, wake_relay)
        clinic = await runtime.follow_clinic(DocumentSettingsCopy(storage.documents))

        calendar = HttpCalendar(runtime.client(Service.SCHEDULING))
        patient_client = runtime.client(Service.PATIENT)
        doctors, patients = HttpDoctorLookup(runtime.client(Service.DOCTOR)), HttpPatientLookup(patient_client)
        synchronizer = CalendarSynchronizer(store, calendar, doctors, runtime.clock)
        policy = OverridePolicy(frozenset(settings.reception_may_override))
        actions = AppointmentActions(store, synchronizer, doctors, patients, runtime.clock, policy)
        contacts, tokens = HttpPatientContactLookup(patient_client), LinkTokens(settings.link_secret)
        booking = Booking(store, synchronizer, doctors, patients, runtime.clock, settings.max_active_appointments, tokens, policy)
        linked_visits = LinkedVisits(store, actions, contacts, patients, tokens, clinic, runtime.clock)
        runtime.provide(booking, actions, AppointmentQueries(store, patients), BookingHistorySource(store), linked_visits)
        doctor_follower = DoctorFollower(store, synchronizer, runtime.clock)
        reports = HttpErasureReports(patient_client)
        erasure = AppointmentErasure(store, synchronizer, storage.idempotency, reports, runtime.clock)
        merge_follower = MergeFollower(store, synchronizer, patients, erasure, runtime.clock)
        await consumers.subscribe(runtime, LeaveFollower(store, synchronizer), doctor_follower, erasure, merge_follower)

        reconciliation = create_reconciliation(runtime, settings, store, calendar, synchronizer)
        seconds = settings.reconcile_every_seconds
        jobs.schedule_jobs(runtime.jobs, holder, reconciliation, doctor_follower, merge_follower, reconcile_every_seconds=seconds)
        schedule_retention(runtime, settings, store, clinic, holder)
        async with runtime.jobs:
            yield


def create_reconciliation(
    runtime: ServiceRuntime, settings: AppointmentSettings, store: DocumentStore, calendar: HttpCalendar, synchronizer: CalendarSynchronizer
) -> Reconciliation:
    """Return the comparison of appointments with the calendar; a metric counts the runs that would have released too much."""
    retry_after = timedelta(seconds=settings.retry_pending_after_seconds)
    registry = runtime.app.state.registry
    stopped = Counter("reconcile_stopped", "Comparisons that would have released too many reservations", registry=registry)
    return Reconciliation(store, calendar, synchronizer, runtime.clock, retry_after, settings.reconcile_max_releases, stopped.inc)


def schedule_retention(
    runtime: ServiceRuntime, settings: AppointmentSettings, store: DocumentStore, clinic: CurrentClinic, holder: LeaseHolder
) -> None:
    """Schedule the removal of texts and of appointments after the years that the clinic has set, or else the environment."""
    texts = TextRetention(store, lambda: clinic().retention_of("texts_years", settings.keep_texts_years), runtime.clock)
    appointments = AppointmentRetention(store, lambda: clinic().retention_of("visits_years", settings.keep_years), runtime.clock)
    jobs.schedule_retention(runtime.jobs, holder, texts, appointments)
