"""Adds security headers to every response, and CORS headers (Fetch standard, section 3.2) for the configured origins."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_svc.domain.headers import CONTENT_SECURITY_POLICY, DEFAULT_CONTENT_SECURITY_POLICY

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
EXPOSED_HEADERS = b"ETag, Link, Location, Retry-After, X-Request-ID, Idempotent-Replayed, RateLimit, RateLimit-Policy"
ALLOWED_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Request-ID, traceparent"


class ResponseHeadersMiddleware:
    """Adds the headers to every response, and answers CORS preflight requests.

    `origins` are the web origins whose scripts may call this API; `*` allows any. `Access-Control-Allow-Credentials` is never
    sent, because the API's credentials are bearer tokens, not cookies.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        origin = self._allowed_origin(scope) if self._origins else None
        added_headers = SECURITY_HEADERS + (_cors_headers(origin) if self._origins else [])
        if origin is not None and _is_preflight(scope):
            return await _send_preflight_response(added_headers, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                has_policy = any(name == CONTENT_SECURITY_POLICY for name, _ in headers)
                policy = [] if has_policy else [(CONTENT_SECURITY_POLICY, DEFAULT_CONTENT_SECURITY_POLICY)]
                message = {**message, "headers": [*headers, *policy, *added_headers]}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _allowed_origin(self, scope: Scope) -> bytes | None:
        """Return the origin of the request as it may be answered, `*` if any may call; None if it has none or if it is not allowed."""
        origin: bytes | None = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin is not None and b"*" in self._origins:
            return b"*"
        return origin if origin in self._origins else None


def _cors_headers(allowed_origin: bytes | None) -> list[tuple[bytes, bytes]]:
    vary = (b"vary", b"Origin")
    if allowed_origin is None:
        return [vary]
    return [vary, (b"access-control-allow-origin", allowed_origin), (b"access-control-expose-headers", EXPOSED_HEADERS)]


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in scope["headers"])


async def _send_preflight_response(added_headers: list[tuple[bytes, bytes]], send: Send) -> None:
    preflight_headers = [
        (b"access-control-allow-methods", ALLOWED_METHODS),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        (b"access-control-max-age", b"600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": [*added_headers, *preflight_headers]})
    await send({"type": "http.response.body"})
