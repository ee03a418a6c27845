"""The bodies of the audit trail."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from shared.contracts.audit import AuditOutcome, AuditState
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
    `before` and `after` are the codes, ids and instants that a change changed. `hash` chains the line to the one before it: line number
    `position` of its recording `day` (UTC).
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
    before: AuditState | None = Field(examples=[{"status": "booked"}])
    after: AuditState | None = Field(examples=[{"status": "cancelled"}])
    recorded_at: Instant
    day: date
    position: int
    hash: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])


class AuditHeadOut(ReadModel):
    """The head of a recording day (UTC) that has ended: how many lines it has, the hash of the last one, and that of the last line before.

    `signature` is a JSON Web Signature (RFC 7515) of type `audit-head+jwt` over these, by the key `key_id` of
    `/.well-known/audit-keys.json`; it is null until the head has been signed. `lines_deleted_at` is set once the lines have been kept as
    long as the clinic keeps them.
    """

    day: date
    lines: int
    hash: str
    previous_hash: str
    closed_at: Instant
    key_id: str | None
    signature: str | None
    signed_at: Instant | None
    lines_deleted_at: Instant | None
