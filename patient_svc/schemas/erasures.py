"""The bodies of erasures."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import Field

from patient_svc.domain.erasures import ErasureReason, ReportedErasure
from shared.contracts.values import Instant, ReadModel


class ErasureOut(ReadModel):
    """Your data are erased. `id` names the report that the clinic keeps; it has no name and no other personal data."""

    id: UUID
    requested_at: Instant


class ErasureReportOut(ReadModel):
    """What a service has removed in a pass: how many things of which kind."""

    service: str = Field(examples=["appointment-service"])
    pass_number: int = Field(examples=[1])
    reported_at: Instant
    removed: dict[str, int] = Field(examples=[{"appointments": 3}])


class ReportedErasureOut(ReadModel):
    """An erasure, and what every service has removed.

    Each service removes what it has at once (pass 1), and once more minutes later what was stored meanwhile (pass 2). `missing` are the
    services that have not reported in the current pass; they are asked again. `completed_at` is null until all have reported in pass 2.
    """

    id: UUID
    patient_id: UUID
    reason: ErasureReason
    requested_at: Instant
    completed_at: Instant | None
    missing: list[str] = Field(examples=[["notification-service"]])
    reports: list[ErasureReportOut]

    @classmethod
    def of(cls, reported: ReportedErasure) -> Self:
        """Return an erasure as admins see it."""
        erasure = reported.erasure
        return cls(
            id=erasure.id,
            patient_id=erasure.patient_id,
            reason=erasure.reason,
            requested_at=erasure.requested_at,
            completed_at=erasure.completed_at,
            missing=[] if erasure.completed_at else list(map(str, reported.missing)),
            reports=[ErasureReportOut.model_validate(report) for report in reported.reports],
        )
