"""Free time over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from scheduling_svc.domain.refusals import NoSuchDoctor, NoSuchReservation, RangeReversed, RangeTooLong, UnknownDoctor, UnknownService
from scheduling_svc.domain.slots import Explanation, SlotList
from scheduling_svc.schemas import ExplanationOut, SlotListOut, place_of
from scheduling_svc.usecases.slots import EarliestQuestion, SlotQuestion, Slots
from shared.contracts.values import Instant, Locale, TimeZone
from shared.kit import routes
from shared.kit.access import Account, Public
from shared.kit.paging import BadCursor
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(tags=["Calendar"])
Limit = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[str | None, Query(max_length=200, description="The `next` of the list before.")]


def _question(
    service_id: Annotated[UUID, Query()],
    begins: Annotated[Instant | None, Query(alias="from", description="Default: now.")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included; default: 14 days later; at most 62 days.")] = None,
    time_zone: Annotated[TimeZone | None, Query(description="In which to show the times; default: the doctor's.")] = None,
    but: Annotated[UUID | None, Query(alias="exclude_appointment", description="One's own, that may move over its own time.")] = None,
    limit: Limit = 100,
    after: After = None,
) -> SlotQuestion:
    return SlotQuestion(service_id, None, begins=begins, ends=ends, time_zone=time_zone, but=but, limit=limit, after=place_of(after))


UseCases = Annotated[Slots, use_case(Slots)]
Question = Annotated[SlotQuestion, Depends(_question)]
Doctors = Annotated[list[UUID] | None, Query(alias="doctor_id", max_length=80, description="Default: all who offer the service.")]
Word = Annotated[str | None, Query(min_length=1, max_length=200)]
REFUSALS = (UnknownService, RangeReversed, RangeTooLong, NoSuchReservation, BadCursor)


@router.get("/slots", response_model=SlotListOut, responses=refusals(*REFUSALS, UnknownDoctor), summary="Free times of a service")
async def list_slots(caller: Public, slots: UseCases, question: Question, doctors: Doctors = None) -> SlotList:
    return await slots.free(replace(question, doctor_ids=tuple(doctors) if doctors else None), caller)


def _earliest(
    service_id: Annotated[UUID, Query()],
    specialty: Word = None,
    location: Word = None,
    language: Annotated[Locale | None, Query(description="BCP 47; `en` takes in `en-GB`.")] = None,
    begins: Annotated[Instant | None, Query(alias="from", description="Default: now.")] = None,
    time_zone: Annotated[TimeZone | None, Query(description="In which to show the times; default: the doctor's.")] = None,
    limit: Limit = 10,
    after: After = None,
) -> EarliestQuestion:
    return EarliestQuestion(service_id, begins, specialty, location, language, time_zone, limit, place_of(after))


@router.get(
    "/slots/earliest",
    response_model=SlotListOut,
    responses=refusals(UnknownService, BadCursor),
    summary="The first free times of all doctors",
)
async def list_earliest_slots(caller: Public, slots: UseCases, question: Annotated[EarliestQuestion, Depends(_earliest)]) -> SlotList:
    """By start and then doctor, up to the service's horizon; not `complete` when there are more."""
    return await slots.earliest(question, caller)


@router.get(
    "/slots/explain", response_model=ExplanationOut, responses=refusals(UnknownService, UnknownDoctor), summary="Why a time is not free"
)
async def explain_slot(
    caller: Account,
    slots: UseCases,
    service_id: Annotated[UUID, Query()],
    doctor_id: Annotated[UUID, Query()],
    starts_at: Annotated[Instant, Query()],
) -> Explanation:
    """Every reason that applies to you, in a fixed order."""
    return await slots.explain(service_id, doctor_id, starts_at, caller)


@router.get(
    "/doctors/{doctor_id}/slots",
    response_model=SlotListOut,
    responses=refusals(*REFUSALS, NoSuchDoctor),
    summary="Free times of a doctor",
)
async def list_slots_of_doctor(doctor_id: UUID, caller: Public, slots: UseCases, question: Question) -> SlotList:
    return await slots.free_of(replace(question, doctor_ids=(doctor_id,)), caller)
