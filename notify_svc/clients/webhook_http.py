"""Sends webhooks over HTTP, to public addresses only. The answers of receivers are not trusted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from notify_svc.domain.webhook_addresses import AddressPolicy, is_numeric
from notify_svc.domain.webhook_deliveries import WebhookProblem, WebhookResponse, readable_beginning
from notify_svc.domain.webhook_refusals import AddressNotAllowed
from notify_svc.ports.webhooks import SignedDelivery
from shared.kit.clock import Clock

DEADLINE_SECONDS = 10.0
RESOLVING_SECONDS = 3.0
MAX_ANSWER_BYTES = 16 * 1024
MAX_CONNECTIONS = 100
HEADERS = {"Content-Type": "application/json", "User-Agent": "Careslot-Webhooks/1", "Accept": "*/*", "Accept-Encoding": "identity"}
FindAddresses = Callable[[str], Awaitable[list[str]]]


async def find_addresses(host: str) -> list[str]:
    """Return the addresses of a host as the system finds them. Raises OSError if there are none."""
    results = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in results))


class CheckingResolver(AbstractResolver):
    """Finds the addresses for each new connection and checks them all; the connection then uses exactly these.

    A host that has changed its addresses since they were checked (DNS rebinding) gains nothing by it.
    """

    def __init__(self, policy: AddressPolicy, find: FindAddresses) -> None:
        self._policy, self._find = policy, find

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        addresses = await self.find_allowed(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def find_allowed(self, host: str) -> list[str]:
        """Return the addresses of a host. Raises AddressNotAllowed if one of them is not allowed, OSError if there are none."""
        addresses = await self._find(host)
        for address in addresses:
            self._policy.check_address(address)
        if not addresses:
            raise OSError("The host has no address.")
        return addresses

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


class HttpWebhookReceiver:
    """Implements WebhookReceiver. Use it with `async with`.

    It opens a connection per delivery, follows no redirect, uses no proxy of the environment, keeps no cookies, and reads MAX_ANSWER_BYTES.
    """

    def __init__(
        self, policy: AddressPolicy, now: Clock, find: FindAddresses = find_addresses, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._policy, self._now, self._deadline_seconds = policy, now, deadline_seconds
        self._resolver = CheckingResolver(policy, find)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(resolver=self._resolver, use_dns_cache=False, force_close=True, limit=MAX_CONNECTIONS)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def check_url(self, url: str) -> None:
        host = self._policy.check_url(url)
        if is_numeric(host):
            return
        with suppress(OSError, UnicodeError):  # TimeoutError is an OSError
            async with asyncio.timeout(RESOLVING_SECONDS):
                await self._resolver.find_allowed(host)

    async def send(self, delivery: SignedDelivery) -> WebhookResponse:
        try:
            self._policy.check_url(delivery.url)  # aiohttp asks no resolver for a host that is an address
            return await self._post(delivery, asyncio.get_running_loop().time() + self._deadline_seconds)
        except AddressNotAllowed:
            return WebhookResponse(problem=WebhookProblem.ADDRESS)
        except TimeoutError:
            return WebhookResponse(problem=WebhookProblem.TIMEOUT)
        except (aiohttp.ClientError, OSError, ValueError):
            return WebhookResponse(problem=WebhookProblem.NOT_CONNECTED)

    async def _post(self, delivery: SignedDelivery, deadline: float) -> WebhookResponse:
        """Send the request and read the beginning of the answer. The status counts, even if the rest does not arrive in time."""
        body, answer = delivery.body.encode(), bytearray()
        async with asyncio.timeout_at(deadline):
            response = await self._session.post(delivery.url, data=body, headers=delivery.headers, allow_redirects=False)
        try:
            with suppress(aiohttp.ClientError, OSError):
                async with asyncio.timeout_at(deadline):
                    await _read_into(answer, response.content)
            retry_after = parse_retry_after(response.headers.get("Retry-After", ""), self._now())
            return WebhookResponse(response.status, readable_beginning(bytes(answer)), retry_after=retry_after)
        finally:
            response.close()


async def _read_into(answer: bytearray, content: aiohttp.StreamReader) -> None:
    """Append the first MAX_ANSWER_BYTES of a body to `answer`."""
    while len(answer) < MAX_ANSWER_BYTES and (chunk := await content.read(MAX_ANSWER_BYTES - len(answer))):
        answer += chunk


def parse_retry_after(value: str, now: datetime) -> datetime | None:
    """Return the instant that a Retry-After header names (RFC 9110 section 10.2.3), at most a year ahead; None for other texts."""
    latest = now + timedelta(days=365)
    if value.isascii() and value.isdigit():
        return now + timedelta(seconds=min(int(value[:9]), 365 * 24 * 3600))
    try:
        instant = parsedate_to_datetime(value)
    except ValueError:
        return None
    return min(instant.replace(tzinfo=instant.tzinfo or UTC), latest)
