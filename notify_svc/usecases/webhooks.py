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
from notify_svc.domain.webhooks import MAX_WEBHOOKS, PING, Webhook
from notify_svc.ports.webhooks import WebhookReads, WebhookReceiver, WebhookSecrets, WebhookStore, WebhookTransaction
from shared.contracts.refusals import require_version
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


class WebhookWithSecret(NamedTuple):
    """A webhook and its decrypted secret, which is shown only to the caller who has requested it."""

    webhook: Webhook
    secret: str


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

    async def create(self, webhook_id: UUID, url: str, events: Sequence[str], description: str | None) -> WebhookWithSecret:
        """Create an active webhook with a new secret. A repeated request gets the same webhook and secret.

        Raises AddressNotAllowed and TooManyWebhooks.
        """
        await self.receiver.check_url(url)
        encrypted = self.secrets.encrypt(self.secrets.create_secret())
        webhook = Webhook(webhook_id, url, tuple(dict.fromkeys(events)), description, encrypted, self.now())
        return self._with_secret(await self._insert(webhook))

    @retry_on_abort
    async def _insert(self, webhook: Webhook) -> Webhook:
        async with self.store.begin() as tx:
            existing = await tx.lock_webhook(webhook.id)
            if existing is not None:
                return existing
            if await tx.count_webhooks() >= MAX_WEBHOOKS:
                raise TooManyWebhooks
            await tx.insert_webhook(webhook)
        return webhook

    async def get(self, webhook_id: UUID) -> Webhook:
        """Return a webhook."""
        webhook = await self.reads.find_webhook(webhook_id)
        if webhook is None:
            raise NoSuchWebhook
        return webhook

    async def list_all(self, limit: int, after: tuple[str, ...] | None) -> Sequence[Webhook]:
        """Return webhooks in the order of creation, one more than `limit`. Raises BadCursor."""
        return await self.reads.list_webhooks(limit + 1, after)

    async def change(self, webhook_id: UUID, changes: dict[str, Any], expected_version: int | None) -> Webhook:
        """Change a webhook. Events that came while it was paused are delivered when it is active again.

        Raises AddressNotAllowed and WebhookEnded.
        """
        if "url" in changes:
            await self.receiver.check_url(changes["url"])
        changed = await self._change(webhook_id, changes, expected_version)
        self.wake_dispatcher()
        return changed

    @retry_on_abort
    async def _change(self, webhook_id: UUID, changes: dict[str, Any], expected_version: int | None) -> Webhook:
        async with self.store.begin() as tx:
            webhook = await _lock(tx, webhook_id)
            require_version(webhook.version, expected_version)
            changed = webhook.change(changes)
            await tx.save_webhook(changed)
        return changed

    @retry_on_abort
    async def delete(self, webhook_id: UUID, expected_version: int | None) -> None:
        """Delete a webhook; its deliveries are not sent any more."""
        async with self.store.begin() as tx:
            require_version((await _lock(tx, webhook_id)).version, expected_version)
            await tx.delete_webhook(webhook_id)

    async def rotate_secret(self, webhook_id: UUID, operation_id: UUID, expected_version: int | None) -> WebhookWithSecret:
        """Give the webhook a new secret; deliveries are signed with both for a day. A repeated request gets the same secret.

        Raises WebhookEnded.
        """
        encrypted = self.secrets.encrypt(self.secrets.create_secret())
        return self._with_secret(await self._rotate(webhook_id, encrypted, operation_id, expected_version))

    @retry_on_abort
    async def _rotate(self, webhook_id: UUID, encrypted: str, operation_id: UUID, expected_version: int | None) -> Webhook:
        async with self.store.begin() as tx:
            webhook = await _lock(tx, webhook_id)
            if webhook.rotation_id == operation_id:
                return webhook
            require_version(webhook.version, expected_version)
            rotated = webhook.rotate_secret(encrypted, operation_id, self.now())
            await tx.save_webhook(rotated)
        return rotated

    async def ping(self, webhook_id: UUID, ping_id: UUID) -> WebhookDelivery:
        """Queue a ping, which is sent at once and retried as all deliveries. Raises WebhookPaused and WebhookEnded."""
        delivery = await self._insert_ping(webhook_id, ping_id)
        self.wake_dispatcher()
        return delivery

    @retry_on_abort
    async def _insert_ping(self, webhook_id: UUID, ping_id: UUID) -> WebhookDelivery:
        now = self.now()
        body = ping_body(ping_id, now)
        ping = WebhookDelivery(ping_id, webhook_id, ping_id, PING, ping_id, 0, body, created_at=now, queued_at=now, due_at=now)
        async with self.store.begin() as tx:
            (await _lock(tx, webhook_id)).require_active()
            await tx.insert_delivery(ping)
        return ping

    async def list_deliveries(self, webhook_id: UUID, limit: int, after: tuple[str, ...] | None) -> Sequence[WebhookDelivery]:
        """Return the deliveries of a webhook, the newest first, one more than `limit`. Raises BadCursor."""
        await self.get(webhook_id)
        return await self.reads.list_deliveries(webhook_id, limit + 1, after)

    async def replay_delivery(self, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
        """Queue an ended delivery anew, with the same `webhook-id`; one that is queued or being sent stays as it is.

        Raises NoSuchWebhookDelivery and WebhookEnded.
        """
        delivery = await self._replay_delivery(webhook_id, delivery_id)
        self.wake_dispatcher()
        return delivery

    @retry_on_abort
    async def _replay_delivery(self, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
        async with self.store.begin() as tx:
            (await _lock(tx, webhook_id)).require_not_ended()
            delivery = await tx.lock_delivery(webhook_id, delivery_id)
            if delivery is None:
                raise NoSuchWebhookDelivery
            replayed = delivery.replay(self.now())
            await tx.save_delivery(delivery, replayed)
        return replayed

    async def replay_since(self, webhook_id: UUID, since: datetime) -> int:
        """Queue all ended deliveries since an instant anew, in their order; return how many. Raises WebhookEnded."""
        count = await self._replay_since(webhook_id, since)
        self.wake_dispatcher()
        return count

    @retry_on_abort
    async def _replay_since(self, webhook_id: UUID, since: datetime) -> int:
        async with self.store.begin() as tx:
            (await _lock(tx, webhook_id)).require_not_ended()
            return await tx.replay_deliveries(webhook_id, since, self.now())

    def _with_secret(self, webhook: Webhook) -> WebhookWithSecret:
        return WebhookWithSecret(webhook, self.secrets.decrypt(webhook.secret))


async def _lock(tx: WebhookTransaction, webhook_id: UUID) -> Webhook:
    """Return a webhook and lock it. Raises NoSuchWebhook."""
    webhook = await tx.lock_webhook(webhook_id)
    if webhook is None:
        raise NoSuchWebhook
    return webhook
