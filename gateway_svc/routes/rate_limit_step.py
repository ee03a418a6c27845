"""The step of ProxyMiddleware for rate limits: it finds the client of a request, counts the request, and sets the response headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from starlette.types import Message, Scope, Send

from gateway_svc.domain.client_address import ClientAddress, Network, client_address
from gateway_svc.domain.headers import Headers
from gateway_svc.domain.rate_limits import rate_limit_headers
from gateway_svc.usecases.rate_limiter import RateLimiter
from shared.contracts.identity import Caller
from shared.contracts.relayed_refusals import RateLimited


def find_client_address(scope: Scope, trusted_proxies: Sequence[Network]) -> ClientAddress:
    """Return the address of the client, and set it in `scope["client"]`, as uvicorn's own middleware for proxies does."""
    peer, port = scope.get("client") or ("", 0)
    forwarded_for: list[str] = []
    if trusted_proxies:
        values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        forwarded_for = ",".join(values).split(",") if values else []
    address = client_address(peer, forwarded_for, trusted_proxies)
    scope["client"] = (address.text, port)
    return address


async def count_request(scope: Scope, caller: Caller | None, address: ClientAddress, response_headers: Headers) -> None:
    """Count a request against the account of its verified token, or against its address, and against the limit of its route.

    Adds what is left of each limit to `response_headers`. Raises RateLimited if one of the limits is exhausted.
    """
    limiter = cast(RateLimiter, scope["app"].state.use_cases[RateLimiter])
    admission = await limiter.admit(scope["method"], scope["path"], caller.id if caller else None, address.block)
    response_headers += rate_limit_headers(admission.quotas)
    if not admission.is_admitted:
        raise RateLimited(retry_after=admission.retry_after_seconds)


def with_added_headers(send: Send, response_headers: Headers) -> Send:
    """Return a `send` that adds `response_headers` to the response. The list may still be filled until the response starts."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *response_headers]}
        await send(message)

    return send_with_headers
