"""What the gateway needs from outside: addresses of instances, a client that sends requests to them, and counters of requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway_svc.domain.headers import Headers
from gateway_svc.domain.rate_limits import Admission, ClientLimit
from shared.contracts.identity import Service


class ConnectFailed(Exception):
    """Raised when no connection to an instance could be opened: the instance has received nothing of the request."""


class ConnectionLost(Exception):
    """Raised when the connection ended, or carried something that is not HTTP, before the response was complete.

    The instance may have executed the request.
    """


class RateStoreUnavailable(Exception):
    """Raised when the store of a RateCounter does not answer in time, or answers with an error."""


@dataclass(frozen=True, slots=True)
class InstanceAddress:
    """The address of one instance of a service.

    `name` is host and port as the settings spell them. It is sent as the Host header, and a TLS certificate must match its host.
    """

    host: str
    port: int
    name: str
    tls: bool = False


@dataclass(slots=True)
class UpstreamRequest:
    """A request to be sent to a service.

    `body` is the part of the body that has arrived; `remaining_body` yields the rest, and is None when `body` is complete.
    `length` is the size of the whole body in bytes; None means that it is not known, and the body is sent chunked.
    `has_arrived` returns whether the client has sent the whole body by now.
    """

    method: str
    target: bytes
    headers: Headers
    body: bytes = b""
    remaining_body: AsyncIterator[bytes] | None = None
    length: int | None = 0
    has_arrived: Callable[[], bool] = lambda: True

    @property
    def is_retryable(self) -> bool:
        """True if sending the request twice has the same effect as sending it once, and its body can be sent again."""
        return self.method in ("GET", "HEAD", "OPTIONS") and self.remaining_body is None


class UpstreamResponse(Protocol):
    """A response of a service: status and headers have arrived, the body is read in chunks."""

    status: int
    headers: Headers

    @property
    def has_more(self) -> bool:
        """True until the whole body has been read."""

    async def read_chunk(self) -> bytes:
        """Return the next bytes of the body, b"" at its end. Raises ConnectionLost if the body is cut off."""

    def close(self) -> None:
        """Release the connection. A body that was not read to its end is discarded."""


class UpstreamClient(Protocol):
    """Sends requests to instances."""

    async def send(self, address: InstanceAddress, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request and return the response as soon as its headers have arrived.

        Raises ConnectFailed, ConnectionLost, or whatever `request.remaining_body` raises.
        """


class AddressResolver(Protocol):
    """Looks up where the instances of a service are."""

    async def resolve(self, service: Service) -> Sequence[InstanceAddress]:
        """Return the addresses of all instances that are known now; empty if the lookup fails."""


class RateCounter(Protocol):
    """Counts the requests of clients in windows of the last 60 seconds."""

    async def count(self, client_limits: Sequence[ClientLimit]) -> Admission:
        """Count a request against all of the limits, or against none if one of them is exhausted. Raises RateStoreUnavailable."""
