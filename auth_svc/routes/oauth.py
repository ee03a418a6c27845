"""OAuth 2.0: the token endpoint (RFC 6749), the keys (RFC 7517) and where they are (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from auth_svc.domain.refusals import InvalidCredentials
from auth_svc.routes.identity import UseSessions
from auth_svc.schemas import KeySet, TokenOut
from auth_svc.usecases.sessions import Sessions, SignedIn
from shared.contracts.refusals import Unauthenticated
from shared.kit import routes
from shared.kit.problems import BodyTooLarge

router = routes.router(tags=["Identity"])
token_router = APIRouter(tags=["Identity"])
CACHEABLE = {"Cache-Control": "public, max-age=300"}
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
    openapi_extra={"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": FORM}}}},
)
async def issue_token(request: Request, sessions: UseSessions) -> Response:
    """Grants `password`, `refresh_token`, and `client_credentials` for services. Errors as in RFC 6749 5.2; what is unknown is ignored."""
    try:
        answer = await _granted(await _form(request), sessions)
    except OAuthError as wrong:
        return JSONResponse({"error": wrong.error}, wrong.status, {"Cache-Control": "no-store"})
    return JSONResponse(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


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
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


async def _form(request: Request) -> dict[str, str]:
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
    form = await request.form()
    return {name: str(value) for name, value in form.items()}


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
            return _pair(await sessions.login(form["username"].strip().lower(), form["password"]))
        if grant == "refresh_token":
            return _pair(await sessions.refresh(form["refresh_token"]))
    except Unauthenticated:
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
