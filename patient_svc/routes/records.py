"""Medical histories over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from patient_svc.domain.break_glass import BreakGlass
from patient_svc.domain.codes import BadCode
from patient_svc.domain.merges import PatientWasMerged
from patient_svc.domain.records import (
    ClinicalStatus,
    EntryFilter,
    EntryRetracted,
    FieldNotForKind,
    MedicalEntry,
    MedicalEntryKind,
    NoSuchEntry,
    OnsetBeforeBirth,
    OnsetInTheFuture,
    ReportedByPractitioner,
    TooManyEntries,
    TooManyStoredEntries,
    TooManyVersions,
)
from patient_svc.domain.relations import BreakGlassRequired, NotForReception
from patient_svc.domain.summaries import MedicalSummary
from patient_svc.ports import RecordsUnreadable
from patient_svc.routes.callers import (
    BreakGlassOpener,
    BreakGlassReader,
    HistoryAuthor,
    HistoryCorrector,
    HistoryReader,
    HistoryRetractor,
    SummaryReader,
)
from patient_svc.schemas import (
    AddMedicalEntry,
    BreakGlassOut,
    BreakGlassReasonOut,
    CorrectMedicalEntry,
    MedicalEntryOut,
    MedicalSummaryOut,
    OpenBreakGlass,
    RetractMedicalEntry,
)
from patient_svc.usecases.break_glass import BreakGlassAccess
from patient_svc.usecases.medical_history import AddedEntry, MedicalHistory
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import routes
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import forbid_storing, mark_replayed, with_etag, with_location, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/{patient_id}", tags=["Patients"])
UseMedicalHistory = Annotated[MedicalHistory, use_case(MedicalHistory)]
UseBreakGlass = Annotated[BreakGlassAccess, use_case(BreakGlassAccess)]
UNREADABLE = (NoSuchPatient, PatientWasMerged, NotForReception, BreakGlassRequired, RecordsUnreadable)
UNWRITABLE = (NoSuchPatient, RecordsUnreadable)
BAD_CONTENT = (BadCode, FieldNotForKind, OnsetInTheFuture, OnsetBeforeBirth)
SECRET = [Depends(forbid_storing)]
"""What is sent and answered to a POST is not stored for its Idempotency-Key: the repeated request finds what the first one did."""


def _filter(
    kind: Annotated[list[MedicalEntryKind] | None, Query(max_length=5)] = None,
    status: Annotated[list[ClinicalStatus] | None, Query(max_length=3)] = None,
    retracted: Annotated[bool | None, Query(description="`false` leaves out retracted entries, `true` shows only these.")] = None,
) -> EntryFilter:
    return EntryFilter(tuple(kind or ()), tuple(status or ()), retracted)


@router.get(
    "/medical-history",
    operation_id="list_medical_history",
    response_model=Page[MedicalEntryOut],
    responses=refusals(*UNREADABLE, BadCursor),
    summary="A patient's medical history",
)
async def list_medical_history(
    patient_id: UUID,
    caller: HistoryReader,
    history: UseMedicalHistory,
    paging: Paged,
    wanted: Annotated[EntryFilter, Depends(_filter)],
    request: Request,
    response: Response,
) -> Page[MedicalEntry]:
    """The latest entries first. For the patient, guardians of a minor and treating doctors, and admins for a while after break-glass.

    A doctor treats a patient whose appointment with them lies ahead, or ended less than 24 months ago. Every read is recorded.
    """
    entries = await history.list_entries(caller, patient_id, wanted, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(entries, lambda entry: (entry.created_at.isoformat(), entry.id)))


@router.post(
    "/medical-history",
    operation_id="add_medical_entry",
    response_model=MedicalEntryOut,
    status_code=201,
    responses=refusals(*UNWRITABLE, *BAD_CONTENT, TooManyEntries, TooManyStoredEntries),
    summary="Add an entry to a medical history",
    dependencies=SECRET,
)
async def add_medical_entry(
    patient_id: UUID, body: AddMedicalEntry, caller: HistoryAuthor, operation: OperationId, history: UseMedicalHistory, response: Response
) -> MedicalEntry:
    """For the patient, guardians of a minor and treating doctors. `reported_by` tells what patients added from what doctors did."""
    return _entry_response(response, await history.add(caller, patient_id, operation.id, body.kind, body.content))


@router.get(
    "/medical-history/{entry_id}",
    operation_id="get_medical_entry",
    response_model=MedicalEntryOut,
    responses=refusals(*UNREADABLE, NoSuchEntry),
    summary="An entry of a medical history",
)
async def get_medical_entry(
    patient_id: UUID, entry_id: UUID, caller: HistoryReader, history: UseMedicalHistory, response: Response
) -> MedicalEntry:
    """The current version, also of a retracted entry."""
    return with_etag(response, await history.get(caller, patient_id, entry_id))


@router.get(
    "/medical-history/{entry_id}/versions",
    operation_id="list_medical_entry_versions",
    response_model=Page[MedicalEntryOut],
    responses=refusals(*UNREADABLE, NoSuchEntry, BadCursor),
    summary="All versions of an entry of a medical history",
)
async def list_medical_entry_versions(
    patient_id: UUID,
    entry_id: UUID,
    caller: HistoryReader,
    history: UseMedicalHistory,
    paging: Paged,
    request: Request,
    response: Response,
) -> Page[MedicalEntry]:
    """The newest first."""
    versions = await history.list_versions(caller, patient_id, entry_id, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(versions, lambda entry: (entry.version,)))


@router.patch(
    "/medical-history/{entry_id}",
    operation_id="correct_medical_entry",
    response_model=MedicalEntryOut,
    responses=refusals(
        *UNWRITABLE, *BAD_CONTENT, NoSuchEntry, ReportedByPractitioner, EntryRetracted, TooManyVersions, Stale, PreconditionRequired
    ),
    summary="Correct an entry of a medical history",
)
async def correct_medical_entry(
    patient_id: UUID,
    entry_id: UUID,
    body: CorrectMedicalEntry,
    caller: HistoryCorrector,
    expected_version: RequireIfMatch,
    history: UseMedicalHistory,
    response: Response,
) -> MedicalEntry:
    """Makes a new version; the ones before stay readable. Patients and guardians correct only what a patient reported."""
    return with_etag(response, await history.correct(caller, patient_id, entry_id, body.changes, expected_version))


@router.post(
    "/medical-history/{entry_id}/retract",
    operation_id="retract_medical_entry",
    response_model=MedicalEntryOut,
    responses=refusals(*UNWRITABLE, NoSuchEntry, ReportedByPractitioner, Stale),
    summary="Mark an entry of a medical history as made in error",
    dependencies=SECRET,
)
async def retract_medical_entry(
    patient_id: UUID,
    entry_id: UUID,
    caller: HistoryRetractor,
    expected_version: IfMatch,
    history: UseMedicalHistory,
    response: Response,
    body: RetractMedicalEntry | None = None,
) -> MedicalEntry:
    """The entry stays readable, marked as retracted. Retracting it again changes nothing."""
    reason = body.reason if body else None
    return with_etag(response, await history.retract(caller, patient_id, entry_id, reason, expected_version))


@router.get(
    "/summary",
    operation_id="get_medical_summary",
    response_model=MedicalSummaryOut,
    responses=refusals(*UNREADABLE),
    summary="What matters of a patient's medical history",
)
async def get_medical_summary(patient_id: UUID, caller: SummaryReader, history: UseMedicalHistory) -> MedicalSummary:
    """For treating doctors, and admins for a while after break-glass. Allergies come first."""
    return await history.summarize(caller, patient_id)


@router.post(
    "/break-glass",
    operation_id="open_break_glass",
    response_model=BreakGlassOut,
    status_code=201,
    responses=refusals(NoSuchPatient, RecordsUnreadable),
    summary="Open a medical history in an emergency",
    dependencies=SECRET,
)
async def open_break_glass(
    patient_id: UUID, body: OpenBreakGlass, caller: BreakGlassOpener, operation: OperationId, break_glass: UseBreakGlass, response: Response
) -> BreakGlass:
    """Lets the admin who calls read the medical history for 60 minutes. It is recorded, and the patient or the guardians get a mail."""
    opened = await break_glass.open(caller, patient_id, operation.id, body.reason)
    if opened.is_repeated:
        mark_replayed(response)
    return opened.break_glass


@router.get(
    "/break-glass",
    operation_id="list_break_glass",
    response_model=Page[BreakGlassReasonOut],
    responses=refusals(NoSuchPatient, PatientWasMerged, RecordsUnreadable, BadCursor),
    summary="List who opened a medical history in an emergency",
)
async def list_break_glass(
    patient_id: UUID, caller: BreakGlassReader, paging: Paged, break_glass: UseBreakGlass, request: Request, response: Response
) -> Page[BreakGlass]:
    """For admins: who opened it when, and for what reason, the latest first. A line of `GET /admin/audit` names its access as `row_id`."""
    opened = await break_glass.list_for_admin(caller, patient_id, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(opened, lambda access: (access.opened_at.isoformat(), access.id)))


def _entry_response(response: Response, added: AddedEntry) -> MedicalEntry:
    if added.is_repeated:
        mark_replayed(response)
    entry = added.entry
    return with_location(response, entry, f"/patients/{entry.patient_id}/medical-history/{entry.id}")
