"""The calls of doctor-service after a change of rules: store the new rules at once, and list the visits outside the hours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduling_svc.domain.claims import Claim
from scheduling_svc.domain.outside_hours import claims_outside_hours
from scheduling_svc.ports import CalendarReader, CalendarStore
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.http import VisitOutsideHours, VisitsOutsideHours
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

MAX_LISTED = 1000
PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """Follows changes of rules before their events arrive."""

    store: CalendarStore
    rules: RuleCache
    now: Clock

    @retry_on_abort
    async def follow_doctor(self, doctor_id: UUID, version: int) -> None:
        """Make sure that the rules of a doctor are stored in at least this version; raise UnknownDoctor."""
        await self.rules.ensure_doctor(doctor_id, version)

    @retry_on_abort
    async def follow_service(self, service_id: UUID, version: int) -> None:
        """Make sure that the rules of a service are stored in at least this version; raise UnknownService."""
        await self.rules.ensure(service_id, minimum_versions={service_id: version})

    @retry_on_abort
    async def list_visits_outside_hours(self, doctor_id: UUID, version: int) -> VisitsOutsideHours:
        """Return the visits of a doctor that have not begun and lie outside the hours, a thousand at most, by start and appointment id.

        The hours are those of this version or a later one. Raise UnknownDoctor.
        """
        await self.rules.ensure_doctor(doctor_id, version)
        outside: list[Claim] = []
        async with self.store.read() as calendar:
            [doctor] = await calendar.list_doctors([doctor_id])
            async for page in _iterate_upcoming_claims(calendar, doctor_id, self.now()):
                outside += claims_outside_hours(doctor.hours, page)
                if len(outside) > MAX_LISTED:
                    break
        reservations = [claim.reservation() for claim in outside[:MAX_LISTED]]
        items = [VisitOutsideHours(appointment_id=item.appointment_id, starts_at=item.starts_at) for item in reservations]
        return VisitsOutsideHours(items=items, complete=len(outside) <= MAX_LISTED)


async def _iterate_upcoming_claims(calendar: CalendarReader, doctor_id: UUID, now: datetime) -> AsyncIterator[list[Claim]]:
    """Yield the claims of a doctor whose visits have not begun, in the order of time, page by page."""
    last: Claim | None = None
    while page := await calendar.list_upcoming_claims(doctor_id, now, PAGE_SIZE, last):
        yield page
        last = page[-1]
