"""The refusals of an OAuth 2.0 token endpoint, which have the format of RFC 6749 section 5.2 instead of that of problem documents."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from shared.contracts.refusals import Refusal
from shared.kit.problems import refusal_headers, status_of
from shared.kit.response_headers import NO_STORING

INVALID_REQUEST, TEMPORARILY_UNAVAILABLE = "invalid_request", "temporarily_unavailable"
# Section 5.2 has no code for a client that has to wait; RFC 6749 section 4.1.2.1 has this one. Every other refusal is an invalid request.
ERROR_OF_STATUS = {429: TEMPORARILY_UNAVAILABLE, 503: TEMPORARILY_UNAVAILABLE}


def token_error_response(refusal: Refusal) -> Response:
    """Return the response of the token endpoint to a refusal: status and headers are those of the problem document."""
    status = status_of(type(refusal))
    return JSONResponse({"error": ERROR_OF_STATUS.get(status, INVALID_REQUEST)}, status, refusal_headers(refusal) | NO_STORING)


class TokenRoute(APIRoute):
    """A route that answers refusals with `token_error_response`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        call_fastapi = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await call_fastapi(request)
            except Refusal as refusal:
                return token_error_response(refusal)

        return handle
