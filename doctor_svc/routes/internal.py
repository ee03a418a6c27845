"""What neighbours ask doctor-service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from doctor_svc.domain.services import ServiceType
from doctor_svc.routes.services import UseCases as Services
from shared.contracts.http import ServiceRules
from shared.contracts.identity import Caller, Service
from shared.kit import routes
from shared.kit.access import only_services

router = routes.router(prefix="/internal", internal=True)
Readers = Annotated[Caller, Depends(only_services(Service.SCHEDULING, Service.APPOINTMENT, Service.NOTIFICATION))]


@router.get("/services/{service_id}", response_model=ServiceRules)
async def rules_of_service(service_id: UUID, _caller: Readers, services: Services) -> ServiceType:
    return await services.find(service_id)
