"""What is stored for an Idempotency-Key: a claim while the request runs, then its response."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from fastapi import Response

from shared.contracts.refusals import Conflict
from shared.contracts.relayed_refusals import IdempotencyKeyReused as IdempotencyKeyReused
from shared.kit.sealed_answers import open_body, seal_body

STORED_HEADERS = ("location", "etag", "link", "content-type", "retry-after", "cache-control")
CALLER = "careslot-caller"
CLAIM_TIMEOUT = timedelta(seconds=60)
RETENTION = timedelta(hours=48)


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


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The right to run the request of a key, or the response that is stored for it.

    `operation_id` is random, and is the same for all runs of the request. `is_first_run` is False if an earlier run may have had an effect.
    """

    operation_id: UUID
    response: StoredResponse | None = None
    is_first_run: bool = False


class IdempotencyStore(Protocol):
    """Stores keys and responses for at least 24 h. Afterwards a request with the same key is another operation."""

    async def claim(self, key_id: UUID, fingerprint: str) -> KeyClaim:
        """Return the claim. Without a response in it the caller may run the request now.

        Raises IdempotencyKeyReused or RequestInProgress.
        """

    async def save_response(self, key_id: UUID, response: StoredResponse) -> None: ...

    async def reopen(self, key_id: UUID) -> None:
        """Let the same request run again with the key, as the same operation; another request is still refused."""

    async def release(self, key_id: UUID) -> None:
        """Delete the claim of a request that had no effect."""

    async def delete_mentioning(self, subject_id: UUID) -> int:
        """Delete the stored responses that contain an id or were sent to its owner; return how many.

        The keys stay: repeated requests run again, as the same operations.
        """
