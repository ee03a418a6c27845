"""The one place that signs: RS256 access tokens (RFC 9068) through python-jose, the key prepared once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jose import jwk, jwt

from shared.contracts.identity import Role, Service
from shared.kit.clock import Clock
from shared.kit.ids import new_id

SERVICE_MINUTES = 10


class Signer:
    def __init__(self, kid: str, private_pem: str, issuer: str, audience: str, access_seconds: int) -> None:
        self._headers = {"kid": kid, "typ": "at+jwt"}
        self._key = jwk.construct(private_pem, "RS256")
        self._issuer, self._audience, self._access_seconds = issuer, audience, access_seconds
        self.public = {**self._key.public_key().to_dict(), "kid": kid, "use": "sig", "alg": "RS256"}

    def access_token(self, account_id: UUID, role: Role, session_id: UUID, now: datetime) -> str:
        return self._signed(now, self._access_seconds, sub=str(account_id), sid=str(session_id), role=str(role), scope="")

    def service_token(self, name: str, now: datetime) -> str:
        return self._signed(now, SERVICE_MINUTES * 60, sub=name, role=str(Role.SERVICE), scope="")

    def _signed(self, now: datetime, seconds: int, **own: str) -> str:
        issued_at = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": issued_at,
            "exp": issued_at + seconds,
            "jti": str(new_id()),
            **own,
        }
        return str(jwt.encode(claims, self._key, algorithm="RS256", headers=self._headers))


@dataclass(slots=True)
class OwnToken:
    """The issuer's own token for its neighbours: it need not ask anyone."""

    now: Clock
    signer: Signer | None = None

    async def __call__(self) -> str:
        assert self.signer is not None, "the signer is there before the first call"
        return self.signer.service_token(Service.AUTH, self.now())

    def discard(self) -> None:
        """There is nothing to discard."""
