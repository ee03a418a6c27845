"""The composition root of patient-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import FastAPI

from patient_svc import consumers, jobs
from patient_svc.clients import (
    HttpAccountDirectory,
    HttpAppointmentDirectory,
    HttpAppointmentsAhead,
    HttpCalendarMerges,
    HttpDoctorNameClient,
    HttpExportSources,
    HttpLiveVisits,
    HttpTreatments,
)
from patient_svc.domain.erasures import AppointmentAhead
from patient_svc.domain.relations import AccessPolicy
from patient_svc.domain.visits import PatientVisit
from patient_svc.repository import SqlPatientStore
from patient_svc.repository.record_cipher import RecordKeyring
from patient_svc.repository.record_keys import KeyRotation, check_master_keys
from patient_svc.repository.tables import CLINIC_SETTINGS, INFRASTRUCTURE
from patient_svc.repository.visits import SqlRebuildStore
from patient_svc.settings import PatientSettings, parse_record_keys
from patient_svc.usecases.access_control import AccessControl
from patient_svc.usecases.access_log import AccessLog, AccessRetention
from patient_svc.usecases.booking_history import BookingHistory
from patient_svc.usecases.break_glass import BreakGlassAccess
from patient_svc.usecases.dependants import Dependants
from patient_svc.usecases.erasures import Erasures
from patient_svc.usecases.exports import PatientExports
from patient_svc.usecases.guardians import Guardianships
from patient_svc.usecases.medical_history import MedicalHistory
from patient_svc.usecases.merges import Merges
from patient_svc.usecases.patients import Patients
from patient_svc.usecases.preferences import PatientPreferences
from patient_svc.usecases.retention import RecordRetention, VisitRetention
from patient_svc.usecases.search import PatientSearch
from patient_svc.usecases.staff_patients import StaffPatients
from shared.contracts.clinic import ClinicProfile, CurrentClinic
from shared.contracts.identity import Service
from shared.contracts.refusals import Unavailable
from shared.kit.clock import system_clock
from shared.kit.leases import LeaseHolder
from shared.kit.overrides import Overrides
from shared.kit.rebuilding import ReadModelRebuilding
from shared.kit.rebuilds import RebuildRequests
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime
from shared.kit.sql import Database
from shared.kit.sql_clinic_settings import SqlSettingsCopy
from shared.kit.sql_idempotency import SqlIdempotencyStore


@dataclass(frozen=True, slots=True)
class CurrentRetention:
    """How long data are kept now: as an admin has set it, or else as the environment says."""

    settings: PatientSettings
    clinic: CurrentClinic

    def accesses_days(self) -> int:
        """Return for how many days patients see who read their data."""
        return self.clinic().retention_of("accesses_days", self.settings.keep_accesses_days)

    def records_years(self) -> int:
        """Return for how many years the data of patients without an active account are kept."""
        return self.clinic().retention_of("records_years", self.settings.keep_records_years)

    def visits_years(self) -> int:
        """Return for how many years visits stay in the booking history: at least as long as records are kept."""
        return max(self.clinic().retention_of("visits_years", self.settings.keep_visits_years), self.records_years())


@asynccontextmanager
async def wire(app: FastAPI, settings: PatientSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        wake_relay = runtime.start_outbox_relay(database, INFRASTRUCTURE)
        keyring = RecordKeyring(parse_record_keys(settings.record_keys))
        await check_master_keys(database, keyring)
        store = SqlPatientStore(database, runtime.clock, wake_relay=wake_relay, keyring=keyring)

        clinic = await runtime.follow_clinic(SqlSettingsCopy(database, CLINIC_SETTINGS))
        periods = CurrentRetention(settings, clinic)
        policy = AccessPolicy(settings.treatment_months, settings.adult_age_years, clinic)
        access = AccessControl(store, HttpTreatments(runtime.client(Service.APPOINTMENT)), runtime.clock, policy)
        patients = Patients(store, runtime.clock, clinic, access)
        preferences = PatientPreferences(store, runtime.clock, clinic, access)
        dependants = Dependants(store, runtime.clock, clinic, access)
        access_log = AccessLog(store, access, HttpDoctorNameClient(runtime.client(Service.DOCTOR)))
        guardianships = Guardianships(store, access, runtime.clock)
        live_visits, calendar = HttpLiveVisits(runtime.client(Service.APPOINTMENT)), HttpCalendarMerges(runtime.client(Service.SCHEDULING))
        runtime.provide(access, patients, preferences, dependants, access_log, guardianships)
        runtime.provide(Merges(store, live_visits, calendar, access, runtime.clock))
        runtime.provide(MedicalHistory(access, runtime.clock, clinic, settings.max_entries))
        runtime.provide(BreakGlassAccess(access, runtime.clock, settings.break_glass_minutes))
        accounts = HttpAccountDirectory(runtime.client(Service.AUTH))
        search = PatientSearch(store, accounts, runtime.clock, clinic)
        runtime.provide(search, StaffPatients(store, access, accounts, runtime.clock, clinic))

        directory = HttpAppointmentDirectory(runtime.client(Service.APPOINTMENT))
        runtime.provide(BookingHistory(access, directory))
        rebuilding = ReadModelRebuilding(store, directory, PatientVisit.of, runtime.clock)
        retention = AccessRetention(store, periods.accesses_days, runtime.clock)
        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        jobs.schedule_jobs(runtime.jobs, holder, rebuilding, retention, search, guardianships)
        clients = [runtime.client(service) for service in (Service.AUTH, Service.APPOINTMENT, Service.NOTIFICATION)]
        sources = HttpExportSources(*clients)
        runtime.provide(PatientExports(store, access, dependants, access_log, directory, sources, runtime.clock, clinic))
        _wire_erasures(runtime, periods, store, policy, holder)
        await consumers.subscribe(runtime, patients)
        async with runtime.jobs:
            yield


def _wire_erasures(
    runtime: ServiceRuntime, periods: CurrentRetention, store: SqlPatientStore, policy: AccessPolicy, holder: LeaseHolder
) -> None:
    """Provide the erasure of patients, and schedule what deletes old records and visits."""
    ahead = HttpAppointmentsAhead(runtime.client(Service.APPOINTMENT))
    erasures = Erasures(store, ahead, runtime.stored_answers, runtime.clock, policy)
    runtime.provide(erasures)
    record_retention = RecordRetention(store, erasures, periods.records_years, runtime.clock)
    visit_retention = VisitRetention(store, periods.visits_years, runtime.clock)
    jobs.schedule_erasures(runtime.jobs, holder, erasures, record_retention, visit_retention)


@asynccontextmanager
async def open_key_rotation(database_url: str, record_keys: str) -> AsyncIterator[KeyRotation]:
    """Open the database for `careslot rotate-keys`. Raises InvalidSettings for keys that are not those of the database."""
    async with Database(database_url) as database:
        keyring = RecordKeyring(parse_record_keys(record_keys))
        await check_master_keys(database, keyring)
        yield KeyRotation(database, keyring)


@asynccontextmanager
async def open_rebuild_requests(database_url: str) -> AsyncIterator[RebuildRequests]:
    """Open the database for `careslot rebuild history`, which needs no keys."""
    async with Database(database_url) as database:
        yield RebuildRequests(SqlRebuildStore(database, system_clock), system_clock)


class AppointmentsNotAsked:
    """Implements AppointmentsAhead where no erasure depends on appointments."""

    async def list_ahead(self, patient_ids: Collection[UUID], now: datetime) -> list[AppointmentAhead]:
        raise Unavailable("appointment-service is not asked.", retry_after=1)


@asynccontextmanager
async def open_erasures(settings: PatientSettings) -> AsyncIterator[Erasures]:
    """Open the database to repeat erasures in restored data. The events that follow leave when the services run."""
    async with Database(settings.database_url) as database:
        store = SqlPatientStore(
            database, system_clock, wake_relay=lambda: None, keyring=RecordKeyring(parse_record_keys(settings.record_keys))
        )
        answers = SqlIdempotencyStore(database, INFRASTRUCTURE, system_clock)
        clinic = ClinicProfile(time_zone=settings.time_zone)
        policy = AccessPolicy(settings.treatment_months, settings.adult_age_years, lambda: clinic)
        yield Erasures(store, AppointmentsNotAsked(), answers, system_clock, policy)
