"""Rate limits: how many requests per minute an account or an address may send, and to which routes.

A request counts against each of its limits, or, when one of them is exhausted, against none: a refused request costs nothing, and a client
that keeps trying gets through as soon as its oldest request is a minute old. Every other answer counts, whatever its status.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from gateway_svc.domain.headers import Headers

WINDOW_SECONDS = 60


class Per(StrEnum):
    """Whose requests a limit counts together."""

    ACCOUNT = "account"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in any 60 seconds per account or per address. `name` is public: the headers contain it.

    `policy` is its item in the header `RateLimit-Policy`.
    """

    name: str
    per: Per
    requests: int
    policy: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", f'"{self.name}";q={self.requests};w={WINDOW_SECONDS}')

    def with_scale(self, scale: float) -> RateLimit:
        """Return the limit multiplied by `scale`, but at least one request."""
        return replace(self, requests=max(1, round(self.requests * scale)))


@dataclass(frozen=True, slots=True)
class ClientLimit:
    """A limit as it applies to one client: an account id, or a block of addresses."""

    limit: RateLimit
    client: str


@dataclass(frozen=True, slots=True)
class Quota:
    """What a client has left of a limit: `remaining` requests now, and one more after `reset_seconds` (1 to 60)."""

    limit: RateLimit
    remaining: int
    reset_seconds: int


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request may be carried out, and what is left of each of its limits afterwards."""

    is_admitted: bool
    quotas: tuple[Quota, ...]

    @property
    def retry_after_seconds(self) -> int:
        """Return the seconds until every limit of a refused request allows one more."""
        return max((quota.reset_seconds for quota in self.quotas if not quota.remaining), default=1)


PER_ACCOUNT = RateLimit("account", Per.ACCOUNT, 600)
PER_ADDRESS = RateLimit("address", Per.ADDRESS, 300)  # of requests without a valid token
SIGN_IN = RateLimit("sign-in", Per.ADDRESS, 20)
BOOKING = RateLimit("booking", Per.ACCOUNT, 60)
VISIT_LINK = RateLimit("visit-link", Per.ADDRESS, 120)  # scanners of mails open every link
UNSUBSCRIBE_LINK = RateLimit("unsubscribe-link", Per.ADDRESS, 120)  # providers of mail unsubscribe many people from one address
# The routes that have a limit of their own beside the general one. Routes with the same limit share it. HEAD counts as GET.
ROUTE_LIMITS: dict[tuple[str, str], RateLimit] = {
    ("POST", "/auth/login"): SIGN_IN,
    ("POST", "/auth/token"): SIGN_IN,
    ("POST", "/auth/register"): SIGN_IN,
    ("POST", "/auth/password/forgot"): SIGN_IN,
    ("POST", "/auth/email/verify/resend"): SIGN_IN,
    ("POST", "/appointments"): BOOKING,
    ("POST", "/holds"): BOOKING,
    ("GET", "/visit/{token}"): VISIT_LINK,
    ("POST", "/visit/{token}/confirm"): VISIT_LINK,
    ("POST", "/visit/{token}/cancel"): VISIT_LINK,
    ("GET", "/unsubscribe/{token}"): UNSUBSCRIBE_LINK,
    ("POST", "/unsubscribe/{token}"): UNSUBSCRIBE_LINK,
}
# Orchestrators request these paths. With a limit, or a check of their token, they would be refused and end a server that works.
HEALTH_PATHS = frozenset(("/livez", "/readyz"))


class RateLimits:
    """All limits, multiplied by `scale`."""

    def __init__(self, scale: float = 1.0) -> None:
        self._per_account, self._per_address = PER_ACCOUNT.with_scale(scale), PER_ADDRESS.with_scale(scale)
        self._by_route = {route: limit.with_scale(scale) for route, limit in ROUTE_LIMITS.items()}
        self._first_segments = {path.split("/")[1] for _, path in ROUTE_LIMITS if "{" in path}

    def of_request(self, method: str, path: str, account_id: UUID | None, address_block: str) -> list[ClientLimit]:
        """Return the limits that a request counts against.

        `account_id` is the account or the client of a verified token, None without a valid token. Limits per account do not apply without
        one: the service will refuse such a request.
        """
        if path in HEALTH_PATHS:
            return []
        general = ClientLimit(self._per_address, address_block) if account_id is None else ClientLimit(self._per_account, str(account_id))
        limit = self._by_route.get((method, path)) or self._limit_of_template("GET" if method == "HEAD" else method, path)
        if limit is None or (limit.per is Per.ACCOUNT and account_id is None):
            return [general]
        return [general, ClientLimit(limit, address_block if limit.per is Per.ADDRESS else str(account_id))]

    def _limit_of_template(self, method: str, path: str) -> RateLimit | None:
        """Return the limit of a route whose path has a parameter as its second segment."""
        segments = path.split("/", 4)
        if len(segments) < 3 or segments[1] not in self._first_segments:
            return None
        return self._by_route.get((method, "/".join(["", segments[1], "{token}", *segments[3:]])))


def rate_limit_headers(quotas: tuple[Quota, ...]) -> Headers:
    """Return the `RateLimit-Policy` and `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers-10), none without quotas."""
    if not quotas:
        return []
    policies = ", ".join([quota.limit.policy for quota in quotas])
    remaining = ", ".join([f'"{quota.limit.name}";r={quota.remaining};t={quota.reset_seconds}' for quota in quotas])
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", remaining.encode())]
