"""Profiles over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Response

from patient_svc.domain.guardians import BirthDateOfDependant
from patient_svc.domain.merges import PatientWasMerged
from patient_svc.domain.patients import BornLater, Patient
from patient_svc.routes.callers import ProfileReader
from patient_svc.schemas import PatientOut, UpdatePatient
from patient_svc.usecases.patients import Patients
from shared.contracts.refusals import PreconditionRequired, Stale, Unavailable
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import access, routes
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients", tags=["Patients"])
UsePatients = Annotated[Patients, use_case(Patients)]


@router.get("/me", operation_id="get_my_profile", response_model=PatientOut, responses=refusals(NoSuchPatient), summary="Your own profile")
async def get_my_profile(caller: access.Patient, patients: UsePatients, response: Response) -> Patient:
    """The profile of the patient who calls."""
    return with_etag(response, await patients.get(caller.id))


@router.patch(
    "/me",
    operation_id="amend_my_profile",
    response_model=PatientOut,
    responses=refusals(NoSuchPatient, BornLater, BirthDateOfDependant, Stale, PreconditionRequired),
    summary="Change your own profile",
)
async def update_my_profile(
    body: UpdatePatient, caller: access.Patient, expected_version: RequireIfMatch, patients: UsePatients, response: Response
) -> Patient:
    """Fields that are left out stay as they are; null deletes those that may be empty.

    The date of birth of a patient who has guardians is changed by the clinic only.
    """
    return with_etag(response, await patients.update(caller.id, body.changes, expected_version))


@router.get(
    "/{patient_id}",
    operation_id="get_patient",
    response_model=PatientOut,
    responses=refusals(NoSuchPatient, PatientWasMerged, Unavailable),
    summary="A patient's profile",
)
async def get_patient(patient_id: UUID, caller: ProfileReader, patients: UsePatients, response: Response) -> Patient:
    """For the patient, the doctor of a current or past appointment, reception and admins; others get 404. Staff are told into whom a
    patient was merged.

    Reception sees neither date of birth nor sex. What others read, and what they are refused, is recorded: the patient sees it under
    `GET /patients/me/access-log`.
    """
    return with_etag(response, await patients.view(patient_id, caller))
