"""What the gateway needs from outside: where the instances of a service are, and a way to ask one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway_svc.domain.headers import Headers
from shared.contracts.identity import Service


class NotReached(Exception):
    """No connection: the instance has seen nothing of the request."""


class Lost(Exception):
    """The instance went away, or spoke no HTTP, before its answer was whole."""


@dataclass(frozen=True, slots=True)
class Address:
    """One instance. `name` goes into the Host header, and is what a certificate must show."""

    host: str
    port: int
    name: str
    tls: bool = False


@dataclass(slots=True)
class Call:
    """A request on its way up. `body` is what has arrived of its body, `rest` what is still to come.

    `length` is the whole body's where it is known; a body of unknown length travels chunked.
    """

    method: str
    target: bytes
    headers: Headers
    body: bytes = b""
    rest: AsyncIterator[bytes] | None = None
    length: int | None = 0

    @property
    def is_repeatable(self) -> bool:
        """Whether asking twice is the same as asking once."""
        return self.method in ("GET", "HEAD", "OPTIONS") and self.rest is None


class Answer(Protocol):
    """What an instance answers: the head is here, the body comes as it is read."""

    status: int
    headers: Headers

    @property
    def more(self) -> bool:
        """Whether something of the body is still to be read."""

    async def read(self) -> bytes:
        """The next bytes; Lost when the answer breaks off."""

    def close(self) -> None:
        """Done with it, read to the end or not."""


class Upstream(Protocol):
    async def send(self, address: Address, call: Call) -> Answer:
        """The answer's head; NotReached or Lost when there is none. Whatever `call.rest` raises comes out here."""


class Addresses(Protocol):
    async def of(self, service: Service) -> Sequence[Address]:
        """Every instance that is known now; empty where the name means nothing."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer read to its end."""

    status: int
    body: bytes = field(repr=False)
