"""Dead letters of all services over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response

from notify_svc.domain.dead_letters import DeadLetterOut, DeadLetterPage
from notify_svc.usecases.dead_letters import DeadLetterOverview
from shared.contracts.identity import Service
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import NoSuchDeadLetter
from shared.kit import routes
from shared.kit.access import Admin, DeadLetterReader
from shared.kit.dead_letter_routes import Topic
from shared.kit.paging import Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/dead-letters", tags=["Administration"])
UseOverview = Annotated[DeadLetterOverview, use_case(DeadLetterOverview)]
ServiceWithDeadLetters = Literal[
    Service.AUTH, Service.PATIENT, Service.DOCTOR, Service.SCHEDULING, Service.APPOINTMENT, Service.ADMIN, Service.NOTIFICATION
]


@router.get("", operation_id="list_dead_letters", response_model=DeadLetterPage, summary="List events that could not be handled")
async def list_dead_letters(
    _caller: DeadLetterReader,
    letters: UseOverview,
    paging: Paged,
    request: Request,
    response: Response,
    service: Annotated[ServiceWithDeadLetters | None, Query(description="Only the letters of this service.")] = None,
    topic: Topic = None,
) -> DeadLetterPage:
    """Events that a service gave up after all its retries, the newest first, and without their content. For admins.

    A service that does not answer does not hide the others: `unavailable` names it.
    """
    return with_next_link(request, response, await letters.list_page(service, topic, paging))


@router.post(
    "/{letter_id}/replay",
    operation_id="replay_dead_letter",
    response_model=DeadLetterOut,
    responses=refusals(NoSuchDeadLetter, Unavailable),
    summary="Deliver an event again",
)
async def replay_dead_letter(letter_id: UUID, _caller: Admin, letters: UseOverview) -> DeadLetterOut:
    """Puts the event into the queue of the service that gave it up, with its id, and into no other queue.

    The service handles an event once, however often it is replayed. A letter that is `replayed` stays as it is; it is `waiting` again, with
    more attempts, when the service gives the event up again.
    """
    return await letters.replay(letter_id)
