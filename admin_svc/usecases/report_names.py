"""The names of doctors and services in reports, and the specialties of services, as doctor-service knows them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from cachetools import LRUCache

from admin_svc.domain.report_figures import ReportGroup
from admin_svc.ports.reports import NameClient
from shared.contracts.names import MAX_NAMES, NamedDoctor, NamedService
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock
from shared.kit.deadlines import shorten_deadline

R = TypeVar("R")
NAMES_SECONDS = 2
"""How long a report waits for names before it is given without them."""
MAX_AGE = timedelta(minutes=1)
MAX_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class NameEntry:
    """What doctor-service said of an id; `named` is None for one that it does not know."""

    named: NamedDoctor | NamedService | None
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class FoundSpecialties:
    """The specialties of services that have one. `complete` is False if doctor-service did not answer and something is not known."""

    specialties: Mapping[UUID, str]
    complete: bool


@dataclass(frozen=True, slots=True)
class ReportNames:
    """Finds names in memory for MAX_AGE, and then asks. While doctor-service does not answer, older names are used."""

    client: NameClient
    now: Clock
    entries: LRUCache[UUID, NameEntry] = field(default_factory=lambda: LRUCache(MAX_ENTRIES))

    async def add_to(self, rows: Sequence[R], group: ReportGroup) -> list[R]:
        """Return the rows with the names of the doctors or services for which they stand."""
        if group not in (ReportGroup.DOCTOR, ReportGroup.SERVICE):
            return list(rows)
        listed: list[Any] = list(rows)
        ids = [UUID(row.key) for row in listed]
        await self._load(ids if group is ReportGroup.DOCTOR else (), ids if group is ReportGroup.SERVICE else ())
        return [replace(row, name=_name_of(self.entries.get(row_id))) for row, row_id in zip(listed, ids, strict=True)]

    async def find_specialties(self, service_ids: Iterable[UUID]) -> FoundSpecialties:
        """Return the specialties of services."""
        ids = list(dict.fromkeys(service_ids))
        await self._load((), ids)
        known = {service_id: entry.named for service_id in ids if (entry := self.entries.get(service_id)) is not None}
        specialties = {service_id: named.specialty for service_id, named in known.items() if isinstance(named, NamedService)}
        with_specialty = {service_id: specialty for service_id, specialty in specialties.items() if specialty}
        return FoundSpecialties(with_specialty, complete=len(known) == len(ids))

    async def _load(self, doctor_ids: Collection[UUID], service_ids: Collection[UUID]) -> None:
        """Ask for what is not known, or not recently, in requests of MAX_NAMES ids; stop when there is no answer in time."""
        doctors, services = self._outdated(doctor_ids), self._outdated(service_ids)
        try:
            with shorten_deadline(NAMES_SECONDS):
                for first in range(0, max(len(doctors), len(services)), MAX_NAMES):
                    await self._fetch(doctors[first : first + MAX_NAMES], services[first : first + MAX_NAMES])
        except Unavailable:
            return

    async def _fetch(self, doctor_ids: Sequence[UUID], service_ids: Sequence[UUID]) -> None:
        found = await self.client.find(doctor_ids, service_ids)
        by_id: dict[UUID, NamedDoctor | NamedService] = {doctor.id: doctor for doctor in found.doctors}
        by_id |= {service.id: service for service in found.services}
        now = self.now()
        for item_id in (*doctor_ids, *service_ids):
            self.entries[item_id] = NameEntry(by_id.get(item_id), now)

    def _outdated(self, ids: Iterable[UUID]) -> list[UUID]:
        now = self.now()
        entries = {item_id: self.entries.get(item_id) for item_id in ids}
        return [item_id for item_id, entry in entries.items() if entry is None or not timedelta() <= now - entry.fetched_at < MAX_AGE]


def _name_of(entry: NameEntry | None) -> str | None:
    named = entry.named if entry else None
    return named.full_name if isinstance(named, NamedDoctor) else named.name if named else None
