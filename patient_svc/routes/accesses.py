"""The log of who read or changed what of a patient, over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from patient_svc.domain.access import LoggedAccess
from patient_svc.routes.callers import AccessLogReader
from patient_svc.schemas import AccessOut
from patient_svc.usecases.access_log import AccessLog
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import access, routes
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/me", tags=["Patients"])
UseLog = Annotated[AccessLog, use_case(AccessLog)]


@router.get(
    "/access-log",
    operation_id="list_my_accesses",
    response_model=Page[AccessOut],
    responses=refusals(BadCursor),
    summary="List who read or changed your data",
)
async def list_my_accesses(request: Request, response: Response, caller: access.Patient, paging: Paged, log: UseLog) -> Page[LoggedAccess]:
    """Newest first: your profile as others read and changed it, your medical history and your visits; refused attempts included."""
    lines = await log.list_for_patient(caller.id, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(lines, lambda line: (line.at.isoformat(), line.id)))


@router.get(
    "/dependants/{dependant_id}/access-log",
    operation_id="list_accesses_of_dependant",
    response_model=Page[AccessOut],
    responses=refusals(NoSuchPatient, BadCursor),
    summary="List who read or changed the data of somebody for whom you act",
)
async def list_accesses_of_dependant(
    dependant_id: UUID, request: Request, response: Response, caller: AccessLogReader, paging: Paged, log: UseLog
) -> Page[LoggedAccess]:
    """As your own log, newest first. Only for guardians; others get 404."""
    lines = await log.list_for_guardian(caller, dependant_id, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(lines, lambda line: (line.at.isoformat(), line.id)))
