"""The figures of the calendar for the reports of admin-service: the time that doctors offer, and the next free appointments."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from scheduling_svc.domain.availability import free_starts
from scheduling_svc.domain.next_available import first_of_all, successive_starts
from scheduling_svc.domain.offered_time import OfferedTimeQuery, offered_minutes
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import ReportCalendar
from scheduling_svc.usecases.evaluation import load_grids
from scheduling_svc.usecases.rule_cache import load_offer
from shared.contracts.availability import DoctorAvailability, OfferedTime, ServiceAvailability
from shared.contracts.grains import DAY, instant_of
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

MAX_WINDOW = 62 * DAY


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """The figures of the calendar. They come from stored rules only, so that doctor-service is not called."""

    store: ReportCalendar
    now: Clock

    async def list_offered(self, query: OfferedTimeQuery, limit: int, after: UUID | None) -> list[OfferedTime]:
        """Return what up to `limit` doctors offer, by id, after the doctor `after`. Hours are those of the present rules."""
        doctors = await self._list_doctors(limit, after)
        absences = await self._list_absences(doctors, query)
        offered = []
        for doctor in doctors:
            minutes = offered_minutes(doctor, absences.get(doctor.id, ()), query)
            offered.append(OfferedTime(doctor_id=doctor.id, service_ids=sorted(doctor.services), minutes=minutes))
            await asyncio.sleep(0)
        return offered

    async def list_next_available(self, count: int, limit: int, after: UUID | None) -> list[ServiceAvailability]:
        """Return the first `count` free appointments of up to `limit` active services, by id, after the service `after`.

        They are those that a patient can book. With more than one, they are also given for each doctor.
        """
        services = await self._list_services(limit, after)
        available = []
        for service in services:
            available.append(await self._find_next(service, count))
            await asyncio.sleep(0)
        return available

    @retry_on_abort
    async def _find_next(self, service: ServiceTerms, count: int) -> ServiceAvailability:
        """Search one day, then two, four and so on up to the horizon, until there are `count` starts for any doctor, or for each."""
        viewer = Viewer(self.now())
        candidates = service.bookable_starts(viewer.now)
        days, begin, has_enough = 1, candidates.start, False
        async with self.store.read() as calendar:
            offer = await load_offer(calendar, service.id)
            offer = replace(offer, doctors=[doctor for doctor in offer.doctors if doctor.active and doctor.accepting_patients])
            starts: dict[UUID, list[int]] = {doctor.id: [] for doctor in offer.doctors}
            while begin < candidates.stop and offer.doctors and not has_enough:
                window = range(begin, min(candidates.stop, begin + min(days * DAY, MAX_WINDOW)))
                for grid in await load_grids(calendar, offer, window, viewer):
                    starts[grid.doctor.id] = successive_starts(free_starts(grid), offer.service, starts[grid.doctor.id], count)
                offer = replace(offer, doctors=[doctor for doctor in offer.doctors if len(starts[doctor.id]) < count])
                has_enough = count == 1 and any(starts.values())
                days, begin = days * 2, window.stop
                await asyncio.sleep(0)
        return _availability(service, starts, count)

    @retry_on_abort
    async def _list_doctors(self, limit: int, after: UUID | None) -> list[DoctorTerms]:
        return await self.store.list_all_doctors(limit, after)

    @retry_on_abort
    async def _list_services(self, limit: int, after: UUID | None) -> list[ServiceTerms]:
        return await self.store.list_active_services(limit, after)

    @retry_on_abort
    async def _list_absences(self, doctors: Sequence[DoctorTerms], query: OfferedTimeQuery) -> Mapping[UUID, Sequence[tuple[int, int]]]:
        return await self.store.list_absences([doctor.id for doctor in doctors], query.frame)


def _availability(service: ServiceTerms, starts: Mapping[UUID, Sequence[int]], count: int) -> ServiceAvailability:
    doctors = [
        DoctorAvailability(doctor_id=doctor_id, starts=list(map(instant_of, starts[doctor_id])))
        for doctor_id in sorted(starts)
        if count > 1
    ]
    first = list(map(instant_of, first_of_all(starts.values(), count)))
    return ServiceAvailability(service_id=service.id, specialty=service.specialty, starts=first, doctors=doctors)
