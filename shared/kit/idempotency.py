"""Idempotency-Key: the first response to a keyed POST is stored, encrypted, and sent again (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response
from fastapi.exceptions import RequestValidationError

from shared.contracts.derived_ids import derive_id
from shared.contracts.refusals import Invalid
from shared.kit.idempotency_store import IdempotencyKeyReused, IdempotencyStore, KeyClaim, StoredResponse
from shared.kit.ids import new_id
from shared.kit.replay_checks import ReplayCheck
from shared.kit.requests import RequestDependency, ServiceRequest
from shared.kit.retry import retry_transaction

KEY = re.compile(r"[\x20-\x7e]{1,255}")
REFUSED_BEFORE_AN_EFFECT = (RequestValidationError, IdempotencyKeyReused)
"""What a run raises before it changes anything."""


class BadIdempotencyKey(Invalid):
    """Raised when the key is empty, too long or not printable."""

    code = "bad_idempotency_key"
    detail = "Idempotency-Key takes 1 to 255 printable characters."
    remedy = "Send 1 to 255 printable ASCII characters, for example a UUID."
    example_pointers = ("/Idempotency-Key",)


@dataclass(frozen=True, slots=True)
class Operation:
    """A request as use cases see it. `id` is the id of the change or of what is created: the same when the caller repeats the request."""

    id: UUID


class OperationDependency(RequestDependency):
    """A dependency that returns the operation, with the id that is stored for the Idempotency-Key, or with a new id without a key."""

    def resolve(self, request: ServiceRequest) -> Operation:
        return Operation(request.operation_id or new_id())


OperationId = Annotated[Operation, Depends(OperationDependency())]


async def run_once_per_key(
    request: ServiceRequest, run: Callable[[], Awaitable[Response]], replay_checks: Sequence[ReplayCheck] = ()
) -> Response:
    """Run the request, or replay the response of the first request with the same caller, route and key.

    Only POST routes use this. Requests without a caller or a key always run. Not stored are responses with status 429 or 5xx and those with
    `Cache-Control: no-store` (secrets). Such a request runs again when it is repeated, with the same operation id if it may have had an
    effect; then another request with its key is refused. When `run` raises, nothing is stored. Raises what `replay_checks` raise; then the
    stored response stays as it is.
    """
    key = request.headers.get("idempotency-key")
    if key is None or request.caller is None:
        return await run()
    if not KEY.fullmatch(key):
        raise BadIdempotencyKey(pointer="/Idempotency-Key")
    store: IdempotencyStore = request.app.state.idempotency
    caller_id = request.caller.id
    key_id, fingerprint = derive_id(caller_id, request.url.path, key), await _fingerprint(request, key)
    claim = await retry_transaction(lambda: store.claim(key_id, fingerprint))
    if claim.response is not None:
        for replay_check in replay_checks:
            await replay_check.check(request, request.caller, claim.operation_id)
        return claim.response.open(key_id, key).replay()
    request.operation_id = claim.operation_id
    try:
        response = await run()
    except BaseException as error:
        may_have_effect = not isinstance(error, REFUSED_BEFORE_AN_EFFECT)
        await retry_transaction(lambda: _end_without_response(store, key_id, claim, may_have_effect))
        raise
    if _is_storable(response):
        stored = StoredResponse.from_response(response, caller_id).seal(key_id, key)
        await retry_transaction(lambda: store.save_response(key_id, stored))
    else:
        may_have_effect = response.status_code < 400 or response.status_code >= 500
        await retry_transaction(lambda: _end_without_response(store, key_id, claim, may_have_effect))
    return response


def _is_storable(response: Response) -> bool:
    is_secret = "no-store" in response.headers.get("cache-control", "")
    is_temporary = response.status_code == 429 or response.status_code >= 500
    return not is_secret and not is_temporary


async def _end_without_response(store: IdempotencyStore, key_id: UUID, claim: KeyClaim, may_have_effect: bool) -> None:
    """Keep the operation's id for a repetition if this run or an earlier one may have had an effect; else forget the key."""
    if may_have_effect or not claim.is_first_run:
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
