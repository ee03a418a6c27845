"""The preferences of patients, and of those for whom they act, over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Response

from patient_svc.routes.callers import DependantEditor, DependantReader
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
dependants_router = routes.service_router(prefix="/patients/me/dependants/{dependant_id}/preferences", tags=["Patients"])
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


@dependants_router.get(
    "",
    operation_id="get_preferences_of_dependant",
    response_model=PreferencesOut,
    responses=refusals(NoSuchPatient),
    summary="The preferences of somebody for whom you act",
)
async def get_preferences_of_dependant(
    dependant_id: UUID, caller: DependantReader, preferences: UsePreferences, response: Response
) -> PreferencesOut:
    """Only for guardians; others get 404. Guardians are reminded as their own preferences say, if `reminders_consent` is true here."""
    return with_etag(response, PreferencesOut.from_patient(await preferences.get_of_dependant(dependant_id, by=caller)))


@dependants_router.put(
    "",
    operation_id="put_preferences_of_dependant",
    response_model=PreferencesOut,
    responses=refusals(NoSuchPatient, Stale, PreconditionRequired),
    summary="Replace the preferences of somebody for whom you act",
)
async def put_preferences_of_dependant(
    dependant_id: UUID,
    body: PutPreferences,
    caller: DependantEditor,
    expected_version: RequireIfMatch,
    preferences: UsePreferences,
    response: Response,
) -> PreferencesOut:
    """As your own preferences. Without `reminders_consent` no guardian is reminded of this person's visits; the other mails still come.

    `reminders_consent` and `locale` are those of the person's profile, which then gets a new version. Only for guardians; others get 404.
    """
    patient = await preferences.replace_of_dependant(dependant_id, body.to_preferences(), body.profile_changes, expected_version, by=caller)
    return with_etag(response, PreferencesOut.from_patient(patient))
