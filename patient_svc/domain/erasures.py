"""Erasing a patient: when it is refused, and how it is known that every service has erased what it had."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from shared.contracts.derived_ids import derive_id
from shared.contracts.erasures import ERASING_SERVICES
from shared.contracts.events import PatientErased
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import Conflict, Forbidden, NotFound, facts

MAX_SIGNED_IN_AGE = timedelta(minutes=15)
LAST_PASS = 2
SECOND_PASS_AFTER = timedelta(minutes=2)
"""After this time every request that was under way at the erasure has ended, and nothing of it is stored any more."""
ASK_AGAIN_AFTER = timedelta(seconds=30)
MAX_SHOWN = 20
"""How many appointments a refusal names at most."""


class SignInAgain(Forbidden):
    """Raised when the session in which a patient asks for the erasure began too long ago, so that somebody else may use it."""

    code = "sign_in_again"
    detail = "This needs a session that began within the last 15 minutes."
    remedy = "Sign in with the password again, and repeat the request with the new access token. A refreshed token is not enough."


class FutureAppointments(Conflict):
    """Raised when a patient who asks for the erasure has appointments ahead. The fact `appointments` names the first ones."""

    code = "future_appointments"
    detail = "You have appointments ahead."
    remedy = "Cancel them, or repeat the request with `?appointments=cancel`, which cancels them whatever their cut-off is."
    example_facts = facts(appointments=[{"id": "01a206b9-ffc9-726c-b520-6c5fbdafecf3", "starts_at": "2026-03-09T13:30:00Z"}])


class HasDependants(Conflict):
    """Raised when a patient who asks for the erasure is the only guardian of somebody. The fact `dependant_ids` names these dependants."""

    code = "has_dependants"
    detail = "You act for people who have no other guardian."
    remedy = "Ask the clinic to add another guardian, or end the guardianship with `DELETE /patients/me/dependants/{id}` first."
    example_facts = facts(dependant_ids=["01a206b9-ffc9-726c-b520-6c5fbdafecf3"])


class NoSuchErasure(NotFound):
    """Raised when a service reports about an erasure that does not exist."""

    code = "no_such_erasure"
    detail = "There is no such erasure."


class ErasureReason(StrEnum):
    """Why a patient was erased: at their request, or because what was kept was older than the clinic keeps it."""

    REQUESTED = "requested"
    RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class AppointmentAhead:
    """An appointment that has not begun yet. `starts_at` is UTC."""

    id: UUID
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """The erasure of a patient. It has ids and instants (UTC) only.

    `pass_number` is the pass that is under way or was the last one, `published_at` when its event was published last. `completed_at` is
    when all services had reported in the last pass.
    """

    id: UUID
    patient_id: UUID
    reason: ErasureReason
    requested_at: datetime
    published_at: datetime
    pass_number: int = 1
    completed_at: datetime | None = None

    @classmethod
    def begin(cls, erasure_id: UUID, patient_id: UUID, reason: ErasureReason, now: datetime) -> Self:
        """Return a new erasure, whose first event is published now."""
        return cls(erasure_id, patient_id, reason, requested_at=now, published_at=now)

    def of_merged_patient(self, patient_id: UUID) -> Self:
        """Return the erasure of a patient who was merged into this one, with an id that depends on both.

        Other services may still have rows and stored answers with the old id, so that it is erased, and reported, as any other.
        """
        return replace(self, id=derive_id(self.id, patient_id, "merged"), patient_id=patient_id)

    @property
    def sort_key(self) -> tuple[str, UUID]:
        """What the list is sorted by; it becomes the cursor of the next page."""
        return self.requested_at.isoformat(), self.id

    def event(self, event_id: UUID) -> PatientErased:
        """Return the event that asks all services to erase the patient in this pass."""
        return PatientErased(
            id=event_id,
            occurred_at=self.published_at,
            patient_id=self.patient_id,
            erasure_id=self.id,
            pass_number=self.pass_number,
        )

    def advance(self, reported: Collection[Service], now: datetime) -> Self:
        """Return the erasure as it goes on, or self if nothing is due. `reported` are the services that have reported in this pass.

        An event is to be published where `published_at` differs afterwards.
        """
        if self.completed_at is not None:
            return self
        if set(reported) >= set(ERASING_SERVICES):
            if self.pass_number == LAST_PASS:
                return replace(self, completed_at=now)
            is_due = now >= self.requested_at + SECOND_PASS_AFTER
            return replace(self, pass_number=LAST_PASS, published_at=now) if is_due else self
        return replace(self, published_at=now) if now >= self.published_at + ASK_AGAIN_AFTER else self


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What a service has removed in a pass, and when it reported that (UTC)."""

    service: Service
    pass_number: int
    reported_at: datetime
    removed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReportedErasure:
    """An erasure with the reports of the services, in the order in which they arrived."""

    erasure: Erasure
    reports: Sequence[ErasureReport]

    @property
    def missing(self) -> list[Service]:
        """The services that have not reported in the pass that is under way, or was the last one."""
        reported = {report.service for report in self.reports if report.pass_number == self.erasure.pass_number}
        return [service for service in ERASING_SERVICES if service not in reported]


def require_recent_sign_in(caller: Caller, now: datetime) -> None:
    """Raise SignInAgain unless the session of the caller began within MAX_SIGNED_IN_AGE."""
    if caller.signed_in_at is None or now - caller.signed_in_at > MAX_SIGNED_IN_AGE:
        raise SignInAgain


def refuse_appointments_ahead(ahead: Sequence[AppointmentAhead]) -> None:
    """Raise FutureAppointments if there are any."""
    if ahead:
        raise FutureAppointments(appointments=[{"id": str(item.id), "starts_at": item.starts_at} for item in ahead[:MAX_SHOWN]])


def refuse_dependants(dependant_ids: Sequence[UUID]) -> None:
    """Raise HasDependants if there are any."""
    if dependant_ids:
        raise HasDependants(dependant_ids=list(map(str, dependant_ids)))
