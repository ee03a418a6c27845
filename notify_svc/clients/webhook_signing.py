"""Secrets of webhooks: encrypted with a key of the service, used for signatures as Standard Webhooks describes them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography.fernet import Fernet
from standardwebhooks import Webhook as WebhookSigner

from notify_svc.domain.webhook_deliveries import WebhookDelivery

SECRET_BYTES = 32


class StandardWebhookSecrets:
    """Implements WebhookSecrets with a key that is derived from `key_secret`."""

    def __init__(self, key_secret: str) -> None:
        self._cipher = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"webhooks" + key_secret.encode()).digest()))

    def create_secret(self) -> str:
        return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()

    def encrypt(self, secret: str) -> str:
        return self._cipher.encrypt(secret.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        return self._cipher.decrypt(encrypted.encode()).decode()

    def signature_headers(self, encrypted_secrets: Sequence[str], delivery: WebhookDelivery, now: datetime) -> dict[str, str]:
        signers = [WebhookSigner(self.decrypt(encrypted)) for encrypted in encrypted_secrets]
        webhook_id = str(delivery.event_id)
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(webhook_id, now, delivery.body) for signer in signers),
        }
