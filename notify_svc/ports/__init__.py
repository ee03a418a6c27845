"""What the use cases of notification-service need from outside: one module per concern."""

from notify_svc.ports.contacts import ContactClient, Contacts, ContactSource, PasswordLinks
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
    RenderedMail,
    UnreadableMessage,
)

__all__ = [
    "ContactClient",
    "ContactSource",
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
    "PasswordLinks",
    "RenderedMail",
    "UnreadableMessage",
]
