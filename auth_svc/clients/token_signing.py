"""Signing of access tokens: RS256 JSON Web Tokens (RFC 9068) with python-jose. The key is parsed once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from jose import jwk, jwt

from auth_svc.domain.sessions import SERVICE_TOKEN_LIFETIME
from shared.contracts.identity import Role, Scope, Service
from shared.kit.clock import Clock
from shared.kit.ids import new_id


class JwtSigner:
    """Implements the port TokenSigner."""

    def __init__(self, key_id: str, private_key_pem: str, issuer: str, audience: str) -> None:
        self._headers = {"kid": key_id, "typ": "at+jwt"}
        self._key = jwk.construct(private_key_pem, "RS256")
        self._issuer, self._audience = issuer, audience
        self._public_key = {**self._key.public_key().to_dict(), "kid": key_id, "use": "sig", "alg": "RS256"}

    @property
    def public_key(self) -> dict[str, str]:
        return self._public_key

    def sign_access_token(
        self, account_id: UUID, role: Role, session_id: UUID, *, signed_in_at: datetime, now: datetime, lifetime: timedelta
    ) -> str:
        person: dict[str, str | int] = {"sub": str(account_id), "sid": str(session_id), "role": str(role)}
        person["auth_time"] = int(signed_in_at.timestamp())
        return self._sign(now, lifetime, **person, scope="")

    def sign_client_token(self, client_id: UUID, scopes: Collection[Scope], *, now: datetime, lifetime: timedelta) -> str:
        own = {"sub": str(client_id), "client_id": str(client_id), "sid": str(client_id), "role": str(Role.CLIENT)}
        return self._sign(now, lifetime, **own, scope=" ".join(sorted(scopes)))

    def sign_service_token(self, service_name: str, *, now: datetime, lifetime: timedelta) -> str:
        return self._sign(now, lifetime, sub=service_name, role=str(Role.SERVICE), scope="")

    def _sign(self, now: datetime, lifetime: timedelta, **own_claims: str | int) -> str:
        issued_at = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": issued_at,
            "exp": issued_at + int(lifetime.total_seconds()),
            "jti": str(new_id()),
            **own_claims,
        }
        return str(jwt.encode(claims, self._key, algorithm="RS256", headers=self._headers))


@dataclass(slots=True)
class OwnTokenSource:
    """Gives auth-service its own service tokens and public keys without a call over HTTP.

    Implements the kit's TokenSource. `signer` is set once the signing key has been read from the database, before the first request.
    """

    now: Clock
    signer: JwtSigner | None = None

    async def __call__(self) -> str:
        return self._ready_signer().sign_service_token(Service.AUTH, now=self.now(), lifetime=SERVICE_TOKEN_LIFETIME)

    async def fetch_keys(self) -> list[dict[str, Any]]:
        """Return the key that verifies access tokens, as `/.well-known/jwks.json` does."""
        return [self._ready_signer().public_key]

    def discard(self) -> None:
        """Do nothing: every token is new."""

    def _ready_signer(self) -> JwtSigner:
        if self.signer is None:
            raise RuntimeError("The signing key has not been read yet.")
        return self.signer
