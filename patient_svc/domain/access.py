"""Who read or changed what of a patient, and why they may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.contracts.audit import AuditOutcome
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Caller, Role, Service


class Relation(StrEnum):
    """Why a caller may read or change something of a patient. Exactly one counts, the first in this order that permits it."""

    SELF = "self"
    GUARDIAN = "guardian"
    TREATING_DOCTOR = "treating_doctor"
    BREAK_GLASS = "break_glass"
    RECEPTION = "reception"
    ADMIN = "admin"
    SERVICE = "service"


class AccessAction(StrEnum):
    """What was done, as audit lines name it."""

    PROFILE_READ = "profile.read"
    PROFILE_CHANGED = "profile.change"
    PROFILE_CREATED = "profile.create"
    HISTORY_READ = "medical_history.read"
    HISTORY_ADDED = "medical_history.add"
    HISTORY_CORRECTED = "medical_history.correct"
    HISTORY_RETRACTED = "medical_history.retract"
    SUMMARY_READ = "summary.read"
    VISITS_READ = "visits.read"
    BREAK_GLASS = "break_glass.open"
    BREAK_GLASS_READ = "break_glass.read"
    GUARDIANS_READ = "guardians.read"
    DEPENDANT_READ = "dependant.read"
    DEPENDANT_CHANGED = "dependant.change"
    ACCESS_LOG_READ = "access_log.read"
    PATIENT_EXPORTED = "patient.export"
    PATIENT_ERASED = "patient.erase"
    ERASURE_READ = "erasure.read"
    PROFILE_MERGED = "profile.merge"


class Outcome(StrEnum):
    """Whether it was done or refused."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Access:
    """A line of the log of a patient: ids, codes and an instant (UTC), no text. `relation` is None for a caller without any."""

    id: UUID
    at: datetime
    patient_id: UUID
    actor_id: UUID
    actor_role: Role
    action: AccessAction
    relation: Relation | None
    outcome: Outcome
    row_id: UUID | None = None
    request_id: str | None = None

    @classmethod
    def of(
        cls,
        access_id: UUID,
        at: datetime,
        caller: Caller,
        patient_id: UUID,
        action: AccessAction,
        relation: Relation | None,
        *,
        row_id: UUID | None = None,
        request_id: str | None = None,
    ) -> Access:
        """Return the line of something that a caller did, or of its refusal if the caller has no relation that permits it."""
        outcome = Outcome.REFUSED if relation is None else Outcome.DONE
        return cls(access_id, at, patient_id, caller.id, caller.role, action, relation, outcome, row_id, request_id)

    def event(self) -> AuditRecorded:
        """Return the event that carries the line to the audit trail. It has the id of the line."""
        return AuditRecorded(
            id=self.id,
            occurred_at=self.at,
            subject_id=self.patient_id,
            actor_id=self.actor_id,
            actor_role=self.actor_role,
            action=self.action,
            relation=self.relation,
            outcome=self.outcome.value,
            row_id=self.row_id,
            request_id=self.request_id,
            source=Service.PATIENT,
        )


@dataclass(frozen=True, slots=True)
class AccessActor:
    """Who did it. `full_name` is the name of a doctor, if it is known; other people are not named."""

    id: UUID
    role: Role
    full_name: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedAccess:
    """A stored line as the patient sees it. A newer release may have written actions and relations that this one does not know."""

    id: UUID
    at: datetime
    actor: AccessActor
    action: str
    relation: str | None
    outcome: AuditOutcome

    def with_name(self, names: Mapping[UUID, str]) -> LoggedAccess:
        """Return the line with the name of its actor, if `names` has one."""
        return replace(self, actor=replace(self.actor, full_name=names.get(self.actor.id)))
