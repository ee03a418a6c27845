"""Idempotency-Key: the first response to a keyed POST is stored, encrypted, and sent again (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Response

from shared.contracts.derived_ids import derive_id
from shared.contracts.identity import Caller
from shared.contracts.refusals import Conflict, Invalid
from shared.contracts.relayed_refusals import IdempotencyKeyReused as IdempotencyKeyReused
from shared.kit.ids import new_id
from shared.kit.requests import RequestDependency, ServiceRequest
from shared.kit.retry import retry_transaction
from shared.kit.sealed_answers import open_body, seal_body

STORED_HEADERS = ("location", "etag", "link", "content-type", "retry-after", "cache-control")
CALLER = "careslot-caller"
CLAIM_TIMEOUT = timedelta(seconds=60)
RETENTION = timedelta(hours=48)
KEY = re.compile(r"[\x20-\x7e]{1,255}")


class BadIdempotencyKey(Invalid):
    """Raised when the key is empty, too long or not printable."""

    code = "bad_idempotency_key"
    detail = "Idempotency-Key takes 1 to 255 printable characters."
    remedy = "Send 1 to 255 printable ASCII characters, for example a UUID."
    example_pointers = ("/Idempotency-Key",)


class RequestInProgress(Conflict):
    """Raised when the first request with this key has not finished."""

    code = "request_in_progress"
    detail = "The first request with this Idempotency-Key is still running."
    remedy = "Wait a second and repeat the request with the same key: then you get the answer to the first one."


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as it was sent, or, in a store, with a body that `seal_body` has encrypted.

    `headers` also has an entry CALLER, so that the answers of one caller can be deleted.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def from_response(cls, response: Response, caller_id: UUID) -> StoredResponse:
        headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
        return cls(response.status_code, {**headers, CALLER: str(caller_id)}, bytes(response.body))

    def seal(self, key_id: UUID, key: str) -> StoredResponse:
        """Return the response as it is stored."""
        return replace(self, body=seal_body(self.body, key_id, key))

    def open(self, key_id: UUID, key: str) -> StoredResponse:
        """Return a stored response as it was sent."""
        return replace(self, body=open_body(self.body, key_id, key))

    def replay(self) -> Response:
        """Return the response again, marked with `Idempotent-Replayed: true`."""
        headers = {name: value for name, value in self.headers.items() if name != CALLER}
        return Response(self.body, self.status, {**headers, "Idempotent-Replayed": "true"})


class IdempotencyStore(Protocol):
    """Stores keys and responses for at least 24 h."""

    async def claim(self, key_id: UUID, fingerprint: str) -> StoredResponse | None:
        """Return None when the caller may run the request now, or the stored response.

        Raises IdempotencyKeyReused or RequestInProgress.
        """

    async def save_response(self, key_id: UUID, response: StoredResponse) -> None: ...

    async def reopen(self, key_id: UUID) -> None:
        """Let the same request run again with the key; another request is still refused."""

    async def release(self, key_id: UUID) -> None:
        """Delete the claim of a request that had no effect."""

    async def delete_mentioning(self, subject_id: UUID) -> int:
        """Delete the stored responses that contain an id or were sent to its owner; return how many.

        The requests of these keys run again if repeated.
        """


@dataclass(frozen=True, slots=True)
class Operation:
    """A request as use cases see it. `id` is the id of the change or of what is created: the same when the caller repeats the request."""

    id: UUID


class OperationDependency(RequestDependency):
    """A dependency that returns the operation, with an id derived from the Idempotency-Key, or with a new id without a key."""

    def resolve(self, request: ServiceRequest) -> Operation:
        return Operation(request.operation_id or new_id())


OperationId = Annotated[Operation, Depends(OperationDependency())]


class ReplayCheck(RequestDependency):
    """A dependency of a POST route whose answer is about another person than the caller.

    The right to act for that person may have ended since the first request. `check` refuses a repeated request as it would be refused if it
    were the first one. It runs only before a stored answer is sent again: a request that runs is checked by its use case. Write
    `dependencies=[Depends(ReplayCheck(check))]` in the decorator of the route.
    """

    def __init__(self, check: Callable[[ServiceRequest, Caller, UUID], Awaitable[None]]) -> None:
        """`check` is called with the request, its caller and the operation's id, and raises the refusal."""
        self.check = check

    def resolve(self, request: ServiceRequest) -> None:
        """Return nothing: the endpoint does not see the check."""


async def run_once_per_key(
    request: ServiceRequest, run: Callable[[], Awaitable[Response]], replay_checks: Sequence[ReplayCheck] = ()
) -> Response:
    """Run the request, or replay the response of the first request with the same caller, route and key.

    Only POST routes use this. Requests without a caller or a key always run. Not stored are responses with status 429 or 5xx and those with
    `Cache-Control: no-store` (secrets). Such a request runs again when it is repeated; after a success another one with its key is refused.
    When `run` raises, nothing is stored. Raises what `replay_checks` raise; then the stored response stays as it is.
    """
    key = request.headers.get("idempotency-key")
    if key is None or request.caller is None:
        return await run()
    if not KEY.fullmatch(key):
        raise BadIdempotencyKey(pointer="/Idempotency-Key")
    store: IdempotencyStore = request.app.state.idempotency
    caller_id = request.caller.id
    key_id, fingerprint = derive_id(caller_id, request.url.path, key), await _fingerprint(request, key)
    stored = await retry_transaction(lambda: store.claim(key_id, fingerprint))
    if stored is not None:
        for replay_check in replay_checks:
            await replay_check.check(request, request.caller, key_id)
        return stored.open(key_id, key).replay()
    request.operation_id = key_id
    try:
        response = await run()
    except BaseException:
        await retry_transaction(lambda: store.release(key_id))
        raise
    await retry_transaction(lambda: _end_claim(store, key_id, key, response, caller_id))
    return response


async def _end_claim(store: IdempotencyStore, key_id: UUID, key: str, response: Response, caller_id: UUID) -> None:
    is_secret = "no-store" in response.headers.get("cache-control", "")
    is_temporary = response.status_code == 429 or response.status_code >= 500
    if not is_secret and not is_temporary:
        await store.save_response(key_id, StoredResponse.from_response(response, caller_id).seal(key_id, key))
    elif response.status_code < 400:
        await store.reopen(key_id)
    else:
        await store.release(key_id)


async def _fingerprint(request: ServiceRequest, key: str) -> str:
    """Return a digest of what makes two requests the same: path, query, If-Match and body.

    A short body, such as the reason of a visit, could be guessed from its digest. With the key in it, which is not stored, it cannot,
    unless the key can be guessed, too.
    """
    url, if_match = request.url, request.headers.get("if-match", "")
    parts = (url.path.encode(), url.query.encode(), if_match.encode(), await request.body(), key.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
