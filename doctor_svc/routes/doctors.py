"""Doctors over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from doctor_svc.domain.doctors import Doctor, Profile
from doctor_svc.domain.refusals import AccountDismissed, NoSuchDoctor, NotYoursToChange, UnknownService
from doctor_svc.ports import DoctorFilter
from doctor_svc.schemas import AmendDoctor, DoctorOut, EngageDoctor
from doctor_svc.usecases.doctors import Doctors
from shared.contracts.refusals import PreconditionRequired, Stale, Unavailable
from shared.kit import routes
from shared.kit.access import Admin, NotYours, OwnDoctor, Public
from shared.kit.idempotency import OperationId
from shared.kit.paging import Page, Paged
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/doctors", tags=["Doctors and services"])
Text = Annotated[str | None, Query(min_length=1, max_length=200)]
Texts = Annotated[list[str] | None, Query(max_length=20)]


def _filter(
    specialty: Texts = None,
    service_id: Annotated[list[UUID] | None, Query(max_length=20)] = None,
    language: Texts = None,
    location: Text = None,
    q: Annotated[str | None, Query(min_length=1, max_length=100, description="Words, each in name or specialty.")] = None,
) -> DoctorFilter:
    return DoctorFilter(tuple(specialty or ()), tuple(service_id or ()), tuple(language or ()), location, q)


UseCases = Annotated[Doctors, use_case(Doctors)]
Filtered = Annotated[DoctorFilter, Depends(_filter)]


@router.get("", response_model=Page[DoctorOut], summary="Active doctors")
async def list_doctors(_caller: Public, paging: Paged, wanted: Filtered, doctors: UseCases) -> Page[Profile]:
    """By name. Bounds of different kinds must all hold; several values of one kind are alternatives. Case and accents do not matter.

    `specialty` matches whole, `language` as a range (RFC 4647: `en` finds `en-GB`), `location` anywhere in the doctor's.
    """
    return paging.page(await doctors.browse(wanted, paging.limit, paging.after), lambda doctor: (doctor.full_name, doctor.id))


@router.get("/{doctor_id}", response_model=DoctorOut, responses=refusals(NoSuchDoctor), summary="One doctor")
async def get_doctor(doctor_id: UUID, caller: Public, doctors: UseCases) -> Doctor:
    return await doctors.find(doctor_id, caller)


@router.post("", response_model=DoctorOut, status_code=201, responses=refusals(UnknownService, Unavailable), summary="Employ a doctor")
async def engage_doctor(body: EngageDoctor, _caller: Admin, once: OperationId, doctors: UseCases) -> Doctor:
    """Profile and login account, or neither (409 `email_taken`); the doctor is invited by mail and has an empty schedule."""
    return await doctors.engage(body.doctor(once.id))


@router.patch(
    "/{doctor_id}",
    response_model=DoctorOut,
    responses=refusals(NoSuchDoctor, NotYours, NotYoursToChange, UnknownService, AccountDismissed, Stale, PreconditionRequired),
    summary="Change a doctor's profile",
)
async def amend_doctor(doctor_id: UUID, body: AmendDoctor, caller: OwnDoctor, expected: RequireIfMatch, doctors: UseCases) -> Doctor:
    return await doctors.amend(doctor_id, body.changes, expected, caller)
