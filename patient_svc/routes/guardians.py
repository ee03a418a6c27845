"""The guardians of patients over HTTP, for the clinic."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Response

from patient_svc.domain.guardians import Guardian, HasAccount, NoSuchGuardian, TooManyDependants, TooManyGuardians
from patient_svc.domain.merges import PatientWasMerged
from patient_svc.routes.callers import GuardiansReader, ProfileEditor
from patient_svc.schemas import AddGuardian, GuardianOut
from patient_svc.usecases.guardians import Guardianships
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import routes
from shared.kit.paging import Page
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/{patient_id}/guardians", tags=["Patients"])
UseGuardianships = Annotated[Guardianships, use_case(Guardianships)]


@router.post(
    "",
    operation_id="add_guardian",
    response_model=GuardianOut,
    status_code=201,
    responses=refusals(NoSuchGuardian, NoSuchPatient, PatientWasMerged, HasAccount, TooManyGuardians, TooManyDependants),
    summary="Let a patient act for another one",
)
async def add_guardian(
    patient_id: UUID, body: AddGuardian, caller: ProfileEditor, guardianships: UseGuardianships, response: Response
) -> Guardian:
    """Makes a patient without an account, or a minor, a dependant of a patient with one, who then books for them and gets the mails.

    A patient has two guardians at most. Repeating the request replaces the relationship.
    """
    response.headers["Location"] = f"/patients/{patient_id}/guardians"
    return await guardianships.add(patient_id, body.guardian_id, body.relationship, by=caller)


@router.get(
    "",
    operation_id="list_guardians",
    response_model=Page[GuardianOut],
    responses=refusals(NoSuchPatient, PatientWasMerged),
    summary="Who acts for a patient",
)
async def list_guardians(patient_id: UUID, caller: GuardiansReader, guardianships: UseGuardianships) -> Page[Guardian]:
    """All guardians of a patient, two at most, on one page."""
    return Page(items=await guardianships.list_for_patient(patient_id, by=caller))


@router.delete(
    "/{guardian_id}",
    operation_id="remove_guardian",
    status_code=204,
    responses=refusals(NoSuchPatient, PatientWasMerged),
    summary="End a guardianship",
)
async def remove_guardian(patient_id: UUID, guardian_id: UUID, caller: ProfileEditor, guardianships: UseGuardianships) -> None:
    """The profile and the visits of the patient stay. The former guardian can book for them and see their visits no more, at once."""
    await guardianships.remove(patient_id, guardian_id, by=caller)
