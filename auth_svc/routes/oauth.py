"""OAuth 2.0: the token endpoint (RFC 6749), the keys (RFC 7517) and where they are (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote_plus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from auth_svc.domain.refusals import InvalidCredentials
from auth_svc.routes.identity import UseSessions
from auth_svc.schemas import KeySet, TokenOut, TokenRefusal, address
from auth_svc.usecases.sessions import Sessions, SignedIn
from shared.contracts.refusals import NotFound, Unauthenticated
from shared.kit import routes
from shared.kit.problems import BodyTooLarge
from shared.kit.retry import retry_transaction

router = routes.service_router(tags=["Identity"])
token_router = APIRouter(tags=["Identity"])
CACHEABLE = {"Cache-Control": "public, max-age=300"}
UNSTORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
LARGEST_FORM = 16 * 1024
FIELDS = ("grant_type", "username", "password", "refresh_token", "client_id", "client_secret", "scope")
FORM = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {name: {"type": "string"} for name in FIELDS}
    | {"grant_type": {"type": "string", "enum": ["password", "refresh_token", "client_credentials"]}},
}


class OAuthError(Exception):
    """RFC 6749 section 5.2."""

    def __init__(self, error: str, status: int = 400) -> None:
        self.error, self.status = error, status


@token_router.post(
    "/auth/token",
    response_model=TokenOut,
    summary="OAuth 2.0 token endpoint",
    responses={
        400: {"model": TokenRefusal, "description": "`invalid_request`, `invalid_grant`, `unsupported_grant_type`"},
        401: {"model": TokenRefusal, "description": "`invalid_client`"},
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": FORM}}}},
)
async def issue_token(request: Request, sessions: UseSessions) -> Response:
    """Grants `password`, `refresh_token`, and `client_credentials` for services. Errors as in RFC 6749 5.2; what is unknown is ignored."""
    try:
        form = await _form(request)
        answer = await retry_transaction(lambda: _granted(form, sessions))
    except OAuthError as wrong:
        challenge = {"WWW-Authenticate": 'Basic realm="careslot"'} if wrong.status == 401 else {}
        return JSONResponse({"error": wrong.error}, wrong.status, UNSTORED | challenge)
    return JSONResponse(answer, headers=UNSTORED)


@router.get("/.well-known/jwks.json", response_model=KeySet, summary="The keys that sign access tokens")
async def get_jwks(request: Request, response: Response) -> dict[str, Any]:
    response.headers.update(CACHEABLE)
    return {"keys": [request.app.state.signer.public]}


@router.get("/.well-known/openid-configuration", summary="Where the endpoints are")
async def get_openid_configuration(request: Request, response: Response) -> dict[str, Any]:
    response.headers.update(CACHEABLE)
    settings = request.app.state.settings
    return {
        "issuer": settings.issuer,
        "token_endpoint": f"{settings.public_url}/auth/token",
        "jwks_uri": f"{settings.public_url}/.well-known/jwks.json",
        "grant_types_supported": ["password", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


async def _form(request: Request) -> dict[str, str]:
    """Its fields, the client's Basic credentials among them (RFC 6749 section 2.3.1); a field without a value is left out (section 3.2)."""
    size = 0
    chunks = []
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_FORM:
            raise BodyTooLarge
        chunks.append(chunk)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request")
    request._body = b"".join(chunks)
    fields = [(name, str(value)) for name, value in (await request.form()).multi_items() if name in FIELDS and value]
    if len(dict(fields)) != len(fields):
        raise OAuthError("invalid_request")
    return _basic(request) | dict(fields)


def _basic(request: Request) -> dict[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise OAuthError("invalid_client", 401) from None
    return {"client_id": unquote_plus(name), "client_secret": unquote_plus(secret)} if name else {}


async def _granted(form: dict[str, str], sessions: Sessions) -> dict[str, Any]:
    grant = form.get("grant_type")
    wanted = {
        "password": ("username", "password"),
        "refresh_token": ("refresh_token",),
        "client_credentials": ("client_id", "client_secret"),
    }
    if grant is None or any(not form.get(name) for name in wanted.get(grant, ())):
        raise OAuthError("invalid_request")
    if grant == "client_credentials":
        return _for_service(form, sessions)
    try:
        if grant == "password":
            return _pair(await sessions.login(address(form["username"]), form["password"]))
        if grant == "refresh_token":
            return _pair(await sessions.refresh(form["refresh_token"]))
    except (Unauthenticated, NotFound):
        raise OAuthError("invalid_grant") from None
    raise OAuthError("unsupported_grant_type")


def _for_service(form: dict[str, str], sessions: Sessions) -> dict[str, Any]:
    try:
        token = sessions.service_token(form["client_id"], form["client_secret"])
    except InvalidCredentials:
        raise OAuthError("invalid_client", 401) from None
    return {"access_token": token, "token_type": "Bearer", "expires_in": 600}


def _pair(signed: SignedIn) -> dict[str, Any]:
    return {
        "access_token": signed.access_token,
        "token_type": "Bearer",
        "expires_in": signed.expires_in,
        "refresh_token": signed.refresh_token,
    }
