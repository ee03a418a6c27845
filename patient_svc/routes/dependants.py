"""Dependants over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from patient_svc.domain.guardians import Dependant, TooManyDependants
from patient_svc.domain.patients import BornLater
from patient_svc.routes.callers import DependantReader, EndingGuardian
from patient_svc.schemas import CreateDependant, DependantOut
from patient_svc.usecases.dependants import Dependants
from shared.contracts.identity import Caller
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import access, routes
from shared.kit.idempotency import OperationId
from shared.kit.paging import Page, Paged
from shared.kit.problems import refusals
from shared.kit.replay_checks import ReplayCheck
from shared.kit.requests import ServiceRequest
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/me/dependants", tags=["Patients"])
UseDependants = Annotated[Dependants, use_case(Dependants)]


async def _check_replay(request: ServiceRequest, caller: Caller, dependant_id: UUID) -> None:
    """Refuse a former guardian, and record that the dependant was read by a guardian."""
    dependants: Dependants = request.app.state.use_cases[Dependants]
    await dependants.check_repeated(caller, dependant_id)


@router.post(
    "",
    operation_id="create_dependant",
    response_model=DependantOut,
    status_code=201,
    responses=refusals(NoSuchPatient, TooManyDependants, BornLater),
    summary="Add a child or a parent for whom you act",
    dependencies=[Depends(ReplayCheck(_check_replay))],
)
async def create_dependant(
    body: CreateDependant, caller: access.Patient, operation: OperationId, dependants: UseDependants, response: Response
) -> Dependant:
    """Creates a patient without an account. The mails about their visits go to you."""
    response.headers["Location"] = f"/patients/me/dependants/{operation.id}"
    return await dependants.create(caller, body.to_dependant(operation.id))


@router.get("", operation_id="list_dependants", response_model=Page[DependantOut], summary="The people for whom you act")
async def list_dependants(
    caller: access.Patient, paging: Paged, dependants: UseDependants, request: Request, response: Response
) -> Page[Dependant]:
    """In the order in which they were added."""
    rows = await dependants.list_for_guardian(caller, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda dependant: (dependant.id,)))


@router.get(
    "/{dependant_id}",
    operation_id="get_dependant",
    response_model=DependantOut,
    responses=refusals(NoSuchPatient),
    summary="A person for whom you act",
)
async def get_dependant(dependant_id: UUID, caller: DependantReader, dependants: UseDependants) -> Dependant:
    """Only for guardians; others get 404."""
    return await dependants.get(caller, dependant_id)


@router.delete(
    "/{dependant_id}",
    operation_id="end_guardianship",
    status_code=204,
    responses=refusals(NoSuchPatient),
    summary="Stop acting for somebody",
)
async def end_guardianship(dependant_id: UUID, caller: EndingGuardian, dependants: UseDependants) -> None:
    """The profile and the visits of the person stay. You get no more mails about them."""
    await dependants.end_guardianship(caller, dependant_id)
