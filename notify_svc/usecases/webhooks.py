"""Webhooks as their managers see them: creating, changing and testing them, and sending deliveries again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from notify_svc.domain.webhook_bodies import ping_body
from notify_svc.domain.webhook_deliveries import WebhookDelivery
from notify_svc.domain.webhook_refusals import NoSuchWebhook, NoSuchWebhookDelivery, TooManyWebhooks
from notify_svc.domain.webhooks import MAX_WEBHOOKS, PING, Webhook, WebhookAnswer, WebhookStatus, fingerprint_of
from notify_svc.ports.webhooks import WebhookReads, WebhookReceiver, WebhookSecrets, WebhookStore, WebhookTransaction
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import require_version
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


class WebhookWithSecret(NamedTuple):
    """A webhook and its decrypted secret, which is shown only to the caller who has requested it."""

    webhook: Webhook
    secret: str
    is_repeated: bool = False


class SecretRotation(NamedTuple):
    """The request for a new secret, which is encrypted already."""

    encrypted: str
    operation_id: UUID
    fingerprint: str
    by: Caller


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The webhooks of the clinic. `wake_dispatcher` is called when deliveries are due at once.

    Methods with an id raise NoSuchWebhook; those with `expected_version` raise Stale.
    """

    store: WebhookStore
    reads: WebhookReads
    receiver: WebhookReceiver
    secrets: WebhookSecrets
    now: Clock
    wake_dispatcher: Callable[[], None]

    async def create(
        self, operation_id: UUID, url: str, events: Sequence[str], description: str | None, *, by: Caller
    ) -> WebhookWithSecret:
        """Create an active webhook with a new secret. A repeated request gets the first answer, also if the webhook was deleted meanwhile.

        Raises AddressNotAllowed, TooManyWebhooks, and IdempotencyKeyReused if another webhook was created with this operation.
        """
        fingerprint = fingerprint_of("create", url, events, description)
        if answer := await self._find_answer(operation_id, fingerprint):
            return answer
        await self.receiver.check_url(url)
        encrypted = self.secrets.encrypt(self.secrets.create_secret())
        webhook = Webhook(new_id(), url, tuple(dict.fromkeys(events)), description, encrypted, self.now())
        return await self._insert(WebhookAnswer(operation_id, fingerprint, webhook, self.now()), by)

    @retry_on_abort
    async def _insert(self, answer: WebhookAnswer, by: Caller) -> WebhookWithSecret:
        async with self.store.begin() as tx:
            if not await tx.insert_answer(answer):
                return await self._first_answer(tx, answer)
            if await tx.count_webhooks() >= MAX_WEBHOOKS:
                raise TooManyWebhooks
            await tx.insert_webhook(answer.webhook)
            await tx.add_event(_audit_event("webhook.create", answer.webhook, by, self.now()))
        return self._with_secret(answer.webhook)

    @retry_on_abort
    async def _find_answer(self, operation_id: UUID, fingerprint: str) -> WebhookWithSecret | None:
        """Return the answer to the first request with an id, None if there was none. Raises IdempotencyKeyReused."""
        async with self.store.begin() as tx:
            answer = await tx.find_answer(operation_id)
        if answer is None:
            return None
        answer.require_same_request(fingerprint)
        return self._with_secret(answer.webhook, is_repeated=True)

    async def _first_answer(self, tx: WebhookTransaction, answer: WebhookAnswer) -> WebhookWithSecret:
        """Return the answer that another request with the same id has inserted. Raises IdempotencyKeyReused."""
        first = await tx.find_answer(answer.operation_id)
        assert first is not None
        first.require_same_request(answer.fingerprint)
        return self._with_secret(first.webhook, is_repeated=True)

    async def get(self, webhook_id: UUID) -> Webhook:
        """Return a webhook."""
        webhook = await self.reads.find_webhook(webhook_id)
        if webhook is None:
            raise NoSuchWebhook
        return webhook

    async def list_all(self, limit: int, after: tuple[str, ...] | None) -> Sequence[Webhook]:
        """Return webhooks in the order of creation, one more than `limit`. Raises BadCursor."""
        return await self.reads.list_webhooks(limit + 1, after)

    async def change(self, webhook_id: UUID, changes: dict[str, Any], expected_version: int | None, *, by: Caller) -> Webhook:
        """Change a webhook. Deliveries that wait are sent at once when it is resumed or has another URL.

        Raises AddressNotAllowed and WebhookEnded.
        """
        if "url" in changes:
            await self.receiver.check_url(changes["url"])
        changed = await self._change(webhook_id, changes, expected_version, by)
        self.wake_dispatcher()
        return changed

    @retry_on_abort
    async def _change(self, webhook_id: UUID, changes: dict[str, Any], expected_version: int | None, by: Caller) -> Webhook:
        async with self.store.begin() as tx:
            webhook = await _lock(tx, webhook_id, expected_version)
            changed = webhook.change(changes)
            await tx.save_webhook(changed)
            await tx.add_event(_audit_event("webhook.change", changed, by, self.now()))
            if changed.status is WebhookStatus.ACTIVE and ("status" in changes or changed.url != webhook.url):
                await tx.make_deliveries_due(webhook_id, self.now())
        return changed

    @retry_on_abort
    async def delete(self, webhook_id: UUID, expected_version: int | None, *, by: Caller) -> None:
        """Delete a webhook; its deliveries are not sent any more."""
        async with self.store.begin() as tx:
            webhook = await _lock(tx, webhook_id, expected_version)
            await tx.delete_webhook(webhook_id)
            await tx.add_event(_audit_event("webhook.delete", webhook, by, self.now()))

    async def rotate_secret(self, webhook_id: UUID, operation_id: UUID, expected_version: int | None, *, by: Caller) -> WebhookWithSecret:
        """Give the webhook a new secret; the replaced one signs, too, for a day. A repeated request gets the first answer.

        Raises WebhookEnded, TooManyRotations, and IdempotencyKeyReused.
        """
        fingerprint = fingerprint_of("rotate", webhook_id, expected_version)
        if answer := await self._find_answer(operation_id, fingerprint):
            return answer
        encrypted = self.secrets.encrypt(self.secrets.create_secret())
        rotation = SecretRotation(encrypted, operation_id, fingerprint, by)
        return await self._rotate(webhook_id, rotation, expected_version)

    @retry_on_abort
    async def _rotate(self, webhook_id: UUID, rotation: SecretRotation, expected_version: int | None) -> WebhookWithSecret:
        async with self.store.begin() as tx:
            webhook = await _lock(tx, webhook_id)
            if await tx.find_answer(rotation.operation_id):
                return await self._first_answer(tx, WebhookAnswer(rotation.operation_id, rotation.fingerprint, webhook, self.now()))
            require_version(webhook.version, expected_version)
            rotated = webhook.rotate_secret(rotation.encrypted, self.now())
            await tx.save_webhook(rotated)
            await tx.insert_answer(WebhookAnswer(rotation.operation_id, rotation.fingerprint, rotated, self.now()))
            await tx.add_event(_audit_event("webhook.rotate_secret", rotated, rotation.by, self.now()))
        return self._with_secret(rotated)

    async def ping(self, webhook_id: UUID, ping_id: UUID, expected_version: int | None) -> WebhookDelivery:
        """Queue a ping, which is sent at once and retried as all deliveries. Raises WebhookPaused and WebhookEnded."""
        delivery = await self._insert_ping(webhook_id, ping_id, expected_version)
        self.wake_dispatcher()
        return delivery

    @retry_on_abort
    async def _insert_ping(self, webhook_id: UUID, ping_id: UUID, expected_version: int | None) -> WebhookDelivery:
        now = self.now()
        body = ping_body(ping_id, now)
        ping = WebhookDelivery(ping_id, webhook_id, ping_id, PING, ping_id, 0, body, created_at=now, queued_at=now, due_at=now)
        async with self.store.begin() as tx:
            (await _lock(tx, webhook_id, expected_version)).require_active()
            await tx.insert_delivery(ping)
        return ping

    async def list_deliveries(self, webhook_id: UUID, limit: int, after: tuple[str, ...] | None) -> Sequence[WebhookDelivery]:
        """Return the deliveries of a webhook, the newest first, one more than `limit`. Raises BadCursor."""
        await self.get(webhook_id)
        return await self.reads.list_deliveries(webhook_id, limit + 1, after)

    async def replay_delivery(self, webhook_id: UUID, delivery_id: UUID, expected_version: int | None) -> WebhookDelivery:
        """Queue a delivery anew, with the same `webhook-id`; one that is being sent or waits for an earlier event stays as it is.

        Raises NoSuchWebhookDelivery and WebhookEnded.
        """
        delivery = await self._replay_delivery(webhook_id, delivery_id, expected_version)
        self.wake_dispatcher()
        return delivery

    @retry_on_abort
    async def _replay_delivery(self, webhook_id: UUID, delivery_id: UUID, expected_version: int | None) -> WebhookDelivery:
        async with self.store.begin() as tx:
            (await _lock(tx, webhook_id, expected_version)).require_not_ended()
            delivery = await tx.lock_delivery(webhook_id, delivery_id)
            if delivery is None:
                raise NoSuchWebhookDelivery
            replayed = delivery.replay(self.now())
            await tx.save_delivery(delivery, replayed)
        return replayed

    async def replay_since(self, webhook_id: UUID, since: datetime, expected_version: int | None) -> int:
        """Queue all deliveries since an instant anew that have ended or wait for a retry, in their order; return how many.

        Raises WebhookEnded.
        """
        count = await self._replay_since(webhook_id, since, expected_version)
        self.wake_dispatcher()
        return count

    @retry_on_abort
    async def _replay_since(self, webhook_id: UUID, since: datetime, expected_version: int | None) -> int:
        async with self.store.begin() as tx:
            (await _lock(tx, webhook_id, expected_version)).require_not_ended()
            return await tx.replay_deliveries(webhook_id, since, self.now())

    def _with_secret(self, webhook: Webhook, *, is_repeated: bool = False) -> WebhookWithSecret:
        return WebhookWithSecret(webhook, self.secrets.decrypt(webhook.secret), is_repeated)


def _audit_event(action: str, webhook: Webhook, by: Caller, at: datetime) -> AuditRecorded:
    """Return the line of the audit trail. URL and description stay in the row."""
    state = {"status": webhook.status.value, "version": str(webhook.version)}
    return audit_event(Service.NOTIFICATION, by, action, webhook.id, at=at, after=state, row_id=webhook.id)


async def _lock(tx: WebhookTransaction, webhook_id: UUID, expected_version: int | None = None) -> Webhook:
    """Return a webhook and lock it. Raises NoSuchWebhook, and Stale if it has another version than the expected one."""
    webhook = await tx.lock_webhook(webhook_id)
    if webhook is None:
        raise NoSuchWebhook
    require_version(webhook.version, expected_version)
    return webhook
