"""What staff do with profiles, over HTTP: searching, adding a walk-in and changing fields."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from patient_svc.domain.identifiers import IdentifierTaken
from patient_svc.domain.merges import PatientWasMerged
from patient_svc.domain.patients import AddressOfAccount, BornLater, ContactFieldsOnly, Patient
from patient_svc.domain.search import BadSearch
from patient_svc.routes.callers import ProfileEditor
from patient_svc.schemas import CreateWalkIn, FoundPatientsOut, PatientOut, UpdatePatientByStaff, WalkInOut
from patient_svc.usecases.search import FoundPatients, PatientSearch
from patient_svc.usecases.staff_patients import StaffPatients
from shared.contracts.identity import Caller
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.contracts.texts import OneLineText
from shared.kit import access, routes
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Paged
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.replay_checks import ReplayCheck
from shared.kit.requests import ServiceRequest
from shared.kit.response_headers import with_etag, with_location, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients", tags=["Patients"])
UseStaffPatients = Annotated[StaffPatients, use_case(StaffPatients)]
UseSearch = Annotated[PatientSearch, use_case(PatientSearch)]
SearchText = Annotated[
    OneLineText,
    Query(
        description="Up to 32 words: parts of a name, digits of a phone number from its end, a day of birth (1984-06-02 or 02.06.1984; "
        "02/06/1984 is searched as a day in June and in February), an identifier (`value` or `system|value`), or a complete email address. "
        "Up to six of them may be numbers, days and addresses.",
        examples=["kim 1984-06-02"],
    ),
]


async def _record_replay(request: ServiceRequest, caller: Caller, patient_id: UUID) -> None:
    """Record that the profile is read by a repeated request."""
    patients: StaffPatients = request.app.state.use_cases[StaffPatients]
    await patients.record_repeated(patient_id, caller)


@router.get(
    "",
    operation_id="search_patients",
    response_model=FoundPatientsOut,
    responses=refusals(BadSearch, BadCursor),
    summary="Search patients",
)
async def search_patients(
    q: SearchText, caller: access.Staff, paging: Paged, search: UseSearch, request: Request, response: Response
) -> FoundPatients:
    """Case, accents, hyphens and separators do not matter, and the last part of a name may be incomplete.

    First come patients with that identifier or address, then those whom all words match exactly, then those whom they match in part; among
    them, who had a visit last. Reception sees neither date of birth nor sex.
    """
    return with_next_link(request, response, await search.find(q, caller, paging))


@router.post(
    "",
    operation_id="create_walk_in",
    response_model=WalkInOut,
    status_code=201,
    responses=refusals(BornLater, IdentifierTaken, PatientWasMerged, NoSuchPatient),
    summary="Create a patient without an account",
    dependencies=[Depends(ReplayCheck(_record_replay))],
)
async def create_walk_in(
    body: CreateWalkIn, caller: access.Staff, operation: OperationId, patients: UseStaffPatients, response: Response
) -> WalkInOut:
    """For a patient who comes or calls without having registered. Reception and admins book for them by the id.

    Mails about their visits go to `email`, if there is one. `possible_duplicates` names patients who may be the same person, also those
    whose account has this address. The patient is created also if the accounts cannot be searched now; then `duplicates_complete` is false.
    """
    created = await patients.create_walk_in(body.to_patient(operation.id), caller)
    walk_in = WalkInOut.from_walk_in(created.patient, created.possible_duplicates, created.has_all_duplicates)
    return with_location(response, walk_in, f"/patients/{operation.id}")


@router.patch(
    "/{patient_id}",
    operation_id="amend_patient",
    response_model=PatientOut,
    responses=refusals(
        NoSuchPatient, PatientWasMerged, BornLater, ContactFieldsOnly, AddressOfAccount, IdentifierTaken, Stale, PreconditionRequired
    ),
    summary="Change a patient's profile",
)
async def update_patient(
    patient_id: UUID,
    body: UpdatePatientByStaff,
    caller: ProfileEditor,
    expected_version: RequireIfMatch,
    patients: UseStaffPatients,
    response: Response,
) -> Patient:
    """For admins, and for reception, which may change contact fields and identifiers. The patient sees who did it in the access log.

    Fields that are left out stay as they are; null deletes those that may be empty.
    """
    return with_etag(response, await patients.update(patient_id, body.changes, expected_version, caller))
