"""The preferences of patients over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response

from patient_svc.schemas import PreferencesOut, PutPreferences
from patient_svc.usecases.preferences import PatientPreferences
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import access, routes
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/me/preferences", tags=["Patients"])
UsePreferences = Annotated[PatientPreferences, use_case(PatientPreferences)]


@router.get(
    "",
    operation_id="get_my_preferences",
    response_model=PreferencesOut,
    responses=refusals(NoSuchPatient),
    summary="Your own preferences for reminders",
)
async def get_my_preferences(caller: access.Patient, preferences: UsePreferences, response: Response) -> PreferencesOut:
    """When the patient who calls is reminded of visits, and in which language."""
    return with_etag(response, PreferencesOut.from_patient(await preferences.get(caller.id)))


@router.put(
    "",
    operation_id="put_my_preferences",
    response_model=PreferencesOut,
    responses=refusals(NoSuchPatient, Stale, PreconditionRequired),
    summary="Replace your own preferences for reminders",
)
async def put_my_preferences(
    body: PutPreferences, caller: access.Patient, expected_version: RequireIfMatch, preferences: UsePreferences, response: Response
) -> PreferencesOut:
    """Reminders of visits that lie ahead follow at once. Another `locale` is also that of the profile, which then gets a new version."""
    patient = await preferences.replace(caller.id, body.to_preferences(), body.profile_changes, expected_version)
    return with_etag(response, PreferencesOut.from_patient(patient))
