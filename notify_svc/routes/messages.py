"""The log of messages over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from notify_svc.domain.messages import MessageStatus
from notify_svc.domain.notifications import MessageKind
from notify_svc.domain.refusals import MessageNotFinished, MessageOutdated, MessageUnreadable, NoSuchMessage, ResentJustNow
from notify_svc.ports.message_log import LoggedMessage, MessageFilter
from notify_svc.schemas.messages import MessageDetailsOut, MessageOut, OwnMessageOut
from notify_svc.usecases.message_log import MessageLog
from notify_svc.usecases.resend import MessageResending
from shared.contracts.identity import Caller, Service
from shared.contracts.ranges import RangeReversed
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import MessageReader, Patient, Staff, require_services
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/messages", tags=["Administration"])
own_router = routes.service_router(prefix="/patients/me/messages", tags=["Patients"])
internal_router = routes.service_router(prefix="/internal", internal=True)
PatientService = Annotated[Caller, Depends(require_services(Service.PATIENT))]
UseLog = Annotated[MessageLog, use_case(MessageLog)]
UseResending = Annotated[MessageResending, use_case(MessageResending)]


async def _filter(
    status: Annotated[list[MessageStatus] | None, Query(max_length=10)] = None,
    kind: Annotated[list[MessageKind] | None, Query(max_length=30)] = None,
    recipient_id: UUID | None = None,
    appointment_id: UUID | None = None,
    created_from: Annotated[Instant | None, Query(alias="from", description="Created then or later.")] = None,
    created_to: Annotated[Instant | None, Query(alias="to", description="Created before.")] = None,
) -> MessageFilter:
    return MessageFilter(tuple(status or ()), tuple(kind or ()), recipient_id, appointment_id, created_from, created_to)


Filter = Annotated[MessageFilter, Depends(_filter)]


@router.get(
    "",
    operation_id="list_messages",
    response_model=Page[MessageOut],
    responses=refusals(BadCursor, RangeReversed),
    summary="List the messages that were sent or wait",
)
async def list_messages(
    request: Request, response: Response, _caller: MessageReader, paging: Paged, wanted: Filter, log: UseLog
) -> Page[LoggedMessage]:
    """Newest first. A filter with several values is repeated; filters of different names must all match. No message has its text."""
    messages = await log.list_messages(wanted, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(messages, lambda message: message.sort_key))


@router.get(
    "/{message_id}",
    operation_id="get_message",
    response_model=MessageDetailsOut,
    responses=refusals(NoSuchMessage),
    summary="Get a message with its attempts",
)
async def get_message(message_id: UUID, _caller: MessageReader, log: UseLog) -> LoggedMessage:
    """Every attempt to deliver it with its result. The text of a message is not stored."""
    return await log.get(message_id)


@router.post(
    "/{message_id}/resend",
    operation_id="resend_message",
    response_model=MessageDetailsOut,
    responses=refusals(NoSuchMessage, MessageNotFinished, MessageOutdated, ResentJustNow, MessageUnreadable),
    summary="Send a message again",
)
async def resend_message(message_id: UUID, caller: Staff, operation: OperationId, resending: UseResending, log: UseLog) -> LoggedMessage:
    """After `failed`, `unknown` or `skipped` the message itself is queued again, with the same Message-ID.

    After `sent` the response is a new message, with a Message-ID of its own; `resent_from` is the id of the first one. The mail has what
    is true when it is sent."""
    return await log.get(await resending.resend(message_id, caller, operation.id))


@own_router.get(
    "",
    operation_id="list_my_messages",
    response_model=Page[OwnMessageOut],
    responses=refusals(BadCursor),
    summary="List the messages that you were sent",
)
async def list_my_messages(request: Request, response: Response, caller: Patient, paging: Paged, log: UseLog) -> Page[LoggedMessage]:
    """Newest first: what was sent, what may have arrived, and what could not be delivered."""
    messages = await log.list_for_recipient(caller.id, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(messages, lambda message: message.sort_key))


@internal_router.get("/patients/{patient_id}/messages", response_model=Page[OwnMessageOut], responses=refusals(BadCursor))
async def export_messages(patient_id: UUID, _caller: PatientService, paging: Paged, log: UseLog) -> Page[LoggedMessage]:
    """What a patient was sent, newest first, for the export that the patient asks patient-service for."""
    return paging.page(await log.list_for_recipient(patient_id, paging.limit, paging.after), lambda message: message.sort_key)
