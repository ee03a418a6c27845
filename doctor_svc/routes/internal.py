"""The routes for other services."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from doctor_svc.domain.refusals import NotADoctorsAccount
from doctor_svc.domain.service_types import ServiceType
from doctor_svc.routes.doctors import UseDoctors
from doctor_svc.routes.service_types import UseServiceTypes
from doctor_svc.schemas import CreateDoctor, PutDoctor, RenameDoctor
from shared.contracts.contacts import DoctorContactRequest, DoctorContacts
from shared.contracts.http import DoctorRules, ExistingProfile, ServiceTypeRules
from shared.contracts.identity import Caller, Service
from shared.contracts.names import FoundNames, NameRequest
from shared.contracts.relayed_refusals import EmailTaken, NoSuchDoctor, NoSuchService, UnknownService
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.paging import Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_next_link

router = routes.service_router(prefix="/internal", internal=True)
READING_SERVICES = (Service.SCHEDULING, Service.APPOINTMENT, Service.NOTIFICATION, Service.ADMIN)
ReadingService = Annotated[Caller, Depends(require_services(*READING_SERVICES))]
ContactReadingService = Annotated[Caller, Depends(require_services(Service.NOTIFICATION, Service.PATIENT))]
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]


@router.get("/services", response_model=Page[ServiceTypeRules])
async def list_service_rules(
    caller: ReadingService, paging: Paged, service_types: UseServiceTypes, request: Request, response: Response
) -> Page[ServiceType]:
    """Active and inactive service types, by name."""
    rows = await service_types.list_visible(caller, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda service_type: (service_type.name, service_type.id)))


@router.get("/services/{service_id}", response_model=ServiceTypeRules, responses=refusals(NoSuchService))
async def get_service_rules(service_id: UUID, _caller: ReadingService, service_types: UseServiceTypes, response: Response) -> ServiceType:
    return with_etag(response, await service_types.get(service_id))


@router.get("/doctors", response_model=Page[DoctorRules])
async def list_doctor_rules(
    _caller: ReadingService, paging: Paged, doctors: UseDoctors, request: Request, response: Response
) -> Page[DoctorRules]:
    """Active and inactive doctors, by id."""
    rows = await doctors.list_rules(paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda rules: (rules.id,)))


@router.get("/doctors/{doctor_id}", response_model=DoctorRules, responses=refusals(NoSuchDoctor))
async def get_doctor_rules(doctor_id: UUID, _caller: ReadingService, doctors: UseDoctors, response: Response) -> DoctorRules:
    return with_etag(response, await doctors.get_rules(doctor_id))


@router.post("/contacts", response_model=DoctorContacts)
async def list_contacts(
    body: DoctorContactRequest, _caller: ContactReadingService, doctors: UseDoctors, service_types: UseServiceTypes
) -> DoctorContacts:
    """The doctors and service types that exist among the ids."""
    contacts, reminders = await doctors.list_contacts(body.doctor_ids), await service_types.list_reminders(body.service_ids)
    return DoctorContacts(doctors=contacts, services=reminders)


@router.post("/names", response_model=FoundNames)
async def list_names(body: NameRequest, _caller: AdminService, doctors: UseDoctors, service_types: UseServiceTypes) -> FoundNames:
    """The names of the doctors and service types that exist among the ids."""
    return FoundNames(doctors=await doctors.list_names(body.doctor_ids), services=await service_types.list_names(body.service_ids))


@router.put("/doctors/{doctor_id}", response_model=DoctorRules, responses=refusals(UnknownService, EmailTaken, NotADoctorsAccount))
async def put_doctor(doctor_id: UUID, body: PutDoctor, _caller: AdminService, doctors: UseDoctors, response: Response) -> DoctorRules:
    """Create a doctor and their account; a doctor who exists is returned as they are."""
    return with_etag(response, (await doctors.create(body.to_doctor(doctor_id, doctors.clinic().time_zone), body.password)).rules())


@router.post("/doctor-checks/{doctor_id}", response_model=ExistingProfile, responses=refusals(UnknownService))
async def check_new_doctor(doctor_id: UUID, body: CreateDoctor, _caller: AdminService, doctors: UseDoctors) -> ExistingProfile:
    """Whether a doctor exists; otherwise their fields are checked, and nothing is created."""
    return ExistingProfile(exists=await doctors.check_new(body.to_doctor(doctor_id, doctors.clinic().time_zone)))


@router.put("/pending-doctors/{doctor_id}", status_code=204, responses=refusals(UnknownService))
async def prepare_doctor(doctor_id: UUID, body: CreateDoctor, _caller: AdminService, doctors: UseDoctors) -> None:
    """Store a doctor who stays invisible until the account has the role; `PUT /internal/doctors/{id}` then confirms them."""
    await doctors.prepare(body.to_doctor(doctor_id, doctors.clinic().time_zone))


@router.delete("/pending-doctors/{doctor_id}", status_code=204)
async def discard_pending_doctor(doctor_id: UUID, _caller: AdminService, doctors: UseDoctors) -> None:
    """Delete a doctor whose account did not get the role; a doctor who is not pending stays."""
    await doctors.discard(doctor_id)


@router.patch("/doctors/{doctor_id}", response_model=DoctorRules, responses=refusals(NoSuchDoctor))
async def rename_doctor(doctor_id: UUID, body: RenameDoctor, _caller: AdminService, doctors: UseDoctors, response: Response) -> DoctorRules:
    return with_etag(response, (await doctors.update(doctor_id, {"full_name": body.full_name}, None, None)).doctor.rules())
