"""OAuth 2.0: the token endpoint (RFC 6749), the public keys (RFC 7517) and the configuration (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import unquote_plus
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from auth_svc.domain.api_clients import ScopeNotGranted
from auth_svc.domain.refusals import InvalidCredentials
from auth_svc.routes.api_clients import UseApiClients
from auth_svc.routes.client_network import client_network, is_from_gateway
from auth_svc.routes.identity import UseSessions
from auth_svc.schemas import JsonWebKeySet, OpenIdConfigurationOut, TokenErrorOut, TokenOut, normalize_email
from auth_svc.usecases.api_clients import ApiClients
from auth_svc.usecases.audit_heads import AuditHeadSigning
from auth_svc.usecases.sessions import Sessions
from auth_svc.usecases.tokens import OpenIdConfiguration, TokenIssuer
from shared.contracts.refusals import NotFound, Unauthenticated
from shared.kit import routes
from shared.kit.request_body import read_bounded_body
from shared.kit.response_headers import NO_STORING
from shared.kit.token_endpoint import INVALID_REQUEST, TEMPORARILY_UNAVAILABLE, TokenRoute
from shared.kit.use_cases import use_case

router = routes.service_router(tags=["Identity"])
# Not a service_router: the token endpoint takes a form, and its errors have the format of RFC 6749.
token_router = APIRouter(tags=["Identity"], route_class=TokenRoute)
UseTokens = Annotated[TokenIssuer, use_case(TokenIssuer)]
UseSigning = Annotated[AuditHeadSigning, use_case(AuditHeadSigning)]
UseConfiguration = Annotated[OpenIdConfiguration, use_case(OpenIdConfiguration)]
PUBLIC_CACHING = {"Cache-Control": "public, max-age=300"}
INVALID_SCOPE = "invalid_scope"
MAX_FORM_BYTES = 16 * 1024
FORM_FIELDS = ("grant_type", "username", "password", "refresh_token", "client_id", "client_secret", "scope")
FORM_SCHEMA = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {name: {"type": "string"} for name in FORM_FIELDS}
    | {"grant_type": {"type": "string", "enum": ["password", "refresh_token", "client_credentials"]}},
}
REQUIRED_FIELDS = {
    "password": ("username", "password"),
    "refresh_token": ("refresh_token",),
    "client_credentials": ("client_id", "client_secret"),
}


class OAuthError(Exception):
    """Raised for an error response of RFC 6749 section 5.2; `error` is its code, `headers` are added to those of every response."""

    def __init__(self, error: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        self.error, self.status, self.headers = error, status, headers or {}


class InvalidClient(OAuthError):
    """Raised for a client that is unknown or sent a wrong secret."""

    def __init__(self) -> None:
        super().__init__("invalid_client", 401, {"WWW-Authenticate": 'Basic realm="careslot"'})


def _errors(description: str, *codes: str) -> dict[str, Any]:
    """Return the documentation of a response that has one of the error codes."""
    text = ", ".join(f"`{code}`" for code in codes)
    content = {"application/json": {"examples": {code: {"value": {"error": code}} for code in codes}}}
    return {"model": TokenErrorOut, "description": f"{text}: {description}", "content": content}


@token_router.post(
    "/auth/token",
    operation_id="issue_token",
    response_model=TokenOut,
    summary="Get tokens (OAuth 2.0)",
    responses={
        400: _errors("The request was refused.", INVALID_REQUEST, "invalid_grant", "unsupported_grant_type", INVALID_SCOPE),
        401: _errors("The client is unknown, or its secret is wrong.", "invalid_client"),
        413: _errors("The body is larger than the token endpoint accepts.", INVALID_REQUEST),
        415: _errors("The body has a Content-Encoding.", INVALID_REQUEST),
        429: _errors("Too many requests were sent, or too many wrong passwords or secrets were tried.", TEMPORARILY_UNAVAILABLE),
        503: _errors("The platform cannot answer at the moment.", TEMPORARILY_UNAVAILABLE),
        "default": _errors("The request was refused.", INVALID_REQUEST),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": FORM_SCHEMA}}}},
)
async def issue_token(request: Request, sessions: UseSessions, tokens: UseTokens, clients: UseApiClients) -> Response:
    """The OAuth 2.0 token endpoint with the grants `password`, `refresh_token` and, for API clients, `client_credentials`.

    An API client sends its id and secret in the form or by HTTP Basic, and may ask for some of its scopes with `scope`, separated by
    spaces. It gets no refresh token.

    Errors have the format of RFC 6749 section 5.2. Unknown fields are ignored. Wrong passwords and secrets count as failed logins; after
    too many of them, or too many requests, the response is 429 with `Retry-After`."""
    try:
        content = await _grant(request, await _read_form(request), sessions, tokens, clients)
    except OAuthError as error:
        return JSONResponse({"error": error.error}, error.status, {**NO_STORING, **error.headers})
    return JSONResponse(content, headers=NO_STORING)


@router.get(
    "/.well-known/jwks.json", operation_id="get_jwks", response_model=JsonWebKeySet, summary="Get the keys that verify access tokens"
)
async def get_jwks(response: Response, tokens: UseTokens) -> dict[str, Any]:
    """A JSON Web Key Set (RFC 7517) with the keys of RS256 signatures."""
    response.headers.update(PUBLIC_CACHING)
    return {"keys": tokens.public_keys()}


@router.get(
    "/.well-known/audit-keys.json",
    operation_id="get_audit_keys",
    response_model=JsonWebKeySet,
    summary="Get the keys that verify heads of the audit trail",
)
async def get_audit_keys(response: Response, signing: UseSigning) -> dict[str, Any]:
    """A JSON Web Key Set (RFC 7517) with the keys of the signatures that `GET /admin/audit/heads` lists. They sign nothing else."""
    response.headers.update(PUBLIC_CACHING)
    return {"keys": signing.public_keys()}


@router.get(
    "/.well-known/openid-configuration",
    operation_id="get_openid_configuration",
    response_model=OpenIdConfigurationOut,
    summary="Get the addresses of the OAuth 2.0 endpoints",
)
async def get_openid_configuration(response: Response, configuration: UseConfiguration) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0, as far as this platform implements it."""
    response.headers.update(PUBLIC_CACHING)
    return configuration.document()


