"""The routes for other services."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from patient_svc.domain.identifiers import IdentifierTaken
from patient_svc.domain.merges import PatientWasMerged
from patient_svc.domain.patients import BornLater
from patient_svc.routes.dependants import UseDependants
from patient_svc.routes.patients import UsePatients
from patient_svc.routes.preferences import UsePreferences
from patient_svc.routes.staff_patients import UseStaffPatients
from patient_svc.schemas import ImportPatient, RenamePatient
from shared.contracts.contacts import ContactRequest, PatientContacts
from shared.contracts.http import CreatePatient, DependantIds, ExistingProfile, PatientSummary
from shared.contracts.identity import Caller, Service
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag

router = routes.service_router(prefix="/internal", internal=True)
CreatingService = Annotated[Caller, Depends(require_services(Service.AUTH, Service.ADMIN))]
ReadingService = Annotated[
    Caller, Depends(require_services(Service.AUTH, Service.APPOINTMENT, Service.SCHEDULING, Service.NOTIFICATION, Service.ADMIN))
]
AppointmentService = Annotated[Caller, Depends(require_services(Service.APPOINTMENT))]
ContactReadingService = Annotated[Caller, Depends(require_services(Service.APPOINTMENT, Service.NOTIFICATION))]
NotificationService = Annotated[Caller, Depends(require_services(Service.NOTIFICATION))]
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]


@router.put("/patients/{patient_id}", response_model=PatientSummary, responses=refusals(NoSuchPatient))
async def put_patient(
    patient_id: UUID, body: CreatePatient, _caller: CreatingService, patients: UsePatients, response: Response
) -> PatientSummary:
    """Create the profile of a new patient; a profile that exists is returned as it is."""
    await patients.create(patient_id, body)
    return with_etag(response, await patients.summarize(patient_id))


@router.get("/patients/{patient_id}", response_model=PatientSummary, responses=refusals(NoSuchPatient, PatientWasMerged))
async def get_patient_summary(patient_id: UUID, _caller: ReadingService, patients: UsePatients, response: Response) -> PatientSummary:
    return with_etag(response, await patients.summarize(patient_id))


@router.get("/patients/{guardian_id}/dependants", response_model=DependantIds)
async def list_dependant_ids(guardian_id: UUID, _caller: AppointmentService, dependants: UseDependants) -> DependantIds:
    """The patients for whom a patient may book now, 20 at most. For a person who is no patient there are none."""
    return await dependants.list_ids(guardian_id)


@router.post("/contacts", response_model=PatientContacts)
async def list_contacts(body: ContactRequest, _caller: ContactReadingService, patients: UsePatients) -> PatientContacts:
    """The patients that exist among the ids."""
    return await patients.list_contacts(body.ids)


@router.post("/patients/{patient_id}/end-reminders", status_code=204, responses=refusals(NoSuchPatient))
async def end_reminders(patient_id: UUID, _caller: NotificationService, preferences: UsePreferences) -> None:
    """Choose no reminders for the patient, who followed the link in one of them; everything else stays. It may be repeated."""
    await preferences.end_reminders(patient_id)


@router.patch("/patients/{patient_id}", response_model=PatientSummary, responses=refusals(NoSuchPatient))
async def rename_patient(
    patient_id: UUID, body: RenamePatient, caller: AdminService, patients: UsePatients, response: Response
) -> PatientSummary:
    await patients.rename(patient_id, body.full_name, body.by.caller if body.by else caller)
    return with_etag(response, await patients.summarize(patient_id))


@router.post(
    "/imported-patients/{patient_id}/check",
    response_model=ExistingProfile,
    responses=refusals(BornLater, IdentifierTaken, PatientWasMerged, NoSuchPatient),
)
async def check_imported_patient(
    patient_id: UUID, body: ImportPatient, _caller: AdminService, patients: UseStaffPatients, trial: bool = False
) -> ExistingProfile:
    """Whether a patient exists; otherwise their fields are checked, with `trial` also against other patients. Nothing is created."""
    return ExistingProfile(exists=await patients.check_import(body.to_patient(patient_id), body.by.caller, is_trial=trial))


@router.put(
    "/imported-patients/{patient_id}",
    status_code=204,
    responses=refusals(BornLater, IdentifierTaken, PatientWasMerged, NoSuchPatient),
)
async def put_imported_patient(patient_id: UUID, body: ImportPatient, _caller: AdminService, patients: UseStaffPatients) -> None:
    """Create a patient without an account for an admin; a patient who exists stays as they are."""
    await patients.import_patient(body.to_patient(patient_id), body.by.caller)
