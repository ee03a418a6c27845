"""Merging patients over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from patient_svc.domain.guardians import TooManyDependants, TooManyGuardians
from patient_svc.domain.merges import (
    GuardianAndDependant,
    MergedIntoSelf,
    NoSuchMergeTarget,
    PatientWasMerged,
    SourceHasAccount,
    TooManyIdentifiers,
    VisitsOverlap,
)
from patient_svc.ports import RecordsUnreadable
from patient_svc.routes.callers import MergingAdmin
from patient_svc.schemas.merges import MergeOut, MergePatient
from patient_svc.usecases.merges import Merges
from shared.contracts.refusals import Stale, Unavailable
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import routes
from shared.kit.preconditions import IfMatch
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/{patient_id}/merge", tags=["Patients"])
UseMerges = Annotated[Merges, use_case(Merges)]
DryRun = Annotated[bool, Query(description="Change nothing, and answer what the merge would do.")]
CONFLICTS = (SourceHasAccount, GuardianAndDependant, TooManyGuardians, TooManyDependants, TooManyIdentifiers, VisitsOverlap)
REFUSALS = (NoSuchPatient, PatientWasMerged, NoSuchMergeTarget, MergedIntoSelf, Stale, *CONFLICTS, RecordsUnreadable, Unavailable)


@router.post("", operation_id="merge_patient", response_model=MergeOut, responses=refusals(*REFUSALS), summary="Merge two patients")
async def merge_patient(
    patient_id: UUID, body: MergePatient, caller: MergingAdmin, expected_version: IfMatch, merges: UseMerges, dry_run: DryRun = False
) -> MergeOut:
    """For admins, where two profiles are of one person. Visits, medical history, identifiers, guardians and dependants become those of
    the patient `into`, whose empty fields are filled. Nothing undoes it: `dry_run=true` shows first what would happen.

    Afterwards the old id answers 404, and tells staff who has the data. A profile with an account can only be the one that stays.
    Repeating the request is answered as the first one was.
    """
    carry_out = merges.preview if dry_run else merges.merge
    return MergeOut.of(await carry_out(patient_id, body.into, expected_version, caller))
