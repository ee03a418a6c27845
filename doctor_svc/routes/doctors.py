"""Doctors over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import Field

from doctor_svc.domain.doctors import Doctor, DoctorProfile
from doctor_svc.domain.refusals import DoctorAccountInactive, NotYoursToChange
from doctor_svc.ports import DoctorFilter
from doctor_svc.schemas import ChangedDoctorOut, CreateDoctor, DoctorOut, UpdateDoctor, outside_hours_fields
from doctor_svc.usecases.doctors import Doctors, UpdatedDoctor
from shared.contracts.refusals import PreconditionRequired, Stale, Unavailable
from shared.contracts.relayed_refusals import EmailTaken, NoSuchDoctor, UnknownService
from shared.contracts.texts import OneLineText
from shared.contracts.values import Locale
from shared.kit import routes
from shared.kit.access import Admin, NotYours, OwnDoctor, Public
from shared.kit.idempotency import OperationId
from shared.kit.paging import Page, Paged
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_location, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/doctors", tags=["Doctors and services"])
UseDoctors = Annotated[Doctors, use_case(Doctors)]
Place = Annotated[OneLineText | None, Query(max_length=100)]
SpecialtyNames = Annotated[list[Annotated[OneLineText, Field(max_length=100)]] | None, Query(max_length=4)]
LanguageRanges = Annotated[list[Locale] | None, Query(max_length=10)]
Ids = Annotated[list[UUID] | None, Query(max_length=10)]
Words = Annotated[OneLineText | None, Query(max_length=100, description="Words, each of which occurs in name or specialty.")]


async def read_filter(
    specialty: SpecialtyNames = None,
    service_id: Ids = None,
    language: LanguageRanges = None,
    location: Place = None,
    q: Words = None,
) -> DoctorFilter:
    """Return the filter that the query parameters describe."""
    return DoctorFilter(tuple(specialty or ()), tuple(service_id or ()), tuple(language or ()), location, q)


@router.get("", operation_id="list_doctors", response_model=Page[DoctorOut], summary="Active doctors")
async def list_doctors(
    _caller: Public,
    paging: Paged,
    doctor_filter: Annotated[DoctorFilter, Depends(read_filter)],
    doctors: UseDoctors,
    request: Request,
    response: Response,
) -> Page[DoctorProfile]:
    """In the order of names. All parameters must match; several values of one parameter are alternatives. Case and accents do not matter.

    `specialty` matches whole, `language` as a range (RFC 4647: `en` finds `en-GB`), `location` a part of the doctor's.
    """
    rows = await doctors.list_active(doctor_filter, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda doctor: (doctor.full_name, doctor.id)))


@router.get("/{doctor_id}", operation_id="get_doctor", response_model=DoctorOut, responses=refusals(NoSuchDoctor), summary="One doctor")
async def get_doctor(doctor_id: UUID, caller: Public, doctors: UseDoctors, response: Response) -> Doctor:
    """Inactive doctors are visible to admins and to themselves only."""
    return with_etag(response, await doctors.view(doctor_id, caller))


@router.post(
    "",
    operation_id="engage_doctor",
    response_model=DoctorOut,
    status_code=201,
    responses=refusals(UnknownService, EmailTaken, Unavailable),
    summary="Create a doctor",
)
async def create_doctor(body: CreateDoctor, caller: Admin, operation: OperationId, doctors: UseDoctors, response: Response) -> Doctor:
    """Creates the profile and the account, or neither. The doctor is invited by mail and has an empty schedule."""
    doctor = await doctors.create(body.to_doctor(operation.id, doctors.clinic().time_zone), by=caller)
    return with_location(response, doctor, f"/doctors/{doctor.id}")


@router.patch(
    "/{doctor_id}",
    operation_id="amend_doctor",
    response_model=ChangedDoctorOut,
    response_model_exclude_unset=True,
    responses=refusals(NoSuchDoctor, NotYours, NotYoursToChange, UnknownService, DoctorAccountInactive, Stale, PreconditionRequired),
    summary="Change a doctor's profile",
)
async def update_doctor(
    doctor_id: UUID, body: UpdateDoctor, caller: OwnDoctor, expected_version: RequireIfMatch, doctors: UseDoctors, response: Response
) -> ChangedDoctorOut:
    """Fields that are left out stay as they are. Doctors may change their own profile, admins every one.

    Appointments outside of the hours after a change of `time_zone` stay; `outside_hours` lists them.
    """
    return with_etag(response, _changed_doctor(await doctors.update(doctor_id, body.changes, expected_version, caller)))


def _changed_doctor(updated: UpdatedDoctor) -> ChangedDoctorOut:
    doctor = DoctorOut.model_validate(updated.doctor)
    fields = outside_hours_fields(updated.visits) if updated.moves_hours else {}
    return ChangedDoctorOut(**dict(doctor), **fields)
