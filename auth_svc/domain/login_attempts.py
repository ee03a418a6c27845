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
PENDING_LIFETIME = timedelta(seconds=30)  # longer than a request may take; an older pending attempt was interrupted
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


class AttemptsPending(Exception):
    """Raised when an attempt can be neither accepted nor refused before others have ended."""


@dataclass(frozen=True, slots=True)
class AttemptCounter:
    """The failed attempts of the last WINDOW under one key, and those whose password is being verified.

    An attempt is pending from before its password is verified, so that attempts at the same time do not exceed the limit. `delays` counts
    the delays in a row; no attempt is accepted before `delayed_until`. `is_announced` is True once the owner was notified of these delays.
    """

    digest: str
    failed_at: tuple[datetime, ...] = ()
    pending_at: tuple[datetime, ...] = ()
    delays: int = 0
    delayed_until: datetime | None = None
    is_announced: bool = False

    @property
    def expires_at(self) -> datetime | None:
        """The instant from which the counter can be deleted; None when it can be deleted already."""
        instants = [*self.failed_at, *self.pending_at, *([self.delayed_until] if self.delayed_until else [])]
        return max(instants) + WINDOW if instants else None

    @property
    def must_be_announced(self) -> bool:
        """True when a delay has begun and the owner was not notified yet."""
        return self.delays > 0 and not self.is_announced

    def reserve(self, limit: int, now: datetime) -> Self:
        """Return the counter with one more pending attempt.

        Raises TooManyAttempts during a delay, and AttemptsPending while so many are pending that all of them failing would begin one.
        """
        current = self._at(limit, now)
        if current.delayed_until is not None and now < current.delayed_until:
            raise TooManyAttempts(retry_after=math.ceil((current.delayed_until - now).total_seconds()))
        possible = 1 if current.delays else limit - len(current.failed_at)
        if len(current.pending_at) >= possible:
            raise AttemptsPending
        return replace(current, pending_at=(*current.pending_at, now))

    def give_back(self, reserved_at: datetime) -> Self:
        """Return the counter without a pending attempt, whose password was right or was not verified."""
        return replace(self, pending_at=_without(self.pending_at, reserved_at))

    def fail(self, reserved_at: datetime, limit: int, now: datetime) -> Self:
        """Return the counter after a pending attempt has failed. The failure that reaches the limit, and each one after it, begins a delay.

        The attempt does not count when the owner has chosen a new password meanwhile, which deletes the counter.
        """
        if reserved_at not in self.pending_at:
            return self
        failed_at = (*self.failed_at, now)[-limit:]
        failed = replace(self, failed_at=failed_at, pending_at=_without(self.pending_at, reserved_at))
        if not self.delays and len(failed_at) < limit:
            return failed
        return replace(failed, delays=self.delays + 1, delayed_until=now + delay_after(self.delays))

    def _at(self, limit: int, now: datetime) -> Self:
        """Return the counter as of now: pending attempts that never ended have failed, and failures older than WINDOW are dropped."""
        current = self
        for instant in self.pending_at:
            if instant + PENDING_LIFETIME <= now:
                current = current.fail(instant, limit, instant + PENDING_LIFETIME)
        if current.expires_at is None or current.expires_at <= now:
            return replace(self, failed_at=(), pending_at=(), delays=0, delayed_until=None, is_announced=False)
        return replace(current, failed_at=tuple(instant for instant in current.failed_at if instant > now - WINDOW))


def _without(instants: tuple[datetime, ...], removed: datetime) -> tuple[datetime, ...]:
    """Return the instants without one that equals `removed`."""
    if removed not in instants:
        return instants
    index = instants.index(removed)
    return instants[:index] + instants[index + 1 :]


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


def account_counter_key(key: bytes, email: str) -> CounterKey:
    """Return the key of the counter of all attempts for an email address, whether or not it has an account."""
    digest = keyed_digest(key, "account", email)
    return CounterKey(digest, ACCOUNT_LIMIT, digest)


def known_address_counter_key(key: bytes, email: str, network: str) -> CounterKey:
    """Return the key of the counter of attempts for an account from an address where it has a live session."""
    return CounterKey(keyed_digest(key, "known address", email, network), ACCOUNT_LIMIT, keyed_digest(key, "account", email))


def address_counter_key(key: bytes, network: str) -> CounterKey:
    """Return the key of the counter of all attempts from one address."""
    return CounterKey(keyed_digest(key, "address", network), ADDRESS_LIMIT)


def client_counter_key(key: bytes, client_id: str, network: str) -> CounterKey:
    """Return the key of the counter of attempts for one API client from one address.

    There is no counter of all attempts for a client: its delay would refuse the client itself, and a long random secret cannot be guessed.
    """
    return CounterKey(keyed_digest(key, "client", client_id, network), ACCOUNT_LIMIT)
