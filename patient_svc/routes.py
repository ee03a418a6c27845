"""The routes of patient-service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from patient_svc.domain import BornLater
from patient_svc.schemas import PatientOut, RenamePatient, UpdatePatient
from patient_svc.usecases import Patients
from shared.contracts.http import CreatePatient, PatientSummary
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import access, routes
from shared.kit.access import require_services
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_content_etag
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients", tags=["Patients"])
internal_router = routes.service_router(prefix="/internal/patients", internal=True)
routers = (router, internal_router)
# The time zone of a profile may be the clinic's, `/patients/me` is another profile for each caller, and reception sees less of one. So the
# routes set an ETag of the content.

UsePatients = Annotated[Patients, use_case(Patients)]
CreatingService = Annotated[Caller, Depends(require_services(Service.AUTH, Service.ADMIN))]
ReadingService = Annotated[Caller, Depends(require_services(Service.AUTH, Service.APPOINTMENT, Service.NOTIFICATION, Service.ADMIN))]
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]


@router.get("/me", operation_id="get_my_profile", response_model=PatientOut, responses=refusals(NoSuchPatient), summary="Your own profile")
async def get_my_profile(caller: access.Patient, patients: UsePatients, response: Response) -> PatientOut:
    """The profile of the patient who calls."""
    return with_content_etag(response, PatientOut.model_validate(await patients.get(caller.id)))


@router.patch(
    "/me",
    operation_id="amend_my_profile",
    response_model=PatientOut,
    responses=refusals(NoSuchPatient, BornLater, Stale, PreconditionRequired),
    summary="Change your own profile",
)
async def update_my_profile(
    body: UpdatePatient, caller: access.Patient, expected_version: RequireIfMatch, patients: UsePatients, response: Response
) -> PatientOut:
    """Fields that are left out stay as they are; null deletes those that may be empty."""
    return with_content_etag(response, PatientOut.model_validate(await patients.update(caller.id, body.changes, expected_version)))


@router.get(
    "/{patient_id}", operation_id="get_patient", response_model=PatientOut, responses=refusals(NoSuchPatient), summary="A patient's profile"
)
async def get_patient(patient_id: UUID, caller: access.Account, patients: UsePatients, response: Response) -> PatientOut:
    """For the patient, the doctor of a current or past appointment, reception and admins; others get 404.

    Reception sees neither date of birth nor sex.
    """
    return with_content_etag(response, PatientOut.model_validate(await patients.view(patient_id, caller)))


@internal_router.put("/{patient_id}", response_model=PatientSummary)
async def put_patient(
    patient_id: UUID, body: CreatePatient, _caller: CreatingService, patients: UsePatients, response: Response
) -> PatientSummary:
    """Create the profile of a new patient; a profile that exists is returned as it is."""
    return with_content_etag(response, PatientSummary.model_validate(await patients.create(patient_id, body)))


@internal_router.get("/{patient_id}", response_model=PatientSummary, responses=refusals(NoSuchPatient))
async def get_patient_summary(patient_id: UUID, _caller: ReadingService, patients: UsePatients, response: Response) -> PatientSummary:
    return with_content_etag(response, PatientSummary.model_validate(await patients.get(patient_id)))


@internal_router.patch("/{patient_id}", response_model=PatientSummary, responses=refusals(NoSuchPatient))
async def rename_patient(
    patient_id: UUID, body: RenamePatient, _caller: AdminService, patients: UsePatients, response: Response
) -> PatientSummary:
    renamed = await patients.update(patient_id, {"full_name": body.full_name}, None)
    return with_content_etag(response, PatientSummary.model_validate(renamed))
