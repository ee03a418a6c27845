"""The preferences of doctors over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response

from notify_svc.domain.doctor_preferences import DoctorPreferences
from notify_svc.schemas.preferences import DoctorPreferencesOut, PutDoctorPreferences
from notify_svc.usecases.doctor_preferences import DoctorMailPreferences
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.kit import routes
from shared.kit.access import Doctor
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/doctors/me/preferences", tags=["Doctors and services"])
UsePreferences = Annotated[DoctorMailPreferences, use_case(DoctorMailPreferences)]


@router.get(
    "", operation_id="get_doctor_preferences", response_model=DoctorPreferencesOut, summary="Your own preferences for mails, as a doctor"
)
async def get_doctor_preferences(caller: Doctor, preferences: UsePreferences, response: Response) -> DoctorPreferences:
    """A doctor who has not decided yet gets no digest."""
    return with_etag(response, await preferences.get(caller.id))


@router.put(
    "",
    operation_id="put_doctor_preferences",
    response_model=DoctorPreferencesOut,
    responses=refusals(Stale, PreconditionRequired),
    summary="Replace your own preferences for mails, as a doctor",
)
async def put_doctor_preferences(
    body: PutDoctorPreferences, caller: Doctor, expected_version: RequireIfMatch, preferences: UsePreferences, response: Response
) -> DoctorPreferences:
    """The first digest comes on the next evening that begins afterwards."""
    return with_etag(response, await preferences.update(caller.id, body.daily_digest, expected_version))
