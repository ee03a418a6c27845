"""API clients: programs of integrators and scripts that an admin has registered, with what they may do."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from auth_svc.domain.refusals import ExpiresInThePast
from auth_svc.domain.sessions import Session
from shared.contracts.identity import Scope


class ScopeNotGranted(Exception):
    """Raised when an API client requests a scope that it was not registered with. The token endpoint answers `invalid_scope`."""


@dataclass(frozen=True, slots=True)
class ApiClient:
    """A client gets access tokens with its secret, of which only the digest is stored, until `expires_at` or its deletion."""

    id: UUID
    name: str
    secret_hash: str
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: UUID
    expires_at: datetime | None
    deleted_at: datetime | None = None

    @classmethod
    def register(
        cls, client_id: UUID, name: str, scopes: frozenset[Scope], expires_at: datetime | None, *, secret: str, by: UUID, now: datetime
    ) -> Self:
        """Return a new client."""
        return cls(client_id, name, secret_hash(secret), scopes, now, by, expires_at)

    def require_future_expiry(self) -> None:
        """Raise ExpiresInThePast when the client would have expired at its registration."""
        if self.expires_at is not None and self.expires_at <= self.created_at:
            raise ExpiresInThePast(pointer="/expires_at")

    def delete(self, now: datetime) -> Self:
        """Return the client as deleted. It is kept, so that a repeated registration gets the first response and no client."""
        return replace(self, deleted_at=now)

    def is_registered_as(self, other: ApiClient) -> bool:
        """True when the other client was registered with the same values by the same admin, even if one has been deleted."""
        return self == replace(other, created_at=self.created_at, deleted_at=self.deleted_at)

    def accepts(self, secret: str, now: datetime) -> bool:
        """True when the secret is right and the client has not expired."""
        is_right = hmac.compare_digest(self.secret_hash, secret_hash(secret))
        return is_right and (self.expires_at is None or now < self.expires_at)

    def granted_scopes(self, requested: frozenset[str]) -> frozenset[Scope]:
        """Return the requested scopes, or all of the client if none is requested. Raises ScopeNotGranted for a scope it does not have."""
        if not requested <= self.scopes:
            raise ScopeNotGranted
        return frozenset(map(Scope, requested)) or self.scopes

    def ended_session(self, now: datetime) -> Session:
        """Return the session that ends all access tokens of the client: they name the client's id as their session."""
        return Session(self.id, self.id, self.created_at, now, now)


@dataclass(frozen=True, slots=True)
class RegisteredApiClient:
    """A client with its secret. `is_repeated` when it had been registered before with the same Idempotency-Key."""

    client: ApiClient
    secret: str = field(repr=False)
    is_repeated: bool


def secret_of(client_id: UUID, key: bytes) -> str:
    """Return the secret of a client: always the same, and 256 bits that nobody can compute without `key`."""
    return base64.urlsafe_b64encode(hmac.digest(key, client_id.bytes, "sha256")).rstrip(b"=").decode()


def secret_hash(secret: str) -> str:
    """Return the SHA-256 digest under which a secret is stored. Secrets have 256 unpredictable bits, so that a slow hash adds nothing."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
