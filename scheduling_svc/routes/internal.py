"""Routes for other services."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from scheduling_svc.domain.refusals import NoSuchReservation, UnknownDoctor
from scheduling_svc.usecases.merged_patients import MergedPatients
from scheduling_svc.usecases.reservations import Reservations
from scheduling_svc.usecases.rule_changes import RuleChanges
from shared.contracts.http import FollowMerge, Reservation, ReserveTime, RulesVersion, VisitsOutsideHours
from shared.contracts.identity import Caller, Service
from shared.contracts.relayed_refusals import (
    HoldExpired,
    HoldMismatch,
    NotBookable,
    PatientBusy,
    ReservationReleased,
    SlotHeld,
    SlotTaken,
    UnknownService,
)
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.paging import Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/internal", internal=True)
UseCases = Annotated[Reservations, use_case(Reservations)]
UseRuleChanges = Annotated[RuleChanges, use_case(RuleChanges)]
DoctorService = Annotated[Caller, Depends(require_services(Service.DOCTOR))]
Version = Annotated[int, Query(ge=1, lt=2**31)]
PatientService = Annotated[Caller, Depends(require_services(Service.PATIENT))]
UseMergedPatients = Annotated[MergedPatients, use_case(MergedPatients)]
AppointmentService = Annotated[Caller, Depends(require_services(Service.APPOINTMENT))]
RESERVE_REFUSALS = (
    UnknownService, UnknownDoctor, NotBookable, SlotTaken, SlotHeld, PatientBusy, HoldMismatch, HoldExpired, ReservationReleased,
)  # fmt: skip


@router.put(
    "/reservations/{appointment_id}",
    response_model=Reservation,
    responses=refusals(*RESERVE_REFUSALS),
    summary="Reserve time, or move a reservation",
)
async def reserve(appointment_id: UUID, body: ReserveTime, _caller: AppointmentService, reservations: UseCases) -> Reservation:
    return await reservations.reserve(appointment_id, body)


@router.delete("/reservations/{appointment_id}", status_code=204, summary="Release a reservation")
async def release(
    appointment_id: UUID, revision: Annotated[int, Query(ge=1, lt=2**31)], _caller: AppointmentService, reservations: UseCases
) -> None:
    return await reservations.release(appointment_id, revision)


@router.get(
    "/reservations/{appointment_id}", response_model=Reservation, responses=refusals(NoSuchReservation), summary="Get a reservation"
)
async def get_reservation(appointment_id: UUID, _caller: AppointmentService, reservations: UseCases) -> Reservation:
    return await reservations.get(appointment_id)


@router.get("/reservations", response_model=Page[Reservation], summary="List the live reservations")
async def list_reservations(
    request: Request,
    response: Response,
    _caller: AppointmentService,
    paging: Paged,
    reservations: UseCases,
    ends_after: Annotated[Instant | None, Query()] = None,
) -> Page[Reservation]:
    rows = await reservations.list_live(paging.limit, paging.after, ends_after)
    return with_next_link(request, response, paging.page(rows, lambda row: (row.ends_at.isoformat(), row.appointment_id)))


@router.put("/patients/{patient_id}/merge", status_code=204, summary="Follow a merge of a patient")
async def follow_merge(patient_id: UUID, body: FollowMerge, _caller: PatientService, merges: UseMergedPatients) -> None:
    return await merges.follow_merge(patient_id, body.into)


@router.put("/doctors/{doctor_id}/rules", status_code=204, responses=refusals(UnknownDoctor), summary="Follow a change of a doctor")
async def follow_doctor(doctor_id: UUID, body: RulesVersion, _caller: DoctorService, changes: UseRuleChanges) -> None:
    return await changes.follow_doctor(doctor_id, body.version)


@router.put("/services/{service_id}/rules", status_code=204, responses=refusals(UnknownService), summary="Follow a change of a service")
async def follow_service(service_id: UUID, body: RulesVersion, _caller: DoctorService, changes: UseRuleChanges) -> None:
    return await changes.follow_service(service_id, body.version)


@router.get(
    "/doctors/{doctor_id}/visits-outside-hours",
    response_model=VisitsOutsideHours,
    responses=refusals(UnknownDoctor),
    summary="List the visits outside the hours",
)
async def list_visits_outside_hours(
    doctor_id: UUID, version: Version, _caller: DoctorService, changes: UseRuleChanges
) -> VisitsOutsideHours:
    return await changes.list_visits_outside_hours(doctor_id, version)
