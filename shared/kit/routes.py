"""Route handling as an ordered list of steps.

Every route runs STEPS in this order, so that all routes refuse in the same order: 401, 403, 413/415/400, 428, 422, and then the refusals of
the use case. A route runs only the steps that its signature needs. `ServiceRoute` is the FastAPI route class that does this;
`service_router` returns a router of such routes.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form, Query
from fastapi.routing import APIRoute

from shared.contracts.refusals import Forbidden, Refusal
from shared.kit import strict_json
from shared.kit.access import RequireRole, authenticate
from shared.kit.idempotency import run_once_per_key
from shared.kit.idempotency_store import IdempotencyKeyReused
from shared.kit.preconditions import IfMatchRequired
from shared.kit.problems import UnsupportedMediaType, from_validation, problem_response
from shared.kit.raw_body import RawBody
from shared.kit.replay_checks import ReplayCheck
from shared.kit.request_body import read_bounded_body
from shared.kit.requests import NO_BODY, RequestDependency, ServiceRequest

MAX_BODY_BYTES = 64 * 1024
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Signature:
    """The parts of a route's signature that decide which steps the route needs."""

    roles: tuple[RequireRole, ...]
    preconditions: tuple[IfMatchRequired, ...]
    query_names: frozenset[str]
    has_body: bool
    takes_json: bool
    methods: frozenset[str]
    raw_body: RawBody | None = None

    @classmethod
    def from_route(cls, route: APIRoute) -> Signature:
        dependencies = [dependency.call for dependency in all_dependencies(route.dependant)]
        raw_body = next((call for call in dependencies if isinstance(call, RawBody)), None)
        is_form = route.body_field is not None and isinstance(route.body_field.field_info, Form)
        return cls(
            roles=tuple(call for call in dependencies if isinstance(call, RequireRole)),
            preconditions=tuple(call for call in dependencies if isinstance(call, IfMatchRequired)),
            query_names=frozenset(field.alias for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)),
            has_body=route.body_field is not None or raw_body is not None,
            takes_json=not is_form and raw_body is None,
            methods=frozenset(route.methods or ()),
            raw_body=raw_body,
        )


async def check_roles(request: ServiceRequest, signature: Signature) -> None:
    """Raise Unauthenticated, RoleNotAllowed or NotYours for callers whom the route does not admit."""
    for require_role in signature.roles:
        try:
            require_role.resolve(request)
        except Forbidden:
            await require_role.handle_refusal(request)
            raise


async def read_body(request: ServiceRequest, signature: Signature) -> None:
    """Read the whole body, up to MAX_BODY_BYTES or the limit of a RawBody, and parse it where the route takes JSON.

    Raises BodyTooLarge, UnsupportedContentEncoding, UnsupportedMediaType, Malformed or DuplicateKey.
    """
    raw_body = signature.raw_body
    body = request._body = await read_bounded_body(request, MAX_BODY_BYTES if raw_body is None else raw_body.max_bytes)
    if raw_body is not None:
        raw_body.check_media_type(request.headers.get("content-type", ""))
    if body and signature.takes_json:
        if not _is_json(request.headers.get("content-type", "")):
            raise UnsupportedMediaType
        request.parsed_body = strict_json.parse_json(body)


async def check_preconditions(request: ServiceRequest, signature: Signature) -> None:
    """Raise PreconditionRequired for a request without If-Match where the route requires it."""
    for if_match_required in signature.preconditions:
        if_match_required.check(request)


async def refuse_unknown_parameters(request: ServiceRequest, signature: Signature) -> None:
    """Refuse query parameters that the route does not have."""
    if not request.scope["query_string"]:
        return
    unknown = [name for name in request.query_params if name not in signature.query_names]
    if unknown:
        raise RequestValidationError(
            [{"type": "unknown_parameter", "loc": ("query", name), "msg": "There is no such parameter."} for name in unknown]
        )


