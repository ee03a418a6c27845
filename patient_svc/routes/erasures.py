"""Erasures over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from patient_svc.domain.erasures import Erasure, FutureAppointments, HasDependants, NoSuchErasure, SignInAgain
from patient_svc.schemas import ErasureOut, ReportedErasureOut
from patient_svc.usecases.erasures import Erasures
from shared.contracts.erasures import ERASING_SERVICES, ReportErasure
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import access, routes
from shared.kit.access import require_services
from shared.kit.ids import new_id
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/me", tags=["Patients"])
admin_router = routes.service_router(prefix="/admin/erasures", tags=["Administration"])
internal_router = routes.service_router(prefix="/internal/erasures", internal=True)
UseErasures = Annotated[Erasures, use_case(Erasures)]
ReportingService = Annotated[Caller, Depends(require_services(*ERASING_SERVICES))]


@router.delete(
    "",
    operation_id="erase_me",
    response_model=ErasureOut,
    status_code=202,
    responses=refusals(SignInAgain, NoSuchPatient, FutureAppointments, HasDependants, Unavailable),
    summary="Erase your account and your data",
)
async def erase_me(
    caller: access.Patient,
    erasures: UseErasures,
    appointments: Annotated[
        Literal["cancel"] | None, Query(description="`cancel`: appointments ahead are cancelled, whatever their cut-off is.")
    ] = None,
) -> Erasure:
    """Needs a session that began within the last 15 minutes. It cannot be undone, and all your sessions end.

    Your profile and your medical history are erased at once; within a minute follow your account, and your name and texts in everything
    that the clinic keeps. Appointments and the audit trail stay without them for as long as the law wants. Sent mails are not recalled.
    """
    return await erasures.erase_own(caller, new_id(), cancels_appointments=appointments == "cancel")


@admin_router.get(
    "",
    operation_id="list_erasures",
    response_model=Page[ReportedErasureOut],
    responses=refusals(BadCursor),
    summary="List erasures with what was removed",
)
async def list_erasures(
    request: Request, response: Response, caller: access.Admin, paging: Paged, erasures: UseErasures
) -> Page[ReportedErasureOut]:
    """The newest first: which service has removed how much, and when. They name patients by their ids only."""
    page = paging.page(await erasures.list_for_admin(caller, paging.limit, paging.after), lambda reported: reported.erasure.sort_key)
    with_next_link(request, response, page)
    return Page(items=list(map(ReportedErasureOut.of, page.items)), next=page.next)


@internal_router.post("/{erasure_id}/reports", status_code=204, responses=refusals(NoSuchErasure))
async def report_erasure(erasure_id: UUID, body: ReportErasure, caller: ReportingService, erasures: UseErasures) -> None:
    """The calling service has erased what it had. The first report of a pass counts."""
    await erasures.report(erasure_id, Service(str(caller.client)), body.pass_number, body.removed)
