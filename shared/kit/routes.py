"""Routes that refuse in one order (401, 403, 400/413/415, 428, 422, then the use case) and finish answers alike (ETag, Location, Link)."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form, Query
from fastapi.routing import APIRoute

from shared.contracts.refusals import Refusal
from shared.kit import strict_json
from shared.kit.access import IfMatchHeader, RequireRole, authenticate
from shared.kit.idempotency import run_once
from shared.kit.paging import next_of
from shared.kit.problems import BodyTooLarge, UnsupportedMediaType, problem_response
from shared.kit.retry import retry_transaction

LARGEST_BODY = 64 * 1024
_result: ContextVar[dict[str, Any] | None] = ContextVar("result", default=None)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRequest(Request):
    """A request whose JSON was read by us."""

    async def json(self) -> Any:
        return self.scope["json"]


class ServiceRoute(APIRoute):
    """A route of this house."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _noting(endpoint), **options)

    def get_route_handler(self) -> Handler:
        original = super().get_route_handler()
        calls = [dependency.call for dependency in _tree(self.dependant)]
        guards = [call for call in calls if isinstance(call, RequireRole)]
        preconditions = [call for call in calls if isinstance(call, IfMatchHeader)]
        known = {field.alias for field in get_flat_params(self.dependant) if isinstance(field.field_info, Query)}
        takes_nothing = self.body_field is None and self.methods != {"GET"}
        is_json = takes_nothing or (self.body_field is not None and not isinstance(self.body_field.field_info, Form))

        async def handle(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive)
            caller = await authenticate(request)
            for guard in guards:
                await guard(request)
            await _read(request, is_json)
            for precondition in preconditions:
                precondition(request)
            _refuse_unknown(request, known)
            if takes_nothing:
                _refuse_content(request.scope.get("json", {}))
            response = await run_once(request, caller, lambda: _finished(request, original))
            if caller is not None:
                response.headers["Cache-Control"] = "no-store"
            return response

        return handle


def service_router(*, prefix: str = "", tags: list[str] | None = None, internal: bool = False) -> APIRouter:
    """A router of this house; `internal` ones are left out of the public document."""
    return APIRouter(prefix=prefix, tags=list(tags or []), route_class=ServiceRoute, include_in_schema=not internal)


def _tree(dependant: Any) -> list[Any]:
    return [found for child in dependant.dependencies for found in (child, *_tree(child))]


def _noting(endpoint: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    if hasattr(endpoint, "__wrapped__"):
        return endpoint

    @functools.wraps(endpoint)
    async def noted(*args: Any, **kwargs: Any) -> Any:
        result = await endpoint(*args, **kwargs)
        if (note := _result.get()) is not None:
            note["result"] = result
        return result

    return noted


async def _read(request: Request, is_json: bool) -> None:
    """The whole body, bounded; parsed where the route takes JSON."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise BodyTooLarge
        chunks.append(chunk)
    request._body = b"".join(chunks)
    if is_json and request._body:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise UnsupportedMediaType
        request.scope["json"] = strict_json.parse_json(request._body)


def _refuse_unknown(request: Request, known: set[str]) -> None:
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise RequestValidationError(
            [{"type": "unknown_parameter", "loc": ("query", name), "msg": "no such parameter"} for name in unknown]
        )


def _refuse_content(body: Any) -> None:
    """A route that takes no body is content with an empty object."""
    if body != {}:
        places = [("body", name) for name in body] if isinstance(body, dict) else [("body",)]
        raise RequestValidationError([{"type": "extra_forbidden", "loc": place, "msg": "nothing is expected"} for place in places])


async def _finished(request: Request, original: Handler) -> Response:
    note: dict[str, Any] = {}
    token = _result.set(note)
    try:
        response = await retry_transaction(lambda: original(request))
    except Refusal as refusal:
        return problem_response(refusal, request.url.path)
    finally:
        _result.reset(token)
    _dress(request, response, note.get("result"))
    return response


def _dress(request: Request, response: Response, result: Any) -> None:
    version, made = getattr(result, "version", None), getattr(result, "id", None)
    if isinstance(version, int):
        response.headers.setdefault("ETag", f'"{version}"')
    if made is not None and request.method == "POST" and response.status_code in (201, 202):
        response.headers.setdefault("Location", f"{request.url.path}/{made}")
    if following := next_of(result):
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "after"] + [("after", following)]
        response.headers["Link"] = f'<{request.url.path}?{urlencode(query)}>; rel="next"'
