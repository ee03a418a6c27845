"""The lines of the log of who read or changed what of a patient."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from patient_svc.domain.access import Access, AccessAction, Relation
from patient_svc.ports.accesses import AccessTransaction
from shared.contracts.identity import Caller
from shared.kit.ids import new_id
from shared.kit.logs import request_id


def access_line(
    caller: Caller,
    patient_id: UUID,
    action: AccessAction,
    relation: Relation | None,
    *,
    now: datetime,
    row_id: UUID | None = None,
) -> Access:
    """Return the line of what a caller does in the current request, with a new id; its refusal if `relation` is None."""
    return Access.of(new_id(), now, caller, patient_id, action, relation, row_id=row_id, request_id=request_id.get())


async def record_listing(
    tx: AccessTransaction, caller: Caller, patient_ids: Collection[UUID], action: AccessAction, relation: Relation, *, now: datetime
) -> None:
    """Record that a caller is shown these patients in a list: one line for each of them, written together."""
    await tx.record_accesses([access_line(caller, patient_id, action, relation, now=now) for patient_id in patient_ids])
