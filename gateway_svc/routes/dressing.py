"""What every answer wears: headers that browsers heed, and CORS (Fetch standard, section 3.2) for the web clients we know."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
NOTHING_RUNS = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
EXPOSED = b"ETag, Link, Location, Retry-After, X-Request-ID, Idempotent-Replayed, RateLimit, RateLimit-Policy"
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
ALLOWED = b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-Request-ID, traceparent"


class Dressed:
    """Credentials are bearer tokens, never cookies, so no origin is allowed to send any."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app, self._origins = app, frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        worn = SECURITY + (self._cors(scope) if self._origins else [])
        if len(worn) > len(SECURITY) + 1 and _is_preflight(scope):
            return await _preflight(worn, send)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                policy = [] if any(name == NOTHING_RUNS[0] for name, _ in own) else [NOTHING_RUNS]
                message = {**message, "headers": [*own, *policy, *worn]}
            await send(message)

        await self._app(scope, receive, sending)

    def _cors(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        vary = (b"vary", b"Origin")
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin is None or not self._origins & {origin, b"*"}:
            return [vary]
        return [vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in scope["headers"])


async def _preflight(worn: list[tuple[bytes, bytes]], send: Send) -> None:
    said = [(b"access-control-allow-methods", METHODS), (b"access-control-allow-headers", ALLOWED), (b"access-control-max-age", b"600")]
    await send({"type": "http.response.start", "status": 204, "headers": [*worn, *said]})
    await send({"type": "http.response.body"})
