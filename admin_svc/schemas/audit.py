"""The bodies of the audit trail."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from shared.contracts.audit import AuditOutcome
from shared.contracts.identity import Role
from shared.contracts.values import Instant, ReadModel

AuditAction = Annotated[
    str,
    StringConstraints(max_length=48, pattern=r"^[a-z_]{1,24}\.[a-z_]{1,23}$"),
    Field(examples=["medical_history.read"]),
]
"""What was done, as `noun.verb`."""


class AuditLineOut(ReadModel):
    """Who read or changed what of which person, or was refused.

    `relation` says why the actor may; it is null after a refusal. `row_id` names the row of the service `source` that the line is about.
    `hash` is null: lines are not chained yet.
    """

    id: UUID
    at: Instant
    actor: UUID = Field(validation_alias="actor_id")
    actor_role: Role
    action: str = Field(examples=["medical_history.read"])
    subject: UUID = Field(validation_alias="subject_id")
    relation: str | None = Field(examples=["treating_doctor"])
    outcome: AuditOutcome
    row_id: UUID | None
    source: str = Field(examples=["patient-service"])
    request_id: str | None
    hash: str | None = None
