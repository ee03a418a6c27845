"""The maintenance of webhooks: failing ones are paused, and old deliveries are given up and deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.domain.webhook_deliveries import KEPT_WHILE_QUEUED, RETENTION_OF_DELIVERIES
from notify_svc.domain.webhooks import PAUSED_AFTER, RETENTION_OF_ANSWERS, Webhook
from notify_svc.ports import NotificationStore
from notify_svc.ports.webhooks import AdminAccounts, WebhookReads
from shared.contracts.derived_ids import derive_id
from shared.contracts.values import format_instant
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

BATCH = 500


@dataclass(frozen=True, slots=True)
class WebhookMaintenance:
    """The jobs of webhooks. `wake_sender` is called when there are mails to the admins."""

    store: NotificationStore
    reads: WebhookReads
    accounts: AdminAccounts
    now: Clock
    wake_sender: Callable[[], None]

    async def pause_failing(self) -> int:
        """Pause the webhooks all of whose attempts have failed for days, and queue one mail to each admin; return how many.

        Raises the refusals of auth-service, which knows the admins; then none is paused until the next run.
        """
        failing = await self.reads.list_failing_webhooks(self.now() - PAUSED_AFTER)
        due = [webhook for webhook in failing if webhook.must_be_paused]
        if not due:
            return 0
        admins = await self.accounts.list_active_admins()
        paused = sum([await self._pause(webhook.id, admins) for webhook in due])
        self.wake_sender()
        return paused

    @retry_on_abort
    async def _pause(self, webhook_id: UUID, admins: Sequence[UUID]) -> bool:
        async with self.store.begin() as tx:
            webhook = await tx.lock_webhook(webhook_id)
            if webhook is None or not webhook.must_be_paused:
                return False
            paused = webhook.pause()
            await tx.save_webhook(paused)
            for admin_id in admins:
                await tx.insert_message(pause_message(paused, admin_id, self.now()))
        return True

    @retry_on_abort
    async def prune(self) -> int:
        """Give up and delete a batch of old deliveries, by KEPT_WHILE_QUEUED and RETENTION_OF_DELIVERIES; return how many."""
        now = self.now()
        given_up = await self.reads.give_up_old_deliveries(now - KEPT_WHILE_QUEUED, BATCH)
        deleted = await self.reads.delete_old_answers(now - RETENTION_OF_ANSWERS, BATCH)
        return given_up + deleted + await self.reads.delete_old_deliveries(now - RETENTION_OF_DELIVERIES, BATCH)


def pause_message(webhook: Webhook, admin_id: UUID, now: datetime) -> Message:
    """Return the mail to an admin that a webhook was paused. Its facts name the URL without its query, which may contain a secret."""
    event_id = derive_id(webhook.id, webhook.version, "paused")
    parts = urlsplit(webhook.url)
    return Message(
        id=derive_id(event_id, admin_id, Audience.OWNER),
        event_id=event_id,
        kind=MessageKind.WEBHOOK_PAUSED,
        audience=Audience.OWNER,
        recipient_id=admin_id,
        subject_id=webhook.id,
        version=webhook.version,
        facts={
            "webhook_id": str(webhook.id),
            "url": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
            "failing_since": format_instant(webhook.failing_since or now),
        },
        created_at=now,
        due_at=now,
    )
