"""Erasures: what the services report to patient-service about the removal of a patient's identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Protocol
from uuid import UUID

from pydantic import Field

from shared.contracts.events import PatientErased
from shared.contracts.identity import Service
from shared.contracts.values import RequestModel

ERASING_SERVICES = (Service.PATIENT, Service.AUTH, Service.SCHEDULING, Service.APPOINTMENT, Service.NOTIFICATION, Service.ADMIN)
"""The services that have more of a patient than ids, links to a patient's data, or stored answers to requests which name patients."""
MAX_REMOVED_KINDS = 20
RemovedKind = Annotated[str, Field(pattern="^[a-z][a-z_]{0,39}$")]


class ReportErasure(RequestModel):
    """The body of `POST /internal/erasures/{id}/reports`: how many things of which kind a service has removed in a pass."""

    pass_number: int = Field(ge=1, le=2)
    removed: dict[RemovedKind, Annotated[int, Field(ge=0, le=2**31 - 1)]] = Field(max_length=MAX_REMOVED_KINDS)


class ErasureReports(Protocol):
    """patient-service, which records what every service has removed."""

    async def send(self, event: PatientErased, removed: Mapping[str, int]) -> None:
        """Report how many things of which kind were removed in the pass of an event. Raises Unavailable, after which the event comes again.

        An erasure that patient-service does not have is no failure: its database may have been restored from a backup.
        """


class StoredAnswers(Protocol):
    """The answers that a service has stored for Idempotency-Keys."""

    async def delete_mentioning(self, subject_id: UUID) -> int:
        """Delete the answers that contain an id or were sent to its owner; return how many."""
