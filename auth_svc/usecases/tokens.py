"""Issuing access tokens, and describing how they are issued and verified."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from auth_svc.domain.accounts import Account
from auth_svc.domain.refusals import InvalidCredentials
from auth_svc.domain.sessions import SERVICE_TOKEN_LIFETIME, Session
from auth_svc.ports import TokenSigner
from auth_svc.usecases.login_attempts import LoginAttempts
from shared.contracts.identity import Scope
from shared.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed access token; it is valid for `expires_in` seconds."""

    token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Issues access tokens to people and services. `secret_of` returns a service's client secret, or an empty text when there is none."""

    signer: TokenSigner
    attempts: LoginAttempts
    secret_of: Callable[[str], str]
    now: Clock
    access_token_lifetime: timedelta

    def issue(self, account: Account, session: Session) -> AccessToken:
        """Return an access token for a person in a session."""
        lifetime, now = self.access_token_lifetime, self.now()
        token = self.signer.sign_access_token(
            account.id, account.role, session.id, signed_in_at=session.created_at, now=now, lifetime=lifetime
        )
        return AccessToken(token, int(lifetime.total_seconds()))

    async def issue_to_service(self, client_id: str, client_secret: str, network: str | None) -> AccessToken:
        """Return an access token for a service.

        Raises InvalidCredentials when the secret is not the service's, TooManyAttempts after too many wrong ones from one address.
        `network` is None for a caller inside the platform. Its wrong secrets are not counted, so that attempts from outside
        never prevent a service from getting its token, nor does a database that does not answer.
        """

        async def is_right_secret() -> bool:
            expected = self.secret_of(client_id)
            is_equal = hmac.compare_digest(expected.encode(), client_secret.encode("utf-8", "replace"))
            return bool(expected) and is_equal

        if not (await is_right_secret() if network is None else await self.attempts.verify_client(client_id, network, is_right_secret)):
            raise InvalidCredentials
        token = self.signer.sign_service_token(client_id, now=self.now(), lifetime=SERVICE_TOKEN_LIFETIME)
        return AccessToken(token, int(SERVICE_TOKEN_LIFETIME.total_seconds()))

    def public_keys(self) -> list[dict[str, str]]:
        """Return the keys that verify the tokens (RFC 7517)."""
        return [self.signer.public_key]


@dataclass(frozen=True, slots=True)
class OpenIdConfiguration:
    """The addresses and abilities of the token endpoint (OpenID Connect Discovery 1.0)."""

    issuer: str
    public_url: str

    def document(self) -> dict[str, Any]:
        """Return the document of `/.well-known/openid-configuration`."""
        return {
            "issuer": self.issuer,
            "token_endpoint": f"{self.public_url}/auth/token",
            "jwks_uri": f"{self.public_url}/.well-known/jwks.json",
            "grant_types_supported": ["password", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "scopes_supported": [scope.value for scope in Scope],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
