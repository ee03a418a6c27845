"""The steps in which the gateway handles a request; `ProxyMiddleware.__call__` lists them in order."""

from __future__ import annotations

import time
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_svc.domain.client_address import Network
from gateway_svc.domain.headers import Headers, repeated_single_header, size_in_bytes
from gateway_svc.domain.paths import is_canonical_path, is_valid_query
from gateway_svc.domain.rate_limits import HEALTH_PATHS
from gateway_svc.domain.refusals import NoSuchPath
from gateway_svc.domain.routing_table import RoutingEntry, find_routing_entry
from gateway_svc.routes.proxy import build_upstream_request, forward_request, raw_path
from gateway_svc.routes.rate_limit_step import count_request, find_client_address, with_added_headers
from gateway_svc.routes.refusals import BodyTooSlow, HeadersTooLarge, MalformedRequest, UrlTooLong
from gateway_svc.routes.request_body import ClientDisconnected, RequestBody
from shared.contracts.identity import Caller
from shared.contracts.refusals import Refusal, Unauthenticated
from shared.kit.deadlines import deadline
from shared.kit.exception_handlers import allowed_methods
from shared.kit.problems import BodyTooLarge, problem_response
from shared.kit.token_endpoint import token_error_response

MAX_URL_BYTES = 8 * 1024  # RFC 9110 section 4.1 recommends at least 8,000
MAX_HEADERS = 64
MAX_HEADERS_BYTES = 16 * 1024


class ProxyMiddleware:
    """Forwards a request to the service that is responsible for its path; the gateway's own paths go on to FastAPI.

    It is the innermost middleware: ResponseHeadersMiddleware and RequestMiddleware (request id, log line, metrics) surround it.
    The paths in `hidden_paths` do not exist for clients. `trusted_proxies` are the networks whose X-Forwarded-For is used.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        timeout_seconds: float,
        body_timeout_seconds: float,
        hidden_paths: frozenset[str],
        trusted_proxies: Sequence[Network],
    ) -> None:
        self._app, self._hidden_paths, self._trusted_proxies = app, hidden_paths, trusted_proxies
        self._timeout_seconds, self._body_timeout_seconds = timeout_seconds, body_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. The comments name the status codes that a step can end with."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        body: RequestBody | None = None
        response_headers: Headers = []
        send = with_added_headers(send, response_headers)
        try:
            deadline.set(time.monotonic() + self._timeout_seconds)  # replaces a deadline that the client asked for
            address = find_client_address(scope, self._trusted_proxies)
            check_head(scope)  # 400, 414, 431
            check_path(scope, self._hidden_paths)  # 404
            entry = find_routing_entry(scope["path"])
            if entry is not None:
                check_method(scope)  # 400
                scope["route"] = entry  # RequestMiddleware reads its path for the log line and the metrics
            caller, token_refusal = await check_token(scope, entry)
            await count_request(scope, caller, address, response_headers)  # 429
            if token_refusal is not None and (entry is not None or scope["method"] in allowed_methods(scope)):
                raise token_refusal  # 401, 503; FastAPI answers 404 or 405 where the gateway has no such path or method
            if entry is not None:
                deadline.set(time.monotonic() + self._timeout_seconds + entry.upload_seconds)
                body = RequestBody(scope, receive, self._body_timeout_seconds + entry.upload_seconds, entry.max_body_bytes)
                request = await build_upstream_request(scope, body)  # 400, 408, 413
                return await forward_request(entry.service, request, body, scope, send)  # 503, or the service's response
        except ClientDisconnected:
            return
        except Refusal as refusal:
            return await send_refusal(refusal, body, scope, receive, send)
        await self._app(scope, receive, send)


def check_head(scope: Scope) -> None:
    """Refuse a request line or headers that are too large, or that two parsers could read differently."""
    if len(raw_path(scope)) + len(scope["query_string"]) + 1 > MAX_URL_BYTES:
        raise UrlTooLong
    if len(scope["headers"]) > MAX_HEADERS or size_in_bytes(scope["headers"]) > MAX_HEADERS_BYTES:
        raise HeadersTooLarge
    if not is_valid_query(scope["query_string"]) or repeated_single_header(scope["headers"]):
        raise MalformedRequest


def check_path(scope: Scope, hidden_paths: frozenset[str]) -> None:
    """Refuse a path that is not in its canonical form, or that is hidden."""
    path, raw = scope["path"], raw_path(scope)
    if not is_canonical_path(raw) or raw != path.encode("utf-8", "surrogatepass") or path in hidden_paths:
        raise NoSuchPath


def check_method(scope: Scope) -> None:
    """Refuse CONNECT, which asks for a tunnel and not for a resource.

    Every other method is forwarded: only the service knows which methods a path has, and says so in `Allow` when it answers with 405.
    """
    if scope["method"] == "CONNECT":
        raise MalformedRequest


async def check_token(scope: Scope, entry: RoutingEntry | None) -> tuple[Caller | None, Refusal | None]:
    """Return the caller whose bearer token is valid, and the refusal of a token that is not.

    A token is checked on public routes too, and on the gateway's own; the service decides whether one is required. The refusal is returned,
    not raised, because a request with an invalid token counts against the limit of its address first.
    """
    if scope["path"] in HEALTH_PATHS or (entry is not None and not entry.checks_token):
        return None, None
    for name, value in scope["headers"]:
        if name == b"authorization":
            try:
                scheme, _, token = value.decode("latin-1").partition(" ")
                if scheme.lower() != "bearer" or not token.strip():
                    raise Unauthenticated
                return await scope["app"].state.verifier.verify(token.strip()), None
            except Refusal as refusal:
                return None, refusal
    return None, None


async def send_refusal(refusal: Refusal, body: RequestBody | None, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the problem document or the token error, and close the connection afterwards if the client may never send the rest of its body.

    Otherwise Listener discards the rest, so that a client which is still sending can read its refusal.
    """
    if body is not None and (isinstance(refusal, BodyTooSlow) or (isinstance(refusal, BodyTooLarge) and body.may_be_withheld)):
        send = with_added_headers(send, [(b"connection", b"close")])
    entry = find_routing_entry(raw_path(scope).decode("latin-1"))
    has_token_errors = entry is not None and entry.has_token_errors and not isinstance(refusal, NoSuchPath)
    response = token_error_response(refusal) if has_token_errors else problem_response(refusal, scope["path"])
    await response(scope, receive, send)
