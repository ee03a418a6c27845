"""What neighbours ask doctor-service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from doctor_svc.domain.refusals import NoSuchDoctor, NoSuchService, UnknownService
from doctor_svc.domain.services import ServiceType
from doctor_svc.routes.doctors import UseCases as Doctors
from doctor_svc.routes.services import UseCases as Services
from doctor_svc.schemas import PutDoctor, RenameDoctor
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.contracts.identity import Caller, Service
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.paging import Page, Paged
from shared.kit.problems import refusals

router = routes.service_router(prefix="/internal", internal=True)
Readers = Annotated[Caller, Depends(require_services(Service.SCHEDULING, Service.APPOINTMENT, Service.NOTIFICATION, Service.ADMIN))]
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]


@router.get("/services", response_model=Page[ServiceTypeRules])
async def list_rules_of_services(caller: Readers, paging: Paged, services: Services) -> Page[ServiceType]:
    return paging.page(await services.browse(caller, paging.limit, paging.after), lambda service: (service.name, service.id))


@router.get("/services/{service_id}", response_model=ServiceTypeRules, responses=refusals(NoSuchService))
async def rules_of_service(service_id: UUID, _caller: Readers, services: Services) -> ServiceType:
    return await services.find(service_id)


@router.get("/doctors", response_model=Page[DoctorRules])
async def list_rules_of_doctors(_caller: Readers, paging: Paged, doctors: Doctors) -> Page[DoctorRules]:
    return paging.page(await doctors.all_rules(paging.limit, paging.after), lambda rules: (rules.id,))


@router.get("/doctors/{doctor_id}", response_model=DoctorRules, responses=refusals(NoSuchDoctor))
async def rules_of_doctor(doctor_id: UUID, _caller: Readers, doctors: Doctors) -> DoctorRules:
    return await doctors.rules(doctor_id)


@router.put("/doctors/{doctor_id}", response_model=DoctorRules, responses=refusals(UnknownService))
async def put_doctor(doctor_id: UUID, body: PutDoctor, _caller: AdminService, doctors: Doctors) -> DoctorRules:
    return (await doctors.engage(body.doctor(doctor_id), body.password)).rules()


@router.patch("/doctors/{doctor_id}", response_model=DoctorRules, responses=refusals(NoSuchDoctor))
async def rename_doctor(doctor_id: UUID, body: RenameDoctor, _caller: AdminService, doctors: Doctors) -> DoctorRules:
    return (await doctors.amend(doctor_id, {"full_name": body.full_name}, None, None)).rules()
