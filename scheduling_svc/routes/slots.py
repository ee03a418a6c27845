"""Free time over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from scheduling_svc.domain.refusals import NoSuchReservation, UnknownDoctor
from scheduling_svc.domain.slots import Explanation
from scheduling_svc.schemas import ExplanationOut, SlotListOut, slot_cursor
from scheduling_svc.usecases.slots import EarliestQuery, SlotQuery, SlotSearch
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.relayed_refusals import NoSuchDoctor, UnknownService
from shared.contracts.texts import OneLineText
from shared.contracts.values import Instant, Locale, TimeZone
from shared.kit import routes
from shared.kit.access import Account, PublicOrAccount
from shared.kit.paging import CURSOR_SCHEMA, BadCursor
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(tags=["Calendar"])
UseCases = Annotated[SlotSearch, use_case(SlotSearch)]
SLOT_REFUSALS = (UnknownService, RangeReversed, RangeTooLong, NoSuchReservation, BadCursor)

From = Annotated[Instant | None, Query(alias="from", description="Default: now.")]
To = Annotated[Instant | None, Query(alias="to", description="Not included; default: 14 days later; at most 62 days.")]
Zone = Annotated[TimeZone | None, Query(description="The zone in which to show the times; default: that of the doctor.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[str | None, Query(max_length=200, description="The `next` of the previous page.", json_schema_extra=CURSOR_SCHEMA)]
Doctors = Annotated[list[UUID] | None, Query(alias="doctor_id", max_length=80, description="Default: all who offer the service.")]
SearchText = Annotated[OneLineText | None, Query()]


def _slot_query(
    service_id: Annotated[UUID, Query()],
    begins: From = None,
    ends: To = None,
    time_zone: Zone = None,
    excluded: Annotated[
        UUID | None, Query(alias="exclude_appointment", description="An appointment of yours whose own time counts as free.")
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> SlotQuery:
    return SlotQuery(
        service_id,
        begins=begins,
        ends=ends,
        time_zone=time_zone,
        exclude_appointment_id=excluded,
        limit=limit,
        after=slot_cursor(after),
    )


def _earliest_query(
    service_id: Annotated[UUID, Query()],
    specialty: SearchText = None,
    location: SearchText = None,
    language: Annotated[Locale | None, Query(description="BCP 47; `en` includes `en-GB`.")] = None,
    begins: From = None,
    time_zone: Zone = None,
    limit: Limit = 10,
    after: After = None,
) -> EarliestQuery:
    return EarliestQuery(
        service_id,
        begins=begins,
        specialty=specialty,
        location=location,
        language=language,
        time_zone=time_zone,
        limit=limit,
        after=slot_cursor(after),
    )


SlotQueryParameters = Annotated[SlotQuery, Depends(_slot_query)]
EarliestQueryParameters = Annotated[EarliestQuery, Depends(_earliest_query)]


@router.get(
    "/slots",
    operation_id="list_slots",
    response_model=SlotListOut,
    responses=refusals(*SLOT_REFUSALS, UnknownDoctor),
    summary="List the free times of a service",
)
async def list_slots(
    request: Request, response: Response, caller: PublicOrAccount, slots: UseCases, query: SlotQueryParameters, doctors: Doctors = None
) -> SlotListOut:
    """In the order of start and doctor, without times that a rule excludes or somebody holds. A token marks your own holds."""
    slot_list = await slots.list_free(replace(query, doctor_ids=tuple(doctors) if doctors else None), caller)
    return with_next_link(request, response, SlotListOut.model_validate(slot_list))


@router.get(
    "/slots/earliest",
    operation_id="list_earliest_slots",
    response_model=SlotListOut,
    responses=refusals(UnknownService, BadCursor),
    summary="List the first free times of all doctors",
)
async def list_earliest_slots(
    request: Request, response: Response, caller: PublicOrAccount, slots: UseCases, query: EarliestQueryParameters
) -> SlotListOut:
    """In the order of start and doctor, up to the horizon of the service; `complete` is false when there are more."""
    return with_next_link(request, response, SlotListOut.model_validate(await slots.list_earliest(query, caller)))


@router.get(
    "/slots/explain",
    operation_id="explain_slot",
    response_model=ExplanationOut,
    responses=refusals(UnknownService, UnknownDoctor),
    summary="Explain why a time is not free",
)
async def explain_slot(
    caller: Account,
    slots: UseCases,
    service_id: Annotated[UUID, Query()],
    doctor_id: Annotated[UUID, Query()],
    starts_at: Annotated[Instant, Query()],
) -> Explanation:
    """Lists every reason that applies to you, in a fixed order."""
    return await slots.explain(service_id, doctor_id, starts_at, caller)


@router.get(
    "/doctors/{doctor_id}/slots",
    operation_id="list_slots_of_doctor",
    response_model=SlotListOut,
    responses=refusals(*SLOT_REFUSALS, NoSuchDoctor),
    summary="List the free times of a doctor",
)
async def list_slots_of_doctor(
    request: Request, response: Response, doctor_id: UUID, caller: PublicOrAccount, slots: UseCases, query: SlotQueryParameters
) -> SlotListOut:
    """As `GET /slots` for one doctor."""
    slot_list = await slots.list_free_of_doctor(replace(query, doctor_ids=(doctor_id,)), caller)
    return with_next_link(request, response, SlotListOut.model_validate(slot_list))
