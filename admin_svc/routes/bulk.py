"""Changing many appointments at once over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from admin_svc.domain.bulk import BulkChange
from admin_svc.domain.refusals import NoSuchBulkChange
from admin_svc.schemas.bulk import BulkItemOut, BulkResultOut, ChangeAppointments
from admin_svc.usecases.bulk import BulkChanges, BulkPreview
from shared.contracts.identity import Caller
from shared.contracts.refusals import Unavailable
from shared.kit import routes
from shared.kit.access import Staff
from shared.kit.examples import CHANGED_FIELDS
from shared.kit.idempotency import OperationId
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/appointments/bulk", tags=["Administration"])
UseBulkChanges = Annotated[BulkChanges, use_case(BulkChanges)]
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": BulkResultOut,
        "description": "Some appointments are still pending; they are changed within minutes. `Location` has the outcomes.",
        CHANGED_FIELDS: {"finished": False},
    }
}


@router.post(
    "",
    operation_id="change_appointments",
    response_model=BulkResultOut,
    responses=ACCEPTED | refusals(Unavailable),
    summary="Cancel, move or message many appointments",
)
async def change_appointments(
    body: ChangeAppointments, caller: Staff, operation: OperationId, changes: UseBulkChanges, response: Response
) -> BulkResultOut:
    """Up to 200 appointments. Each is changed by itself, by the rules for a single one, and has an outcome of its own.

    With `dry_run` nothing is changed, and the outcomes are those that would follow now; a move that cannot keep its time names the nearest
    free start of that doctor on the same day. A day's list of one doctor goes to a colleague with `doctor_id`. What does not fit into the
    time of one request is finished within minutes: then the answer is 202.
    """
    if body.dry_run:
        return _preview_out(body, await _preview(body, caller, changes))
    change = await changes.start(operation.id, body.request, caller)
    response.status_code = 200 if change.is_finished else 202
    response.headers["Location"] = f"/admin/appointments/bulk/{change.id}"
    return _change_out(change)


@router.get(
    "/{change_id}",
    operation_id="get_appointment_changes",
    response_model=BulkResultOut,
    responses=refusals(NoSuchBulkChange),
    summary="Get the outcomes of a bulk change",
)
async def get_appointment_changes(change_id: UUID, _caller: Staff, changes: UseBulkChanges) -> BulkResultOut:
    """The outcomes so far; they are kept for 30 days."""
    return _change_out(await changes.get(change_id))


async def _preview(body: ChangeAppointments, caller: Caller, changes: BulkChanges) -> BulkPreview:
    if body.filter is None:
        return await changes.preview(body.request, caller)
    return await changes.preview_matching(body.request, body.filter.query, body.target, caller)


def _preview_out(body: ChangeAppointments, preview: BulkPreview) -> BulkResultOut:
    items = list(map(BulkItemOut.of, preview.items))
    return BulkResultOut(id=None, action=body.action, dry_run=True, finished=True, complete=preview.complete, items=items)


def _change_out(change: BulkChange) -> BulkResultOut:
    items = list(map(BulkItemOut.of, change.items))
    return BulkResultOut(id=change.id, action=change.request.action, dry_run=False, finished=change.is_finished, items=items)
