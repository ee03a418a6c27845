"""To which URLs and internet addresses webhooks may be sent."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from notify_svc.domain.webhook_refusals import AddressNotAllowed

MAX_URL_LENGTH = 1000
WEBHOOK_URL = re.compile(r"(https?)://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?(?:[/?][!-~]*)?")
"""Printable ASCII without user name. Names of other scripts are written in Punycode, so that all programs read the same host."""
LOOKS_NUMERIC = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)(\.(0[xX][0-9A-Fa-f]*|[0-9]+))*\.?")
"""Hosts that some resolvers read as an IPv4 address, such as `2130706433`, `0x7f.1` and `127.1`."""
HOST_NAME = re.compile(r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?![0-9]+\.?$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?")
NOT_PUBLIC_DOMAINS = frozenset({"localhost", "local", "internal", "invalid", "onion", "alt", "arpa"})
"""Top-level domains whose hosts are not in the public domain name system (RFC 6761 and its registry)."""
FIRST_UNPRIVILEGED_PORT, LAST_PORT = 1024, 65535
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
NOT_OF_HOSTS = (  # what `is_global` lets pass in some releases of Python
    ipaddress.IPv6Network("2001::/23"),  # Teredo and other protocols of the IETF
    ipaddress.IPv6Network("2002::/16"),  # 6to4, which leads to IPv4 addresses
    ipaddress.IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)
NOT_OF_HOSTS_IPV4 = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))  # of the IETF, relays of 6to4
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64 (RFC 6052): the last 32 bits are an IPv4 address


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """`allows_private`: http, every port and private addresses are allowed, for development and tests."""

    allows_private: bool = False

    def check_url(self, url: str) -> str:
        """Return the host of a URL, an IPv6 address without brackets. Raises AddressNotAllowed."""
        parts = WEBHOOK_URL.fullmatch(url)
        if parts is None or len(url) > MAX_URL_LENGTH or "#" in url:
            raise AddressNotAllowed("The URL must begin with https:// and have no user name and no fragment.", pointer="/url")
        scheme, port = parts[1], int(parts[3] or (443 if parts[1] == "https" else 80))
        if scheme != "https" and not self.allows_private:
            raise AddressNotAllowed("The URL must begin with https://.", pointer="/url")
        if port > LAST_PORT or not (self.allows_private or port in (80, 443) or port >= FIRST_UNPRIVILEGED_PORT):
            raise AddressNotAllowed("The port must be 443, 80, or between 1024 and 65535.", pointer="/url")
        host = urlsplit(url).hostname or ""
        if is_numeric(host):
            self.check_address(host)
        else:
            self._check_name(host)
        return host

    def _check_name(self, host: str) -> None:
        """Raise AddressNotAllowed for a name that no host, or no host of the public internet, can have."""
        if not HOST_NAME.fullmatch(host):
            raise AddressNotAllowed("The URL names a host that cannot exist.", pointer="/url")
        *parents, domain = host.removesuffix(".").split(".")
        if not self.allows_private and (not parents or domain in NOT_PUBLIC_DOMAINS):
            raise AddressNotAllowed("The URL names a host that is not on the public internet.", pointer="/url")

    def check_address(self, address: str) -> None:
        """Raise AddressNotAllowed unless `address` is a global unicast address, or any address where private ones are allowed."""
        parsed = parse_address(address)
        if parsed is None or not (self.allows_private or is_global_unicast(parsed)):
            raise AddressNotAllowed("Webhooks are sent to public internet addresses only.", pointer="/url")


def is_numeric(host: str) -> bool:
    """Return whether a host is an address, in any notation, and not a name."""
    return ":" in host or LOOKS_NUMERIC.fullmatch(host) is not None


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address in its usual notation; None for any other text."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_global_unicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether an address belongs to one host of the public internet.

    An IPv6 address that contains an IPv4 address is judged by that one; addresses of tunnels are not accepted.
    """
    if isinstance(address, ipaddress.IPv6Address):
        embedded = embedded_address(address)
        if embedded is not None:
            return is_global_unicast(embedded)
        return address in GLOBAL_UNICAST and address.is_global and not any(address in network for network in NOT_OF_HOSTS)
    is_special = address.is_multicast or address.is_reserved or any(address in network for network in NOT_OF_HOSTS_IPV4)
    return address.is_global and not is_special


def embedded_address(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address to which the network or the system translates an IPv6 address, if it does."""
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
