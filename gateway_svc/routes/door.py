"""The door, in raw ASGI: checks a request's head, finds its service, checks its token, and has it carried there."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_svc.domain import paths
from gateway_svc.domain.refusals import NoSuchPath
from gateway_svc.domain.table import Entry, entry_of
from gateway_svc.routes import limits
from gateway_svc.routes.carrying import carry
from gateway_svc.routes.limits import Body, ClientGone
from shared.contracts.refusals import Refusal, Unauthenticated
from shared.kit.deadlines import deadline
from shared.kit.problems import BodyTooLarge, problem_response


class Door:
    """Stands inside the walls and before FastAPI, which sees the gateway's own routes only.

    Order of refusals: what is not HTTP as we know it, path 404, method 405, token 401, body 413 and 408, service 503.
    """

    def __init__(self, app: ASGIApp, *, deadline_seconds: float, body_seconds: float, closed: frozenset[str]) -> None:
        self._app, self._closed = app, closed
        self._deadline_seconds, self._body_seconds = deadline_seconds, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        deadline.set(time.monotonic() + self._deadline_seconds)  # whatever X-Timeout-Ms a stranger sent
        try:
            entry = self._entry(scope)
        except Refusal as refusal:
            return await problem_response(refusal, scope["path"])(scope, receive, send)
        if entry is None:
            return await self._app(scope, receive, send)
        scope["route"] = entry
        await self._carried(entry, scope, receive, send)

    def _entry(self, scope: Scope) -> Entry | None:
        limits.check(scope)
        raw = limits.raw_path(scope)
        if not paths.is_canonical(raw) or raw != scope["path"].encode("utf-8", "surrogatepass") or scope["path"] in self._closed:
            raise NoSuchPath
        entry = entry_of(scope["path"])
        if entry is not None and scope["method"] not in limits.METHODS:
            raise limits.MethodNotAllowed
        return entry

    async def _carried(self, entry: Entry, scope: Scope, receive: Receive, send: Send) -> None:
        body: Body | None = None
        try:
            if entry.checked:
                await _check_token(scope)
            body = Body(scope, receive, self._body_seconds)
            await carry(entry, scope, body, receive, send)
        except ClientGone:
            return
        except Refusal as refusal:
            slow = isinstance(refusal, limits.BodyTooSlow)
            if body is not None and (slow or (isinstance(refusal, BodyTooLarge) and not await body.drained())):
                send = limits.closing(send)
            await problem_response(refusal, scope["path"])(scope, receive, send)


async def _check_token(scope: Scope) -> None:
    """A token that was sent must be sound, also where none is needed; whether one is needed is the service's to say."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthenticated
            await scope["app"].state.verifier.verify(token.strip())
