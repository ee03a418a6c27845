"""Finds the instances of the services: resolves the host names of the URLs in the settings."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from gateway_svc.ports import InstanceAddress
from shared.contracts.identity import Service

DEFAULT_PORTS = {"http": 80, "https": 443}
LOOKUP_TIMEOUT_SECONDS = 3


class DnsAddressResolver:
    """Resolves host names; every address that a name resolves to is an instance.

    A scaled Compose service, for example, has one name and several addresses. `urls_of` returns the base URLs of a service.
    """

    def __init__(self, urls_of: Callable[[Service], list[str]]) -> None:
        self._urls_of = urls_of

    async def resolve(self, service: Service) -> Sequence[InstanceAddress]:
        """Return the addresses behind all URLs of the service, each once. A name that cannot be resolved within 3 s has none."""
        resolved = await asyncio.gather(*(_resolve_url(url) for url in self._urls_of(service)))
        return list(dict.fromkeys(address for addresses in resolved for address in addresses))


async def _resolve_url(url: str) -> list[InstanceAddress]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 80)
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_SECONDS):
            results = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return []
    name, is_tls = parts.netloc.rpartition("@")[2], parts.scheme == "https"
    ips = dict.fromkeys(str(socket_address[0]) for *_, socket_address in results)
    return [InstanceAddress(ip, port, name, is_tls) for ip in ips]
