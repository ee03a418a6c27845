"""The database of notification-service in SQL: one module per kind of row."""

from notify_svc.repository.messages import SqlNotificationStore, SqlNotificationTransaction
from notify_svc.repository.tables import INFRASTRUCTURE, METADATA
from notify_svc.repository.webhooks import SqlWebhookReads

__all__ = ["INFRASTRUCTURE", "METADATA", "SqlNotificationStore", "SqlNotificationTransaction", "SqlWebhookReads"]
