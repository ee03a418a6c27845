"""The claims of the calendar, as the checks read them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduling_svc.domain.claims import ResourceSpan
from scheduling_svc.repository.tables import CLAIMS, ClaimKind
from shared.contracts.grains import instant_of

OVERLAPPING_OVERRIDES = frozenset({"overbook", "on_leave"})
"""The overrides of staff by which a visit may lie over other claims of its doctor."""


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """A row of the table of claims. Grains are five minutes from the Unix epoch.

    `may_overlap`: the claim may share time of its doctor with other claims, in a lane of its own.
    """

    id: UUID
    kind: str
    live: bool
    archived: bool
    may_overlap: bool
    revision: int
    appointment_version: int
    service_id: UUID | None
    doctor_id: UUID | None
    patient_id: UUID | None
    visit_from: int | None
    visit_to: int | None
    span_from: int | None
    span_to: int | None
    session_id: UUID | None
    changed_at: datetime

    @classmethod
    def of(cls, row: Any) -> ClaimFacts:
        """Return the claim of a row."""
        names = ("id", "kind", "live", "archived", "revision", "appointment_version", "service_id", "doctor_id", "patient_id")
        times = ("visit_from", "visit_to", "span_from", "span_to", "session_id", "changed_at")
        may_overlap = row.over or getattr(row, "override_code", None) in OVERLAPPING_OVERRIDES
        return cls(may_overlap=may_overlap, **{name: getattr(row, name) for name in (*names, *times)})

    @property
    def resource_spans(self) -> list[ResourceSpan]:
        """The time that the claim must have in the grain table: none once it was released or archived.

        The claim of a seat has no time of the doctor, because the claim of its session has that time.
        """
        if not self.live or self.archived:
            return []
        spans = list[ResourceSpan]()
        if self.doctor_id is not None and self.span_from is not None and self.span_to is not None and self.session_id is None:
            spans.append(ResourceSpan(self.doctor_id, range(self.span_from, self.span_to)))
        has_visit = self.visit_from is not None and self.visit_to is not None
        if self.kind == ClaimKind.RESERVATION and has_visit and self.patient_id not in (None, self.doctor_id):
            assert self.patient_id is not None
            assert self.visit_from is not None
            assert self.visit_to is not None
            spans.append(ResourceSpan(self.patient_id, range(self.visit_from, self.visit_to)))
        return spans

    def covers(self, resource_id: UUID, grain: int) -> bool:
        """Return whether the claim must have this grain of a resource."""
        return any(resource_id == owner and grain in span for owner, span in self.resource_spans)

    @property
    def starts_at(self) -> datetime | None:
        """The start of the visit, in UTC."""
        return instant_of(self.visit_from) if self.visit_from is not None else None

    @property
    def ends_at(self) -> datetime | None:
        """The end of the visit, in UTC."""
        return instant_of(self.visit_to) if self.visit_to is not None else None


async def find_claims(connection: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, ClaimFacts]:
    """Return the claims that exist, by id."""
    if not ids:
        return {}
    rows = await connection.execute(select(CLAIMS).where(CLAIMS.c.id.in_(list(ids))))
    return {row.id: ClaimFacts.of(row) for row in rows}
