"""Webhooks: their store, the encryption of their secrets, and the way to their receivers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from notify_svc.domain.webhook_deliveries import WebhookDelivery, WebhookResponse
from notify_svc.domain.webhook_sequences import EventSequence
from notify_svc.domain.webhooks import Webhook, WebhookAnswer
from shared.contracts.events import Event


@dataclass(frozen=True, slots=True)
class SignedDelivery:
    """What is sent: the URL, the headers of Standard Webhooks and the body.

    Lookups of the host count for the webhook, so that a host that is not found in time delays no other webhook.
    """

    url: str
    headers: dict[str, str]
    body: str
    webhook_id: UUID | None = None


class WebhookReceiver(Protocol):
    """The way to the receivers of webhooks."""

    async def check_url(self, url: str) -> None:
        """Raise AddressNotAllowed if the URL, or an address of its host, is not allowed. A host that is not found passes."""

    async def send(self, delivery: SignedDelivery) -> WebhookResponse:
        """Send a delivery and return the outcome, after 10 seconds at the latest. Raises nothing."""


class WebhookSecrets(Protocol):
    """Makes, encrypts and decrypts secrets, and signs with them."""

    def create_secret(self) -> str:
        """Return a new secret: `whsec_` and 32 random bytes in base64."""

    def encrypt(self, secret: str) -> str:
        """Return a secret as it is stored."""

    def decrypt(self, encrypted: str) -> str:
        """Return the secret that `encrypt` was given."""

    def signature_headers(self, encrypted_secrets: Sequence[str], delivery: WebhookDelivery, now: datetime) -> dict[str, str]:
        """Return the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, with a signature for each secret."""


class WebhookTransaction(Protocol):
    """The part of a transaction that writes webhooks and their deliveries."""

    async def list_receiving_webhooks(self) -> Sequence[Webhook]:
        """Return the webhooks that have not ended."""

    async def find_known_version(self, appointment_id: UUID) -> int | None:
        """Return the newest recorded version of an appointment."""

    async def lock_event_sequence(self, appointment_id: UUID) -> EventSequence | None:
        """Return the sequence of an appointment's events and lock it."""

    async def insert_event_sequence(self, sequence: EventSequence) -> bool:
        """Insert the sequence of an appointment's events; return False if there is one."""

    async def update_event_sequence(self, sequence: EventSequence) -> None:
        """Replace a sequence that this transaction has locked."""

    async def release_waiting_deliveries(self, sequence: EventSequence, now: datetime) -> None:
        """Make deliveries due that waited for earlier events which have all arrived now."""

    async def insert_delivery(self, delivery: WebhookDelivery) -> bool:
        """Insert a delivery; return False if one with this id exists."""

    async def add_event(self, event: Event) -> None:
        """Publish an event once the transaction has committed."""

    async def insert_webhook(self, webhook: Webhook) -> bool:
        """Insert a webhook; return False if one with this id exists."""

    async def count_webhooks(self) -> int:
        """Return how many webhooks there are, and lock them, so that of two transactions that add one the second waits for the first."""

    async def lock_webhook(self, webhook_id: UUID) -> Webhook | None:
        """Return a webhook and lock it until the transaction ends."""

    async def lock_idle_webhook(self, webhook_id: UUID) -> Webhook | None:
        """Return a webhook and lock it; return None at once if there is none, or if another transaction has locked it."""

    async def save_webhook(self, webhook: Webhook) -> None:
        """Replace a webhook that this transaction has locked."""

    async def delete_webhook(self, webhook_id: UUID) -> None:
        """Delete a webhook; its deliveries are deleted by `delete_old_deliveries`."""

    async def find_answer(self, operation_id: UUID) -> WebhookAnswer | None:
        """Return the answer to a request that made a secret."""

    async def insert_answer(self, answer: WebhookAnswer) -> bool:
        """Insert the answer to a request; return False if there is one."""

    async def make_deliveries_due(self, webhook_id: UUID, now: datetime) -> None:
        """Make the deliveries due that wait for a retry, in their order."""

    async def lock_delivery(self, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery | None:
        """Return a delivery and lock it until the transaction ends."""

    async def save_delivery(self, before: WebhookDelivery, after: WebhookDelivery) -> bool:
        """Replace a delivery; return False if it is no longer as `before` because it was taken or replayed meanwhile."""

    async def requeue_abandoned(self, webhook_id: UUID, taken_before: datetime, now: datetime) -> None:
        """Queue the deliveries again that were taken before an instant and not finished."""

    async def count_in_flight(self, webhook_id: UUID) -> int:
        """Return how many deliveries of a webhook are being sent."""

    async def list_next_deliveries(self, webhook_id: UUID, now: datetime, limit: int) -> Sequence[WebhookDelivery]:
        """Return due deliveries, the longest due first: of a stream only the earliest that is queued, none while one is being sent."""

    async def replay_deliveries(self, webhook_id: UUID, since: datetime, now: datetime) -> int:
        """Queue all deliveries anew that were created at `since` or later and have ended or wait for a retry; return how many."""

    async def give_up_deliveries(self, webhook_id: UUID) -> None:
        """Mark the queued deliveries of an ended webhook as failed."""

    async def release_own_deliveries(self, holder: str, now: datetime) -> int:
        """Queue the deliveries again that this instance was sending; return how many."""


class WebhookStore(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractAsyncContextManager[WebhookTransaction]:
        """Open a transaction: it commits on leaving and rolls back on any exception."""


class WebhookReads(Protocol):
    """Reads webhooks and their deliveries, and gives up and deletes old deliveries. Each method is a transaction of its own."""

    async def find_webhook(self, webhook_id: UUID) -> Webhook | None:
        """Return a webhook."""

    async def list_webhooks(self, limit: int, after: tuple[str, ...] | None) -> Sequence[Webhook]:
        """Return webhooks in the order of creation. Raises BadCursor."""

    async def list_deliveries(self, webhook_id: UUID, limit: int, after: tuple[str, ...] | None) -> Sequence[WebhookDelivery]:
        """Return the deliveries of a webhook, the newest first. Raises BadCursor."""

    async def list_due_webhooks(self, now: datetime, abandoned_before: datetime) -> Sequence[UUID]:
        """Return the ids of active webhooks with due or abandoned deliveries."""

    async def list_failing_webhooks(self, since: datetime) -> Sequence[Webhook]:
        """Return the active webhooks that have been failing since an instant or longer."""

    async def give_up_old_deliveries(self, queued_before: datetime, limit: int) -> int:
        """Mark deliveries as failed that were queued before an instant; return how many."""

    async def delete_old_deliveries(self, created_before: datetime, limit: int) -> int:
        """Delete ended deliveries that were created before an instant, and those of deleted webhooks; return how many."""

    async def delete_old_answers(self, answered_before: datetime, limit: int) -> int:
        """Delete answers to requests that made a secret; return how many."""


class AdminAccounts(Protocol):
    """The accounts of the clinic's admins."""

    async def list_active_admins(self) -> Sequence[UUID]:
        """Return the ids of the active admins' accounts. Raises the refusals of auth-service when it does not answer."""
