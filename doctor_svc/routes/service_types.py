"""Service types and specialties over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Request, Response

from doctor_svc.domain.service_types import ServiceType
from doctor_svc.schemas import CreateServiceType, SpecialtiesOut, UpdateServiceType
from doctor_svc.usecases.service_types import ServiceTypes
from shared.contracts.http import ServiceTypeRules
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.contracts.relayed_refusals import NoSuchService
from shared.kit import routes
from shared.kit.access import Admin, Public
from shared.kit.idempotency import OperationId
from shared.kit.paging import Page, Paged
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_location, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(tags=["Doctors and services"])
UseServiceTypes = Annotated[ServiceTypes, use_case(ServiceTypes)]


@router.get(
    "/specialties", operation_id="list_specialties", response_model=SpecialtiesOut, summary="Specialties of active services and doctors"
)
async def list_specialties(_caller: Public, service_types: UseServiceTypes) -> SpecialtiesOut:
    """Each once, in alphabetical order."""
    return SpecialtiesOut(items=await service_types.list_specialties())


@router.get("/services", operation_id="list_services", response_model=Page[ServiceTypeRules], summary="Services on offer")
async def list_services(
    caller: Public, paging: Paged, service_types: UseServiceTypes, request: Request, response: Response
) -> Page[ServiceType]:
    """Active services, by name. Admins see inactive ones too."""
    rows = await service_types.list_visible(caller, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda service_type: (service_type.name, service_type.id)))


@router.get(
    "/services/{service_id}",
    operation_id="get_service",
    response_model=ServiceTypeRules,
    responses=refusals(NoSuchService),
    summary="One service",
)
async def get_service(service_id: UUID, _caller: Public, service_types: UseServiceTypes, response: Response) -> ServiceType:
    """The booking rules of the service, active or not."""
    return with_etag(response, await service_types.get(service_id))


@router.post("/services", operation_id="offer_service", response_model=ServiceTypeRules, status_code=201, summary="Create a service")
async def create_service(
    body: CreateServiceType, caller: Admin, operation: OperationId, service_types: UseServiceTypes, response: Response
) -> ServiceType:
    """It can be booked as soon as a doctor offers it."""
    service_type = await service_types.create(body.to_service_type(operation.id), by=caller)
    return with_location(response, service_type, f"/services/{service_type.id}")


@router.patch(
    "/services/{service_id}",
    operation_id="amend_service",
    response_model=ServiceTypeRules,
    responses=refusals(NoSuchService, Stale, PreconditionRequired),
    summary="Change a service",
)
async def update_service(
    service_id: UUID,
    body: UpdateServiceType,
    caller: Admin,
    expected_version: RequireIfMatch,
    service_types: UseServiceTypes,
    response: Response,
) -> ServiceType:
    """Fields that are left out stay as they are. Booked appointments keep the length and the price agreed."""
    return with_etag(response, await service_types.update(service_id, body.changes, expected_version, by=caller))
