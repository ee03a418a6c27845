"""The bodies of the log of who read or changed what of a patient."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from shared.contracts.audit import AuditOutcome
from shared.contracts.identity import Role
from shared.contracts.values import Instant, ReadModel


class AccessActorOut(ReadModel):
    """Who did it. `full_name` is the name of a doctor; it is null for others, and while the names of doctors are not available."""

    id: UUID
    role: Role
    full_name: str | None = Field(examples=["Mina Okafor"])


class AccessOut(ReadModel):
    """Who read or changed what of a patient, or was refused. `relation` says why the actor may; it is null after a refusal."""

    id: UUID
    at: Instant
    actor: AccessActorOut
    action: str = Field(examples=["medical_history.read"])
    relation: str | None = Field(examples=["treating_doctor"])
    outcome: AuditOutcome
