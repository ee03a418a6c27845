"""The audit trail: who read or changed what of which person, as the services report it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self
from uuid import UUID

from shared.contracts.audit import AuditOutcome
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Role, Service
from shared.contracts.ranges import check_range

MAX_FORMER_IDS = 200
"""The largest number of former ids of a person whose lines are listed with those of the person."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line of the audit trail, with ids, codes and instants (UTC) only. It has the id of the event that reported it.

    `relation` says why the actor may do this; it is None after a refusal. `row_id` names the row of the service `source` that the line is
    about: free text, such as a reason, is there. `before` and `after` are what a change changed. `recorded_at` is when the line arrived.
    The line is the one at `position` (from 1 on) of its recording `day` (UTC), and `hash` chains it to the line before it; a line that is
    not stored yet has none of the three.
    """

    id: UUID
    at: datetime
    actor_id: UUID
    actor_role: Role
    action: str
    subject_id: UUID
    relation: str | None
    outcome: AuditOutcome
    row_id: UUID | None
    request_id: str | None
    source: Service
    recorded_at: datetime
    before: Mapping[str, str | None] | None = None
    after: Mapping[str, str | None] | None = None
    day: date | None = None
    position: int = 0
    hash: str = ""

    @classmethod
    def from_event(cls, event: AuditRecorded, recorded_at: datetime) -> Self:
        """Return the line that an event reports."""
        return cls(
            id=event.id,
            at=event.occurred_at,
            actor_id=event.actor_id,
            actor_role=event.actor_role,
            action=event.action,
            subject_id=event.subject_id,
            relation=event.relation,
            outcome=event.outcome,
            row_id=event.row_id,
            request_id=event.request_id,
            source=event.source,
            recorded_at=recorded_at,
            before=event.before,
            after=event.after,
        )


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines a reader requests. None leaves a filter out; those that are given must all match. The range is half open.

    `subject_ids` are the ids of one person, in the order in which they were given: the current one and former ones. None is any person.
    """

    actor_id: UUID | None = None
    action: str | None = None
    subject_ids: tuple[UUID, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Raise RangeReversed for a range that does not end after its start."""
        if self.since is not None and self.until is not None:
            check_range(self.since, self.until)