async def _read_form(request: Request) -> dict[str, str]:
    """Return the known fields of the form, and the credentials of HTTP Basic (RFC 6749 section 2.3.1).

    Fields without a value are left out (section 3.2). Raises OAuthError, BodyTooLarge or UnsupportedContentEncoding.
    """
    body = await read_bounded_body(request, MAX_FORM_BYTES)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError(INVALID_REQUEST)
    request._body = body
    fields = [(name, str(value)) for name, value in (await request.form()).multi_items() if name in FORM_FIELDS and value]
    if len(dict(fields)) != len(fields):  # a field that occurs twice
        raise OAuthError(INVALID_REQUEST)
    return _basic_credentials(request) | dict(fields)


def _basic_credentials(request: Request) -> dict[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise InvalidClient from None
    return {"client_id": unquote_plus(name), "client_secret": unquote_plus(secret)} if name else {}


async def _grant(request: Request, form: dict[str, str], sessions: Sessions, tokens: TokenIssuer, clients: ApiClients) -> dict[str, Any]:
    """Return the response to a grant. Raises OAuthError, TooManyAttempts or Unavailable."""
    grant_type = form.get("grant_type")
    if grant_type is None or any(not form.get(name) for name in REQUIRED_FIELDS.get(grant_type, ())):
        raise OAuthError(INVALID_REQUEST)
    if grant_type not in REQUIRED_FIELDS:
        raise OAuthError("unsupported_grant_type")
    if grant_type == "client_credentials":
        client_id = _parse_client_id(form["client_id"])
        return await (
            _grant_to_service(request, form, tokens) if client_id is None else _grant_to_client(request, form, client_id, clients)
        )
    return await _grant_to_person(request, form, sessions)


async def _grant_to_person(request: Request, form: dict[str, str], sessions: Sessions) -> dict[str, Any]:
    network = client_network(request)
    try:
        if form["grant_type"] == "password":
            signed_in = await sessions.login(normalize_email(form["username"]), form["password"], network)
        else:
            signed_in = await sessions.refresh(form["refresh_token"], network)
    except (Unauthenticated, NotFound):
        raise OAuthError("invalid_grant") from None
    return _bearer_token(signed_in.access_token, signed_in.expires_in) | {"refresh_token": signed_in.refresh_token}


async def _grant_to_service(request: Request, form: dict[str, str], tokens: TokenIssuer) -> dict[str, Any]:
    network = client_network(request) if is_from_gateway(request) else None
    try:
        access_token = await tokens.issue_to_service(form["client_id"], form["client_secret"], network)
    except InvalidCredentials:
        raise InvalidClient from None
    return _bearer_token(access_token.token, access_token.expires_in)


async def _grant_to_client(request: Request, form: dict[str, str], client_id: UUID, clients: ApiClients) -> dict[str, Any]:
    requested = frozenset(form.get("scope", "").split())
    try:
        granted = await clients.issue_token(client_id, form["client_secret"], requested, client_network(request))
    except InvalidCredentials:
        raise InvalidClient from None
    except ScopeNotGranted:
        raise OAuthError(INVALID_SCOPE) from None
    scope = " ".join(sorted(granted.scopes))
    return _bearer_token(granted.access.token, granted.access.expires_in) | {"scope": scope}


def _parse_client_id(text: str) -> UUID | None:
    """Return the id of an API client, or None for the name of a service."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _bearer_token(access_token: str, expires_in: int) -> dict[str, Any]:
    return {"access_token": access_token, "token_type": "Bearer", "expires_in": expires_in}
