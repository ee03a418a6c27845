"""Appointments over HTTP, as appointment-service answers them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from admin_svc.ports import AdminAppointment
from admin_svc.routes.relayed_pages import DEFAULT_LIMIT, After, Limit
from admin_svc.schemas import UpdateAppointment
from admin_svc.usecases.appointments import AdminAppointments
from shared.contracts.appointments import AppointmentSort, AppointmentStatus
from shared.contracts.pages import Page
from shared.contracts.refusals import NotFound, Stale, Unavailable
from shared.contracts.relayed_refusals import NotBookable, OverrideNotAllowed, PatientBusy, SlotHeld, SlotTaken
from shared.contracts.values import Instant, format_instant
from shared.kit import routes
from shared.kit.access import Staff
from shared.kit.change_ids import ChangeId
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/appointments", tags=["Administration"])
UseAppointments = Annotated[AdminAppointments, use_case(AdminAppointments)]
Ids = Annotated[list[UUID] | None, Query(max_length=40)]


async def read_filter(
    status: Annotated[list[AppointmentStatus] | None, Query(max_length=20)] = None,
    doctor_id: Ids = None,
    patient_id: Ids = None,
    service_id: Ids = None,
    since: Annotated[Instant | None, Query(alias="from")] = None,
    until: Annotated[Instant | None, Query(alias="to")] = None,
    sort: Annotated[AppointmentSort | None, Query(description="Default: `starts_at`; descending with `-`.")] = None,
) -> dict[str, Any]:
    """Return the filters of `GET /appointments`; a filter with several values is repeated."""
    ids = {"doctor_id": doctor_id, "patient_id": patient_id, "service_id": service_id}
    period = {"from": since and format_instant(since), "to": until and format_instant(until)}
    return {"status": status, "sort": sort, **ids, **period}


AppointmentFilter = Annotated[dict[str, Any], Depends(read_filter)]


@router.get("", operation_id="list_all_appointments", response_model=Page[AdminAppointment], summary="List all appointments")
async def list_all_appointments(
    _caller: Staff,
    appointments: UseAppointments,
    query: AppointmentFilter,
    request: Request,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[AdminAppointment]:
    """The appointments of all patients, in the order of `sort`. Filters of different names must all match."""
    return with_next_link(request, response, await appointments.list_appointments(**query, limit=limit, after=after))


@router.get(
    "/{appointment_id}",
    operation_id="get_any_appointment",
    response_model=AdminAppointment,
    responses=refusals(NotFound),
    summary="Get any appointment",
)
async def get_any_appointment(appointment_id: UUID, _caller: Staff, appointments: UseAppointments, response: Response) -> AdminAppointment:
    """The appointment of any patient, with what only staff may see."""
    return with_etag(response, await appointments.get(appointment_id))


@router.put(
    "/{appointment_id}",
    operation_id="change_any_appointment",
    response_model=AdminAppointment,
    responses=refusals(NotFound, Stale, SlotTaken, SlotHeld, PatientBusy, NotBookable, OverrideNotAllowed, Unavailable),
    summary="Change any appointment",
)
async def change_any_appointment(
    appointment_id: UUID,
    body: UpdateAppointment,
    caller: Staff,
    expected_version: RequireIfMatch,
    change: ChangeId,
    appointments: UseAppointments,
    response: Response,
) -> AdminAppointment:
    """Changes time, doctor or status. All rules of appointments and of the calendar apply, except for the cut-offs.

    `override` lifts one rule of the calendar, for a reason: admins may lift every rule, the reception those that the clinic leaves to them.
    """
    return with_etag(response, await appointments.update(appointment_id, body.changes, expected_version, caller, change.id))
