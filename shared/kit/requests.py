"""The request object that the steps of a route share, and the base of dependencies that need only the request."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request

from shared.contracts.identity import Caller

NO_BODY: dict[str, Any] = {}


class ServiceRequest(Request):
    """The request that the steps of `shared.kit.routes` handle; FastAPI passes this object to dependencies.

    The step `authenticate` sets `caller`, and the step `read_body` sets `parsed_body` (an empty object without a body). `operation_id` is
    set when the request carries an Idempotency-Key.
    """

    caller: Caller | None = None
    parsed_body: Any = NO_BODY
    operation_id: UUID | None = None

    async def json(self) -> Any:
        """Return the body as `shared.kit.strict_json` parsed it; FastAPI calls this."""
        return self.parsed_body


class RequestDependency:
    """A dependency that needs only the request: the caller, If-Match, the operation's id, a use case.

    ServiceRoute resolves these itself. FastAPI would walk through path, query, header and cookie parameters for each of them, at about
    25 microseconds a dependency; it reads `__call__` for the OpenAPI document.
    """

    def resolve(self, request: ServiceRequest) -> Any:
        """Return the value of the endpoint's parameter, or raise a refusal."""
        raise NotImplementedError

    async def __call__(self, request: ServiceRequest) -> Any:
        return self.resolve(request)
