"""Service types and specialties over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from doctor_svc.domain.refusals import NoSuchService
from doctor_svc.domain.services import ServiceType
from doctor_svc.schemas import AmendService, OfferService, Specialties
from doctor_svc.usecases.services import Services
from shared.contracts.http import ServiceTypeRules
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.kit import routes
from shared.kit.access import Admin, Public
from shared.kit.idempotency import OperationId
from shared.kit.paging import Page, Paged
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(tags=["Doctors and services"])


UseCases = Annotated[Services, use_case(Services)]


@router.get("/specialties", response_model=Specialties, summary="Specialties of the services on offer")
async def list_specialties(_caller: Public, services: UseCases) -> Specialties:
    return Specialties(items=await services.specialties())


@router.get("/services", response_model=Page[ServiceTypeRules], summary="Services on offer")
async def list_services(caller: Public, paging: Paged, services: UseCases) -> Page[ServiceType]:
    return paging.page(await services.browse(caller, paging.limit, paging.after), lambda service: (service.name, service.id))


@router.get("/services/{service_id}", response_model=ServiceTypeRules, responses=refusals(NoSuchService), summary="One service")
async def get_service(service_id: UUID, _caller: Public, services: UseCases) -> ServiceType:
    return await services.find(service_id)


@router.post("/services", response_model=ServiceTypeRules, status_code=201, summary="Offer a service")
async def offer_service(body: OfferService, _caller: Admin, once: OperationId, services: UseCases) -> ServiceType:
    return await services.offer(body.service(once.id))


@router.patch(
    "/services/{service_id}",
    response_model=ServiceTypeRules,
    responses=refusals(NoSuchService, Stale, PreconditionRequired),
    summary="Change a service",
)
async def amend_service(service_id: UUID, body: AmendService, _caller: Admin, expected: RequireIfMatch, services: UseCases) -> ServiceType:
    return await services.amend(service_id, body.changes, expected)
