"""The address of the client behind a request: that of the connection, or the one that trusted proxies report."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# A Unix socket has no address. Whoever connects to it is on this machine.
LOCAL = IPv4Address("127.0.0.1")
IPV6_BLOCK_BITS = 64
MAX_CACHED_ADDRESSES = 4096


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The address of a client as text, and the block of addresses that counts as one client.

    The block is the address itself, or the /64 of an IPv6 address, because one customer has all of it.
    """

    text: str
    block: str


def client_address(peer: str, forwarded_for: Sequence[str], trusted_proxies: Sequence[Network]) -> ClientAddress:
    """Return the address of the client.

    `peer` is the address of the connection, `forwarded_for` the values of X-Forwarded-For in their order. Each trusted proxy has appended
    the address of its own client, so the list is read from its end, and only while the address that reported an entry is trusted. What a
    client wrote into the header itself stands further to the front and is not read.
    """
    if not (forwarded_for and trusted_proxies):
        return _client_address(peer)
    address = parse_address(peer) or LOCAL
    for hop in reversed(forwarded_for):
        reported = parse_address(hop) if is_trusted(address, trusted_proxies) else None
        if reported is None:
            break
        address = reported
    return _client_address(str(address))


@functools.lru_cache(MAX_CACHED_ADDRESSES)
def _client_address(peer: str) -> ClientAddress:
    address = parse_address(peer) or LOCAL
    block = address if isinstance(address, IPv4Address) else ip_network((address, IPV6_BLOCK_BITS), strict=False)
    return ClientAddress(str(address), str(block))


def is_trusted(address: Address, trusted_proxies: Sequence[Network]) -> bool:
    """True if the address belongs to one of the networks."""
    return any(address in network for network in trusted_proxies)


def parse_address(text: str) -> Address | None:
    """Return the address in a text, None if it is none.

    A port behind it and the zone of a link-local address are dropped. An IPv4 address that is mapped into IPv6 becomes an IPv4 address.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks in a comma-separated list of addresses and CIDR blocks.

    Raises ValueError for anything else, and for a block of all addresses: then every client could choose its own address.
    """
    networks = tuple(ip_network(entry.strip()) for entry in text.split(",") if entry.strip())
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("a block of all addresses would let every client choose its own address")
    return networks