async def refuse_unexpected_body(request: ServiceRequest, signature: Signature) -> None:
    """Refuse a body where the route takes none; an empty object counts as no body."""
    body = request.parsed_body
    if body != NO_BODY:
        locations = [("body", name) for name in body] if isinstance(body, dict) else [("body",)]
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": location, "msg": "No body is expected."} for location in locations]
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One step, and which routes need it."""

    run: Callable[[ServiceRequest, Signature], Awaitable[None]]
    is_needed: Callable[[Signature], bool]


STEPS = (
    Step(lambda request, _signature: authenticate(request), lambda _signature: True),
    Step(check_roles, lambda signature: bool(signature.roles)),
    Step(read_body, lambda signature: signature.has_body or signature.methods != {"GET"}),
    Step(check_preconditions, lambda signature: bool(signature.preconditions)),
    Step(refuse_unknown_parameters, lambda _signature: True),
    Step(refuse_unexpected_body, lambda signature: not signature.has_body and signature.methods != {"GET"}),
)


class ServiceRoute(APIRoute):
    """A route that runs STEPS, then FastAPI's own handling once per Idempotency-Key, and answers refusals with problem documents."""

    def get_route_handler(self) -> Handler:
        signature = Signature.from_route(self)
        steps = [step.run for step in STEPS if step.is_needed(signature)]
        call_fastapi = self._handler_without_request_dependencies()
        is_post = "POST" in signature.methods
        replay_checks = [check.call for check in all_dependencies(self.dependant) if isinstance(check.call, ReplayCheck)]

        async def respond(request: ServiceRequest) -> Response:
            try:
                return await call_fastapi(request)
            except IdempotencyKeyReused:
                raise  # Stored, it would also be the answer to the request that the key belongs to.
            except Refusal as refusal:
                return problem_response(refusal, request.url.path)

        async def handle(received: Request) -> Response:
            request = ServiceRequest(received.scope, received.receive)
            try:
                for run_step in steps:
                    await run_step(request, signature)
                response = await (run_once_per_key(request, lambda: respond(request), replay_checks) if is_post else respond(request))
            except Refusal as refusal:
                response = problem_response(refusal, request.url.path)
            except RequestValidationError as error:
                response = problem_response(from_validation(error), request.url.path)
            if request.caller is not None:
                response.headers["Cache-Control"] = "no-store"
            return response

        return handle

    def _handler_without_request_dependencies(self) -> Handler:
        """Return FastAPI's handler of this route, except that the endpoint's RequestDependency parameters are resolved by this class.

        FastAPI gets a reduced copy of `self.dependant` for this. `self.dependant` itself does not change, because the OpenAPI document is
        built from it.
        """
        full = self.dependant
        request_dependencies = [
            (child.name, child.call)
            for child in full.dependencies
            if child.name is not None and isinstance(child.call, RequestDependency)  # those of the decorator have no name
        ]
        reduced = copy.copy(full)
        reduced.dependencies = [child for child in full.dependencies if not isinstance(child.call, RequestDependency)]
        request_name = reduced.request_param_name = full.request_param_name or "request"
        wants_request, endpoint = full.request_param_name is not None, self.endpoint

        async def call_endpoint(**values: Any) -> Any:
            request = values[request_name] if wants_request else values.pop(request_name)
            for name, dependency in request_dependencies:
                values[name] = dependency.resolve(request)
            return await endpoint(**values)

        reduced.call = call_endpoint
        self.dependant = reduced
        try:
            return super().get_route_handler()
        finally:
            self.dependant = full


def service_router(*, prefix: str = "", tags: list[str] | None = None, internal: bool = False) -> APIRouter:
    """Return a router of ServiceRoutes. With `internal`, its routes are not in the public OpenAPI document."""
    return APIRouter(
        prefix=prefix,
        tags=list(tags or []),
        route_class=ServiceRoute,
        include_in_schema=not internal,
    )


def all_dependencies(dependant: Any) -> list[Any]:
    """Return all dependencies of a route, including the dependencies of dependencies."""
    return [dependency for child in dependant.dependencies for dependency in (child, *all_dependencies(child))]


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
