"""How many passwords may be tried: a limit within 15 minutes, then a delay that grows with every further failure. No lock is permanent."""

from __future__ import annotations

import hmac
import json
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Self

from auth_svc.domain.refusals import TooManyAttempts

WINDOW = timedelta(minutes=15)
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=30), timedelta(minutes=15)
MAX_DOUBLINGS = 5
ACCOUNT_LIMIT, ADDRESS_LIMIT = 10, 50
IPV6_PREFIX_BITS = 64  # what one customer of a provider has; within it addresses can be changed at will


@dataclass(frozen=True, slots=True)
class CounterKey:
    """What a counter counts, and its limit within WINDOW.

    `digest` identifies the counter. `account` is the digest of the account whose password reset deletes the counter, if there is one.
    """

    digest: str
    limit: int
    account: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptCounter:
    """The attempts of the last WINDOW under one key that have failed or have not ended yet.

    An attempt is reserved before the password is verified, and given back when the password was right. `delays` counts the delays in a row;
    no attempt is accepted before `delayed_until`. `is_announced` is True once the owner was told of these delays.
    """

    digest: str
    attempted_at: tuple[datetime, ...] = ()
    delays: int = 0
    delayed_until: datetime | None = None
    is_announced: bool = False

    @property
    def expires_at(self) -> datetime | None:
        """The instant from which the counter counts nothing any more; None when it counts nothing already."""
        instants = [*self.attempted_at, *([self.delayed_until] if self.delayed_until else [])]
        return max(instants) + WINDOW if instants else None

    def reserve(self, limit: int, now: datetime) -> Self:
        """Return the counter with one more attempt, which begins a delay when it reaches the limit or follows a delay.

        Raises TooManyAttempts during a delay.
        """
        current = self._without_expired(now)
        if current.delayed_until is not None and now < current.delayed_until:
            raise TooManyAttempts(retry_after=math.ceil((current.delayed_until - now).total_seconds()))
        attempted_at = (*current.attempted_at, now)[-limit:]
        if not current.delays and len(attempted_at) < limit:
            return replace(current, attempted_at=attempted_at)
        delay = delay_after(current.delays)
        return replace(current, attempted_at=attempted_at, delays=current.delays + 1, delayed_until=now + delay)

    def give_back(self, reserved: AttemptCounter, limit: int) -> Self:
        """Return the counter without the attempt that made it `reserved`, and without the delay that only this attempt began."""
        attempted_at = list(self.attempted_at)
        if reserved.attempted_at[-1] in attempted_at:
            attempted_at.remove(reserved.attempted_at[-1])
        is_own_delay = reserved.has_begun_delay and (reserved.delays, reserved.delayed_until) == (self.delays, self.delayed_until)
        is_below_limit = self.delays == 1 and len(attempted_at) < limit
        if is_own_delay or is_below_limit:
            return replace(self, attempted_at=tuple(attempted_at), delays=self.delays - 1, delayed_until=None)
        return replace(self, attempted_at=tuple(attempted_at))

    @property
    def has_begun_delay(self) -> bool:
        """True for the result of a `reserve` that began a delay: a delay that is over is never followed by an attempt without one."""
        return self.delayed_until is not None

    def _without_expired(self, now: datetime) -> Self:
        """Return the counter as of now: without attempts before WINDOW, and without delays once it has expired."""
        expires_at = self.expires_at
        if expires_at is None or expires_at <= now:
            return replace(self, attempted_at=(), delays=0, delayed_until=None, is_announced=False)
        return replace(self, attempted_at=tuple(instant for instant in self.attempted_at if instant > now - WINDOW))


def delay_after(delays: int) -> timedelta:
    """Return the delay that follows a number of delays in a row: FIRST_DELAY, then twice as long each time, up to LONGEST_DELAY."""
    doublings = min(delays, MAX_DOUBLINGS)
    return min(FIRST_DELAY * (1 << doublings), LONGEST_DELAY)


def network_of(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 address. Any other text is returned unchanged."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.strip().partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((parsed, IPV6_PREFIX_BITS), strict=False))
    return str(parsed)


def keyed_digest(key: bytes, *parts: str) -> str:
    """Return the HMAC-SHA256 of texts, in hexadecimal: the database can compare addresses and names without containing them."""
    return hmac.digest(key, json.dumps(parts).encode(), "sha256").hex()


def account_counter(key: bytes, email: str) -> CounterKey:
    """Return the counter of all attempts for one account, which need not exist."""
    digest = keyed_digest(key, "account", email)
    return CounterKey(digest, ACCOUNT_LIMIT, digest)


def known_address_counter(key: bytes, email: str, network: str) -> CounterKey:
    """Return the counter of the attempts for an account from an address from which the account has a live session."""
    return CounterKey(keyed_digest(key, "known address", email, network), ACCOUNT_LIMIT, keyed_digest(key, "account", email))


def address_counter(key: bytes, network: str) -> CounterKey:
    """Return the counter of all attempts from one address."""
    return CounterKey(keyed_digest(key, "address", network), ADDRESS_LIMIT)


def client_counter(key: bytes, client_id: str, network: str) -> CounterKey:
    """Return the counter of the attempts for one API client from one address.

    There is no counter of all attempts for a client: its delay would cut off the client itself, and no one guesses a long random secret.
    """
    return CounterKey(keyed_digest(key, "client", client_id, network), ACCOUNT_LIMIT)
