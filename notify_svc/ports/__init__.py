"""What the use cases of notification-service need from outside: one module per concern."""

from notify_svc.ports.contacts import Contacts, ContactSource, KnownPatients, PasswordLinks
from notify_svc.ports.messages import (
    AlreadyStored,
    DeliveryUnknown,
    EmailRenderer,
    InvalidAddress,
    Mailbox,
    MailDeferred,
    MailRefused,
    MailUnsupported,
    NotificationStore,
    NotificationTransaction,
    RenderedMail,
    UnreadableMessage,
)
from notify_svc.ports.reminders import Aspect, ReminderStore, ReminderTransaction, VisitPlan, VisitTransaction

__all__ = [
    "AlreadyStored",
    "Aspect",
    "ContactSource",
    "Contacts",
    "DeliveryUnknown",
    "EmailRenderer",
    "InvalidAddress",
    "KnownPatients",
    "MailDeferred",
    "MailRefused",
    "MailUnsupported",
    "Mailbox",
    "NotificationStore",
    "NotificationTransaction",
    "PasswordLinks",
    "ReminderStore",
    "ReminderTransaction",
    "RenderedMail",
    "UnreadableMessage",
    "VisitPlan",
    "VisitTransaction",
]
