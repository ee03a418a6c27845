"""Idempotency-Key: the first answer to a keyed POST, kept and given again (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from fastapi import Request, Response

from shared.contracts.identity import Caller
from shared.contracts.refusals import Conflict, Invalid
from shared.kit.ids import derive_id
from shared.kit.retry import retry_transaction

STORED_HEADERS = ("location", "etag", "link", "content-type", "retry-after", "cache-control")
LEASE = timedelta(seconds=60)
RETENTION = timedelta(hours=48)
KEY = re.compile(r"[\x20-\x7e]{1,255}")


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key was used with another request."""


class BadIdempotencyKey(Invalid):
    """Idempotency-Key takes 1 to 255 printable characters."""


class RequestInProgress(Conflict):
    """The first request with this Idempotency-Key is still running."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer as it left."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, response: Response) -> StoredResponse:
        headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
        return cls(response.status_code, headers, bytes(response.body))

    def again(self) -> Response:
        return Response(self.body, self.status, {**self.headers, "Idempotent-Replayed": "true"})


class IdempotencyStore(Protocol):
    """Where keys and answers are kept, at least 24 h."""

    async def claim(self, key_id: UUID, fingerprint: str) -> StoredResponse | None:
        """None: the key is the caller's to run now. Refuses with IdempotencyKeyReused or RequestInProgress."""

    async def save_response(self, key_id: UUID, answer: StoredResponse) -> None: ...

    async def release(self, key_id: UUID) -> None: ...


def key_id(request: Request, caller: Caller | None) -> UUID | None:
    """Identity of a keyed wish: the caller, the route and the key; None without a caller or a key, or where it is no POST."""
    key = request.headers.get("idempotency-key")
    if key is None or caller is None or request.method != "POST":
        return None
    if not KEY.fullmatch(key):
        raise BadIdempotencyKey(pointer="/Idempotency-Key")
    return derive_id(caller.id, request.url.path, key)


async def run_once(request: Request, caller: Caller | None, run: Callable[[], Awaitable[Response]]) -> Response:
    """Runs the request, or gives the answer of the first one. What failed on our side, was malformed or is secret is not kept."""
    wish = key_id(request, caller)
    if wish is None:
        return await run()
    answers: IdempotencyStore = request.app.state.answers
    fingerprint = await _fingerprint(request)
    known = await retry_transaction(lambda: answers.claim(wish, fingerprint))
    if known is not None:
        return known.again()
    request.scope["once"] = wish
    try:
        response = await run()
    except BaseException:
        await retry_transaction(lambda: answers.release(wish))
        raise
    if _may_be_kept(response):
        await retry_transaction(lambda: answers.save_response(wish, StoredResponse.of(response)))
    else:
        await retry_transaction(lambda: answers.release(wish))
    return response


def _may_be_kept(response: Response) -> bool:
    """Not what may be otherwise in a moment, nor what a route says is not to be stored: tokens."""
    passing = response.status_code == 429 or response.status_code >= 500
    return not passing and "no-store" not in response.headers.get("cache-control", "")


async def _fingerprint(request: Request) -> str:
    seen = b"\0".join(
        (request.url.path.encode(), request.url.query.encode(), request.headers.get("if-match", "").encode(), await request.body())
    )
    return hashlib.sha256(seen).hexdigest()
