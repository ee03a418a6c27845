"""The links with which people end reminders and digests without signing in. They carry what they need, so that none is stored."""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import MessageKind
from notify_svc.domain.refusals import NoSuchUnsubscribeLink

TOKEN_PATTERN = r"[A-Za-z0-9_-]{64}"  # 48 bytes in base64url: a byte for the purpose, the id, and most of an HMAC-SHA256
MAC_LENGTH = 31


class SubscriptionKind(StrEnum):
    """What a link ends."""

    REMINDERS = "reminders"
    DIGEST = "digest"


SUBSCRIPTION_OF_MESSAGE = {MessageKind.REMINDER: SubscriptionKind.REMINDERS, MessageKind.DIGEST: SubscriptionKind.DIGEST}
"""What the link in a mail ends, by the kind of the message. Other mails have no such link."""
PURPOSE_BYTES = {SubscriptionKind.REMINDERS: b"r", SubscriptionKind.DIGEST: b"d"}
"""The first byte of a token. Tokens in mails that were sent have it: it never changes."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """The reminders of a patient, or the digest of a doctor."""

    person_id: UUID
    kind: SubscriptionKind


@dataclass(frozen=True, slots=True)
class UnsubscribeLinks:
    """Makes and reads links that begin with `public_url`. They follow from the secret, so that a mail sent again has the same link."""

    public_url: str
    secret: str = field(repr=False)

    def link_in(self, message: Message) -> str | None:
        """Return the link with which the recipient of a message ends messages like it; None where it cannot be ended."""
        kind = SUBSCRIPTION_OF_MESSAGE.get(message.kind)
        return self.unsubscribe_link(message.recipient_id, kind) if kind else None

    def unsubscribe_link(self, person_id: UUID, kind: SubscriptionKind) -> str:
        """Return the link with which a person ends what it names."""
        return f"{self.public_url}/unsubscribe/{self.token_for(Subscription(person_id, kind))}"

    def token_for(self, subscription: Subscription) -> str:
        """Return the token of the link. It names the person by the id only."""
        content = PURPOSE_BYTES[subscription.kind] + subscription.person_id.bytes
        return base64.urlsafe_b64encode(content + self._mac(content)).decode()

    def read(self, token: str) -> Subscription:
        """Return what a token ends. Raises NoSuchUnsubscribeLink for any text that is not a token of this clinic."""
        if not re.fullmatch(TOKEN_PATTERN, token):
            raise NoSuchUnsubscribeLink
        signed = base64.urlsafe_b64decode(token)
        content, mac = signed[:-MAC_LENGTH], signed[-MAC_LENGTH:]
        if not hmac.compare_digest(mac, self._mac(content)):
            raise NoSuchUnsubscribeLink
        kind = next(kind for kind, purpose in PURPOSE_BYTES.items() if purpose == content[:1])
        return Subscription(UUID(bytes=content[1:]), kind)

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self.secret.encode(), b"unsubscribe" + content, "sha256")[:MAC_LENGTH]
