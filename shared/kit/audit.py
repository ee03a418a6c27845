"""The lines that services report to the audit trail, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from shared.contracts.audit_actions import AUDIT_ACTIONS
from shared.contracts.events import AuditRecorded
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Service
from shared.kit.ids import new_id
from shared.kit.logs import request_id

State = Mapping[str, str | None]
MAX_VALUE_LENGTH = 100  # of a value of a state, in characters


def audit_event(
    source: Service,
    by: Caller | Actor,
    action: str,
    subject_id: UUID,
    *,
    at: datetime,
    before: State | None = None,
    after: State | None = None,
    row_id: UUID | None = None,
) -> AuditRecorded:
    """Return the event of an action that was done, with a new id and the id of the present request.

    `subject_id` is the person, or the thing if it is of no person. `before` and `after` have codes, ids and instants only. The relation is
    `self` for one's own data, otherwise the role. Raises KeyError for an action that the service has not declared in AUDIT_ACTIONS.
    """
    assert AUDIT_ACTIONS[source][action]
    relation = "self" if by.id == subject_id else by.role.value
    return AuditRecorded(
        id=new_id(),
        occurred_at=at,
        subject_id=subject_id,
        actor_id=by.id,
        actor_role=by.role,
        action=action,
        relation=relation,
        outcome="done",
        row_id=row_id,
        request_id=request_id.get(),
        source=source,
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
    )


def as_refused(event: AuditRecorded) -> AuditRecorded:
    """Return the event of the same action when it was refused: nothing permits it, so that it has no relation."""
    return event.model_copy(update={"outcome": "refused", "relation": None})


def changed_states(before: State, after: State) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Return the parts of two states that differ."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


def changed_fields(changes: Mapping[str, object], version: int) -> State:
    """Return what the audit trail shows of changed fields whose values may be texts: their names, and the new version."""
    names = " ".join(sorted(changes))
    return {"fields": names if len(names) <= MAX_VALUE_LENGTH else f"{names[: MAX_VALUE_LENGTH - 1]}…", "version": str(version)}
