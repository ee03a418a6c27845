"""Webhooks over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from notify_svc.domain.webhook_bodies import WebhookBody, WebhookPingBody
from notify_svc.domain.webhook_deliveries import WebhookDelivery
from notify_svc.domain.webhook_refusals import (
    AddressNotAllowed,
    NoSuchWebhook,
    NoSuchWebhookDelivery,
    TooManyRotations,
    TooManyWebhooks,
    WebhookEnded,
    WebhookPaused,
)
from notify_svc.domain.webhooks import Webhook
from notify_svc.schemas.webhooks import (
    CreateWebhook,
    ReplayedWebhookOut,
    ReplayWebhook,
    UpdateWebhook,
    WebhookDeliveryOut,
    WebhookOut,
    WebhookWithSecretOut,
)
from notify_svc.usecases.webhooks import Webhooks, WebhookWithSecret
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.kit import routes
from shared.kit.access import WebhookManager
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import forbid_storing, with_etag, with_location, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/webhooks", tags=["Webhooks"])
UseWebhooks = Annotated[Webhooks, use_case(Webhooks)]


@router.post(
    "",
    operation_id="create_webhook",
    response_model=WebhookWithSecretOut,
    status_code=201,
    responses=refusals(AddressNotAllowed, TooManyWebhooks),
    summary="Create a webhook",
)
async def create_webhook(
    body: CreateWebhook, caller: WebhookManager, operation: OperationId, webhooks: UseWebhooks, response: Response
) -> WebhookWithSecretOut:
    """Events are sent to the URL from now on, signed as Standard Webhooks describes. The secret for the signatures is shown only now.

    A delivery that gets no 2xx answer within 10 seconds is repeated 8 times within 24 hours. Redirects are not followed; 410 ends the
    webhook.
    """
    created = await webhooks.create(operation.id, body.url, list(map(str, body.events)), body.description, by=caller)
    with_location(response, created.webhook, f"/webhooks/{created.webhook.id}")
    return _with_secret(response, created)


@router.get("", operation_id="list_webhooks", response_model=Page[WebhookOut], responses=refusals(BadCursor), summary="List the webhooks")
async def list_webhooks(
    _caller: WebhookManager, paging: Paged, webhooks: UseWebhooks, request: Request, response: Response
) -> Page[Webhook]:
    """In the order in which they were created, ended ones included."""
    rows = await webhooks.list_all(paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda webhook: (webhook.created_at.isoformat(), webhook.id)))


@router.get(
    "/{webhook_id}", operation_id="get_webhook", response_model=WebhookOut, responses=refusals(NoSuchWebhook), summary="Get a webhook"
)
async def get_webhook(webhook_id: UUID, _caller: WebhookManager, webhooks: UseWebhooks, response: Response) -> Webhook:
    """Its secret is not shown; `rotate-secret` makes a new one."""
    return with_etag(response, await webhooks.get(webhook_id))


@router.patch(
    "/{webhook_id}",
    operation_id="update_webhook",
    response_model=WebhookOut,
    responses=refusals(NoSuchWebhook, AddressNotAllowed, WebhookEnded, Stale, PreconditionRequired),
    summary="Change, pause or resume a webhook",
)
async def update_webhook(
    webhook_id: UUID,
    body: UpdateWebhook,
    caller: WebhookManager,
    expected_version: RequireIfMatch,
    webhooks: UseWebhooks,
    response: Response,
) -> Webhook:
    """Fields that are left out stay as they are. With the status `active` or a new URL, deliveries that wait are sent at once."""
    return with_etag(response, await webhooks.change(webhook_id, body.changes, expected_version, by=caller))


@router.delete(
    "/{webhook_id}",
    operation_id="delete_webhook",
    status_code=204,
    responses=refusals(NoSuchWebhook, Stale),
    summary="Delete a webhook",
)
async def delete_webhook(webhook_id: UUID, caller: WebhookManager, expected_version: IfMatch, webhooks: UseWebhooks) -> None:
    """Nothing more is sent to it, and its deliveries are deleted."""
    await webhooks.delete(webhook_id, expected_version, by=caller)


@router.post(
    "/{webhook_id}/ping",
    operation_id="ping_webhook",
    response_model=WebhookDeliveryOut,
    status_code=202,
    responses=refusals(NoSuchWebhook, WebhookPaused, WebhookEnded, Stale),
    summary="Send a ping to a webhook",
)
async def ping_webhook(
    webhook_id: UUID, _caller: WebhookManager, expected_version: IfMatch, operation: OperationId, webhooks: UseWebhooks
) -> WebhookDelivery:
    """Sends an event of the type `ping`, signed as all events. The deliveries of the webhook show the result."""
    return await webhooks.ping(webhook_id, operation.id, expected_version)


@router.post(
    "/{webhook_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    response_model=WebhookWithSecretOut,
    responses=refusals(NoSuchWebhook, WebhookEnded, TooManyRotations, Stale),
    summary="Give a webhook a new secret",
)
async def rotate_webhook_secret(
    webhook_id: UUID,
    caller: WebhookManager,
    expected_version: IfMatch,
    operation: OperationId,
    webhooks: UseWebhooks,
    response: Response,
) -> WebhookWithSecretOut:
    """The new secret is shown only now. For 24 hours deliveries are signed with the replaced one, too. At most five rotations a day."""
    rotated = await webhooks.rotate_secret(webhook_id, operation.id, expected_version, by=caller)
    with_etag(response, rotated.webhook)
    return _with_secret(response, rotated)


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="list_webhook_deliveries",
    response_model=Page[WebhookDeliveryOut],
    responses=refusals(NoSuchWebhook, BadCursor),
    summary="List what was sent to a webhook",
)
async def list_webhook_deliveries(
    webhook_id: UUID, _caller: WebhookManager, paging: Paged, webhooks: UseWebhooks, request: Request, response: Response
) -> Page[WebhookDelivery]:
    """The newest first. They are kept for 30 days."""
    rows = await webhooks.list_deliveries(webhook_id, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(rows, lambda delivery: (delivery.created_at.isoformat(), delivery.id)))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay",
    operation_id="replay_webhook_delivery",
    response_model=WebhookDeliveryOut,
    status_code=202,
    responses=refusals(NoSuchWebhook, NoSuchWebhookDelivery, WebhookEnded, Stale),
    summary="Send a delivery again",
)
async def replay_webhook_delivery(
    webhook_id: UUID, delivery_id: UUID, _caller: WebhookManager, expected_version: IfMatch, webhooks: UseWebhooks
) -> WebhookDelivery:
    """It has the same `webhook-id` and body as before. One that waits for a retry is due at once; one that is being sent stays as it is."""
    return await webhooks.replay_delivery(webhook_id, delivery_id, expected_version)


@router.post(
    "/{webhook_id}/replay",
    operation_id="replay_webhook",
    response_model=ReplayedWebhookOut,
    status_code=202,
    responses=refusals(NoSuchWebhook, WebhookEnded, Stale),
    summary="Send all deliveries since an instant again",
)
async def replay_webhook(
    webhook_id: UUID, body: ReplayWebhook, _caller: WebhookManager, expected_version: IfMatch, webhooks: UseWebhooks
) -> ReplayedWebhookOut:
    """In their order per appointment, each with the same `webhook-id` and body as before. Those given up or waiting for a retry, too."""
    return ReplayedWebhookOut(since=body.since, replayed=await webhooks.replay_since(webhook_id, body.since, expected_version))


def _with_secret(response: Response, created: WebhookWithSecret) -> WebhookWithSecretOut:
    forbid_storing(response)
    if created.is_repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return WebhookWithSecretOut(**dict(WebhookOut.model_validate(created.webhook)), secret=created.secret)


webhook_descriptions = APIRouter(tags=["Webhooks"])
"""What receivers get, for the section `webhooks` of the OpenAPI document; these are not routes of this service."""
SIGNED: dict[str, Any] = {"security": []}  # the signature in the headers takes the place of a token
WebhookId = Annotated[UUID, Header(alias="webhook-id", description="The same in every attempt and replay.")]
WebhookTimestamp = Annotated[int, Header(alias="webhook-timestamp", description="When this attempt was made, in seconds since 1970.")]
WebhookSignature = Annotated[
    str,
    Header(alias="webhook-signature", description="`v1,` and the signature in base64; during a rotation two, with a space between."),
]


@webhook_descriptions.post(
    "appointment_event",
    operation_id="receive_appointment_event",
    status_code=204,
    summary="An event about an appointment",
    openapi_extra=SIGNED,
)
async def receive_appointment_event(
    body: WebhookBody, webhook_id: WebhookId, webhook_timestamp: WebhookTimestamp, webhook_signature: WebhookSignature
) -> None:
    """Sent to the URLs of the webhooks that receive its type. Verify the signature before you read the body.

    Any 2xx answer within 10 seconds counts as received. Events of one appointment come in the order of `sequence`, and may come more than
    once.
    """


@webhook_descriptions.post("ping", operation_id="receive_ping", status_code=204, summary="A ping that was requested", openapi_extra=SIGNED)
async def receive_ping(
    body: WebhookPingBody, webhook_id: WebhookId, webhook_timestamp: WebhookTimestamp, webhook_signature: WebhookSignature
) -> None:
    """Sent when `ping` was requested for a webhook, to test its URL and the verification of signatures."""
