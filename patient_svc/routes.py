"""Patients' profiles over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from patient_svc.domain import BornLater, NoSuchPatient, Patient
from patient_svc.schemas import AmendPatient, PatientOut, RenamePatient
from patient_svc.usecases import Patients
from shared.contracts.http import CreatePatient, PatientSummary
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.kit import access, routes
from shared.kit.access import Account, require_services
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients", tags=["Patients"])
internal = routes.service_router(prefix="/internal/patients", internal=True)
routers = (router, internal)

Openers = Annotated[Caller, Depends(require_services(Service.AUTH, Service.ADMIN))]
Readers = Annotated[Caller, Depends(require_services(Service.AUTH, Service.APPOINTMENT, Service.NOTIFICATION, Service.ADMIN))]
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]


UseCases = Annotated[Patients, use_case(Patients)]


@router.get("/me", response_model=PatientOut, responses=refusals(NoSuchPatient), summary="One's own profile")
async def get_my_profile(caller: access.Patient, patients: UseCases) -> Patient:
    return await patients.card(caller.id)


@router.patch(
    "/me",
    response_model=PatientOut,
    responses=refusals(NoSuchPatient, BornLater, Stale, PreconditionRequired),
    summary="Change one's profile",
)
async def amend_my_profile(body: AmendPatient, caller: access.Patient, expected: RequireIfMatch, patients: UseCases) -> Patient:
    return await patients.amend(caller.id, body.changes, expected)


@router.get("/{patient_id}", response_model=PatientOut, responses=refusals(NoSuchPatient), summary="A patient's profile")
async def get_patient(patient_id: UUID, caller: Account, patients: UseCases) -> Patient:
    """For oneself, the doctor of a current or past appointment, the front desk (contact fields) and admins; for others 404."""
    return await patients.seen(patient_id, caller)


@internal.put("/{patient_id}", response_model=PatientSummary)
async def open_profile(patient_id: UUID, body: CreatePatient, _caller: Openers, patients: UseCases) -> Patient:
    return await patients.open(patient_id, body)


@internal.get("/{patient_id}", response_model=PatientSummary, responses=refusals(NoSuchPatient))
async def get_card(patient_id: UUID, _caller: Readers, patients: UseCases) -> Patient:
    return await patients.card(patient_id)


@internal.patch("/{patient_id}", response_model=PatientSummary, responses=refusals(NoSuchPatient))
async def rename_patient(patient_id: UUID, body: RenamePatient, _caller: AdminService, patients: UseCases) -> Patient:
    return await patients.amend(patient_id, body.changes, None)
