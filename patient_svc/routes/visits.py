"""The booking history over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from patient_svc.domain.merges import PatientWasMerged
from patient_svc.domain.visits import VisitFilter, VisitSort
from patient_svc.routes.callers import VisitsReader
from patient_svc.schemas.visits import BookingHistoryPage, HistoryVisitOut
from patient_svc.usecases.booking_history import BookingHistory
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.ranges import RangeReversed
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.paging import BadCursor, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/{patient_id}/appointments", tags=["Patients"])
UseBookingHistory = Annotated[BookingHistory, use_case(BookingHistory)]


def _filter(
    status: Annotated[list[AppointmentStatus] | None, Query(max_length=20)] = None,
    begins: Annotated[Instant | None, Query(alias="from")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included.")] = None,
    sort: VisitSort = "-starts_at",
) -> VisitFilter:
    return VisitFilter(tuple(status or ()), begins, ends, sort)


Filter = Annotated[VisitFilter, Depends(_filter)]


@router.get(
    "",
    operation_id="list_booking_history",
    response_model=BookingHistoryPage,
    responses=refusals(NoSuchPatient, PatientWasMerged, BadCursor, RangeReversed, Unavailable),
    summary="A patient's booking history",
)
async def list_booking_history(
    patient_id: UUID,
    caller: VisitsReader,
    paging: Paged,
    wanted: Filter,
    history: UseBookingHistory,
    request: Request,
    response: Response,
) -> BookingHistoryPage:
    """For the patient, guardians, the treating doctor, reception and admins; others get 404. The latest visit comes first.

    It comes from what appointment-service has announced, so that a new booking is in it after a moment.
    """
    visits = await history.list_for_patient(caller, patient_id, wanted, limit=paging.limit, after=paging.after)
    page = with_next_link(request, response, paging.page(visits.rows, lambda visit: visit.sort_key))
    return BookingHistoryPage(items=list(map(HistoryVisitOut.of, page.items)), next=page.next, complete=visits.complete)
