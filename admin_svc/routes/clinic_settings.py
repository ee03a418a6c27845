"""The clinic's settings over HTTP: for admins, for other services, and the part that everybody may know."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Response

from admin_svc.domain.clinic_settings import LogoUnreadable, NoLogo, SettingsVersion
from admin_svc.schemas.clinic_settings import ClinicOut, SettingsOut, SettingsVersionOut, UpdateSettings
from admin_svc.usecases.clinic_settings import ClinicAdministration
from shared.contracts.clinic import ClinicSettings
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import Stale
from shared.kit import routes
from shared.kit.access import Admin, Public, require_services
from shared.kit.change_ids import ChangeId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import vary_with_time, with_etag, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(tags=["Administration"])
public_router = routes.service_router(prefix="/clinic", tags=["Clinic"])
internal_router = routes.service_router(prefix="/internal", internal=True)
UseSettings = Annotated[ClinicAdministration, use_case(ClinicAdministration)]
FollowingService = Annotated[
    Caller,
    Depends(require_services(Service.AUTH, Service.PATIENT, Service.DOCTOR, Service.SCHEDULING, Service.APPOINTMENT, Service.NOTIFICATION)),
]
CACHED_FOR_A_MINUTE = {"Cache-Control": "public, max-age=60"}
LOGO_RESPONSE: dict[int | str, dict[str, Any]] = {200: {"description": "The picture", "content": {"image/png": {}, "image/jpeg": {}}}}


@router.get(
    "/admin/settings",
    operation_id="get_settings",
    response_model=SettingsOut,
    summary="Get the clinic's settings",
    dependencies=[Depends(vary_with_time)],  # `defaults` change with the environment, and `retention_changes_at` passes
)
async def get_settings(_caller: Admin, clinic: UseSettings, response: Response) -> SettingsOut:
    """What is set, and what counts where nothing is set."""
    return SettingsOut.of(with_etag(response, await clinic.read()))


@router.put(
    "/admin/settings",
    operation_id="replace_settings",
    response_model=SettingsOut,
    responses=refusals(Stale, LogoUnreadable),
    summary="Replace the clinic's settings",
)
async def replace_settings(
    body: UpdateSettings, caller: Admin, expected_version: RequireIfMatch, change: ChangeId, clinic: UseSettings, response: Response
) -> SettingsOut:
    """A setting that is left out is not set any more. All services use the new settings within a minute. The audit trail names the change.

    Reminders of visits ahead are planned again. Shorter periods of retention take effect 7 days later (`retention_changes_at`), and then
    delete data for good; until then they can be set back.
    """
    return SettingsOut.of(with_etag(response, await clinic.replace(body.values, expected_version, change.id, caller)))


@router.get(
    "/admin/settings/history",
    operation_id="list_settings_changes",
    response_model=Page[SettingsVersionOut],
    responses=refusals(BadCursor),
    summary="List who changed the clinic's settings",
)
async def list_settings_changes(
    _caller: Admin, paging: Paged, clinic: UseSettings, request: Request, response: Response
) -> Page[SettingsVersion]:
    """The newest change first."""
    versions = await clinic.list_versions(paging.limit, paging.after)
    return with_next_link(request, response, paging.page(versions, lambda version: (version.version,)))


@public_router.get("", operation_id="get_clinic", response_model=ClinicOut, summary="Get the clinic's name, address and languages")
async def get_clinic(_caller: Public, clinic: UseSettings, response: Response) -> ClinicOut:
    """What an app shows before anybody signs in."""
    response.headers.update(CACHED_FOR_A_MINUTE)
    return ClinicOut.of((await clinic.read()).clinic)


@public_router.get(
    "/logo",
    operation_id="get_clinic_logo",
    response_class=Response,
    responses=LOGO_RESPONSE | refusals(NoLogo),
    summary="Get the clinic's logo",
)
async def get_clinic_logo(_caller: Public, clinic: UseSettings) -> Response:
    """A PNG or JPEG file."""
    logo = await clinic.read_logo()
    return Response(logo.content, media_type=logo.media_type, headers=CACHED_FOR_A_MINUTE)


@internal_router.get("/settings", response_model=ClinicSettings)
async def get_settings_for_services(_caller: FollowingService, clinic: UseSettings) -> ClinicSettings:
    """What an admin has set. Services keep a copy, and use it while this service does not answer."""
    return await clinic.list_for_services()
