"""Where the instances are: the URLs of the settings, each host name resolved to every address it has now."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from gateway_svc.ports import Address
from shared.contracts.identity import Service

PORTS = {"http": 80, "https": 443}


class ResolvedAddresses:
    """A Compose service that is scaled has one name and an address per instance."""

    def __init__(self, urls: Callable[[Service], list[str]]) -> None:
        self._urls = urls

    async def of(self, service: Service) -> Sequence[Address]:
        found = await asyncio.gather(*(_resolved(url) for url in self._urls(service)))
        return list(dict.fromkeys(address for addresses in found for address in addresses))


async def _resolved(url: str) -> list[Address]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 80)
    try:
        async with asyncio.timeout(3):
            known = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return []
    hosts = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in known)
    return [Address(each, port, parts.netloc.rpartition("@")[2], parts.scheme == "https") for each in hosts]
