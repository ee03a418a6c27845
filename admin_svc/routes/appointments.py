"""Appointments over HTTP, as appointment-service tells of them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from admin_svc.ports import Appointment
from admin_svc.routes.pages import After, Limit, as_page
from admin_svc.schemas import ChangeAppointment
from admin_svc.usecases.appointments import Appointments
from shared.contracts.refusals import NotFound, Stale
from shared.contracts.values import Instant, format_instant
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.paging import Page
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/appointments", tags=["Administration"])
Ids = Annotated[list[UUID] | None, Query(max_length=50)]


UseCases = Annotated[Appointments, use_case(Appointments)]


class Filters:
    """All filters of `GET /appointments`; a parameter with several values is repeated."""

    def __init__(
        self,
        status: Annotated[list[str] | None, Query(max_length=20)] = None,
        doctor_id: Ids = None,
        patient_id: Ids = None,
        service_id: Ids = None,
        since: Annotated[Instant | None, Query(alias="from")] = None,
        until: Annotated[Instant | None, Query(alias="to")] = None,
        sort: Annotated[str | None, Query(max_length=32, description="`starts_at` (default) or `created_at`; descending with `-`.")] = None,
    ) -> None:
        ids = {"doctor_id": doctor_id, "patient_id": patient_id, "service_id": service_id}
        times = {"from": since and format_instant(since), "to": until and format_instant(until)}
        self.given = {"status": status, "sort": sort, **ids, **times}


@router.get("", response_model=Page[Appointment], summary="All appointments")
async def list_all_appointments(
    _caller: Admin, appointments: UseCases, filters: Annotated[Filters, Depends()], limit: Limit = 25, after: After = None
) -> Page[Appointment]:
    return as_page(await appointments.browse(**filters.given, limit=limit, after=after))


@router.get("/{appointment_id}", response_model=Appointment, responses=refusals(NotFound), summary="One appointment, of anyone")
async def get_any_appointment(appointment_id: UUID, _caller: Admin, appointments: UseCases) -> Appointment:
    return await appointments.find(appointment_id)


@router.put(
    "/{appointment_id}", response_model=Appointment, responses=refusals(NotFound, Stale), summary="Change an appointment, of anyone"
)
async def change_any_appointment(
    appointment_id: UUID, body: ChangeAppointment, caller: Admin, expected: RequireIfMatch, appointments: UseCases
) -> Appointment:
    """Time, doctor or status; the rules of appointments and calendar hold, cut-offs aside."""
    return await appointments.change(appointment_id, body.changes, caller, expected)
