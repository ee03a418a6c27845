"""Registering API clients, issuing their access tokens and deleting them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from auth_svc.domain.api_clients import ApiClient, RegisteredApiClient, secret_of
from auth_svc.domain.refusals import InvalidCredentials, NoSuchApiClient
from auth_svc.ports import AuthStore, TokenSigner
from auth_svc.usecases.login_attempts import LoginAttempts
from auth_svc.usecases.session_revocation import SessionRevocation
from auth_svc.usecases.tokens import AccessToken
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Caller, Scope, Service
from shared.contracts.relayed_refusals import IdempotencyKeyReused
from shared.contracts.values import format_instant
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort, retry_transaction


@dataclass(frozen=True, slots=True)
class ClientToken:
    """The access token of an API client, and what it permits."""

    access: AccessToken
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class ApiClients:
    """The API clients. Their access tokens are valid for `access_token_lifetime`, and never longer than the client.

    Secrets are derived from `secret_key`, so that a repeated registration shows the same one although it is not stored.
    """

    store: AuthStore
    signer: TokenSigner
    attempts: LoginAttempts
    revocation: SessionRevocation
    secret_key: bytes = field(repr=False)
    now: Clock
    access_token_lifetime: timedelta

    @retry_on_abort
    async def register(
        self, client_id: UUID, name: str, scopes: frozenset[Scope], expires_at: datetime | None, *, by: Caller
    ) -> RegisteredApiClient:
        """Register a client. Raises ExpiresInThePast.

        A repeated request has the id of the first one, and returns what the first one returned, even if the client has expired or been
        deleted. Raises IdempotencyKeyReused if the request differs.
        """
        secret = secret_of(client_id, self.secret_key)
        client = ApiClient.register(client_id, name, scopes, expires_at, secret=secret, by=by.id, now=self.now())
        async with self.store.begin() as tx:
            if await tx.insert_api_client(client):
                client.require_future_expiry()
                await tx.add_event(self._audit_event("api_client.create", client, by))
                return RegisteredApiClient(client, secret, is_repeated=False)
            registered = await tx.get_registered_api_client(client_id)
        if not registered.is_registered_as(client):
            raise IdempotencyKeyReused(pointer="/Idempotency-Key")
        return RegisteredApiClient(registered, secret, is_repeated=True)

    async def get(self, client_id: UUID) -> ApiClient:
        """Return a client. Raises NoSuchApiClient."""
        client = await self.store.find_api_client(client_id)
        if client is None:
            raise NoSuchApiClient
        return client

    async def list_clients(self, limit: int, after: tuple[str, ...] | None) -> list[ApiClient]:
        """Return clients in the order of their registration. Raises BadCursor."""
        return await self.store.list_api_clients(limit, after)

    @retry_on_abort
    async def delete(self, client_id: UUID, *, by: Caller) -> None:
        """Delete a client, and make every service refuse its access tokens. Raises NoSuchApiClient."""
        async with self.store.begin() as tx:
            client = await tx.find_api_client(client_id)
            if client is None:
                raise NoSuchApiClient
            await tx.update_api_client(client.delete(self.now()))
            session = client.ended_session(self.now())
            await tx.insert_session_without_refresh_token(session)
            await self.revocation.revoke(tx, session)
            await tx.add_event(self._audit_event("api_client.delete", client, by))

    def _audit_event(self, action: str, client: ApiClient, by: Caller) -> AuditRecorded:
        state = {"scopes": " ".join(sorted(client.scopes)), "expires_at": format_instant(client.expires_at) if client.expires_at else None}
        return audit_event(Service.AUTH, by, action, client.id, at=self.now(), after=state, row_id=client.id)

    async def issue_token(self, client_id: UUID, secret: str, requested: frozenset[str], network: str) -> ClientToken:
        """Return an access token with the requested scopes, or with all scopes of the client if none is requested.

        Raises InvalidCredentials for a wrong secret and for a client that does not exist or has expired, TooManyAttempts after too many of
        these from one address, ScopeNotGranted for a scope that the client does not have.
        """
        client = await retry_transaction(lambda: self.store.find_api_client(client_id))
        now = self.now()

        async def is_accepted() -> bool:
            return client is not None and client.accepts(secret, now)

        if not await self.attempts.verify_client(str(client_id), network, is_accepted) or client is None:
            raise InvalidCredentials
        scopes = client.granted_scopes(requested)
        lifetime = self.access_token_lifetime if client.expires_at is None else min(self.access_token_lifetime, client.expires_at - now)
        token = self.signer.sign_client_token(client.id, scopes, now=now, lifetime=lifetime)
        return ClientToken(AccessToken(token, int(lifetime.total_seconds())), scopes)
