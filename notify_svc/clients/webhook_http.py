"""Sends webhooks over HTTP, to public addresses only. The answers of receivers are not trusted."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, quote, urlsplit
from uuid import UUID

import httptools

from notify_svc.clients.host_lookups import HostLookups, LookupTookTooLong
from notify_svc.clients.webhook_answers import CHUNK_BYTES, HttpAnswer
from notify_svc.domain.webhook_addresses import AddressPolicy, is_numeric
from notify_svc.domain.webhook_deliveries import WebhookProblem, WebhookResponse
from notify_svc.domain.webhook_refusals import AddressNotAllowed
from notify_svc.ports.webhooks import SignedDelivery
from shared.kit.clock import Clock

DEADLINE_SECONDS = 10.0
RESOLVING_SECONDS = 5.0
RESOLVING_SECONDS_AT_SAVING = 3.0
CONNECTING_SECONDS = 3.0
"""For each address but the last, so that one that does not answer leaves time for the next."""
MAX_ADDRESSES = 4
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "Careslot-Webhooks/1",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
ALLOWED_IN_TARGETS = "/?:@!$&'()*+,;=%~[]"
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class HttpWebhookReceiver:
    """Implements WebhookReceiver.

    It opens a connection per delivery, to exactly the addresses that were checked: a host that has changed its addresses since it was saved
    (DNS rebinding) gains nothing by it. It follows no redirect, uses no proxy, and reads a bounded number of bytes.
    """

    policy: AddressPolicy
    now: Clock
    lookups: HostLookups
    tls: ssl.SSLContext
    deadline_seconds: float = DEADLINE_SECONDS
    resolving_seconds_at_saving: float = RESOLVING_SECONDS_AT_SAVING

    @classmethod
    def with_system_settings(cls, policy: AddressPolicy, now: Clock) -> Self:
        """Return a receiver that finds hosts as the system does and trusts the system's certificates."""
        return cls(policy, now, HostLookups(), ssl.create_default_context())

    async def check_url(self, url: str) -> None:
        host = self.policy.check_url(url)
        with suppress(OSError, UnicodeError):
            await self._find_allowed(host, None, self.resolving_seconds_at_saving)

    async def send(self, delivery: SignedDelivery) -> WebhookResponse:
        answer, problem = HttpAnswer(), WebhookProblem.NOT_CONNECTED
        try:
            async with asyncio.timeout(self.deadline_seconds):
                await self._exchange(delivery, answer)
        except AddressNotAllowed:
            problem = WebhookProblem.ADDRESS
        except LookupTookTooLong:
            problem = WebhookProblem.DNS_TIMEOUT
        except TimeoutError:
            problem = WebhookProblem.TIMEOUT
        except (OSError, ValueError, httptools.HttpParserError, httptools.HttpParserUpgrade):
            pass  # not connected, or not HTTP; where the status is known, it counts
        except Exception:
            if answer.status is None:
                raise
        return answer.to_response(problem, self.now())

    async def _exchange(self, delivery: SignedDelivery, answer: HttpAnswer) -> None:
        """Send the request and read the answer, as much as is read of it."""
        host = self.policy.check_url(delivery.url)
        addresses = await self._find_allowed(host, delivery.webhook_id, RESOLVING_SECONDS)
        url = urlsplit(delivery.url)
        reader, writer = await self._connect(addresses[:MAX_ADDRESSES], url, host)
        try:
            writer.write(request_bytes(url, delivery))
            await answer.read_from(reader)
        finally:
            writer.transport.abort()

    async def _find_allowed(self, host: str, webhook_id: UUID | None, timeout_seconds: float) -> list[str]:
        """Return the addresses of a host. Raises AddressNotAllowed if one of them is not allowed, OSError if there are none."""
        addresses = [host] if is_numeric(host) else await self.lookups.find_addresses(host, webhook_id, timeout_seconds)
        for address in addresses:
            self.policy.check_address(address)
        if not addresses:
            raise OSError("The host has no address.")
        return addresses

    async def _connect(self, addresses: list[str], url: SplitResult, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection to the first address that accepts one. Raises OSError if none does."""
        for address in addresses[:-1]:
            with suppress(OSError):
                async with asyncio.timeout(CONNECTING_SECONDS):
                    return await self._open(address, url, host)
        return await self._open(addresses[-1], url, host)

    async def _open(self, address: str, url: SplitResult, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection; with https its certificate must be that of the host."""
        port = url.port or DEFAULT_PORTS[url.scheme]
        if url.scheme == "http":
            return await asyncio.open_connection(address, port, limit=CHUNK_BYTES)
        return await asyncio.open_connection(address, port, limit=CHUNK_BYTES, ssl=self.tls, server_hostname=host.rstrip("."))


def request_bytes(url: SplitResult, delivery: SignedDelivery) -> bytes:
    """Return the request with its body."""
    body = delivery.body.encode()
    target = quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe=ALLOWED_IN_TARGETS)
    headers = {"Host": url.netloc} | HEADERS | delivery.headers | {"Content-Length": str(len(body))}
    head = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*head, "", ""]).encode() + body
