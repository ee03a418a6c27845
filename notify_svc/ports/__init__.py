"""What the use cases of notification-service need from outside: one module per concern."""

from notify_svc.ports.contacts import ContactClient, Contacts
from notify_svc.ports.messages import (
    DeliveryUnknown,
    EmailRenderer,
    InvalidAddress,
    Mailbox,
    MailDeferred,
    MailRefused,
    MailUnsupported,
    NotificationStore,
    NotificationTransaction,
    UnreadableMessage,
)
from notify_svc.ports.reminders import Aspect, ReminderStore, ReminderTransaction, VisitPlan

__all__ = [
    "Aspect",
    "ContactClient",
    "Contacts",
    "DeliveryUnknown",
    "EmailRenderer",
    "InvalidAddress",
    "MailDeferred",
    "MailRefused",
    "MailUnsupported",
    "Mailbox",
    "NotificationStore",
    "NotificationTransaction",
    "ReminderStore",
    "ReminderTransaction",
    "UnreadableMessage",
    "VisitPlan",
]
