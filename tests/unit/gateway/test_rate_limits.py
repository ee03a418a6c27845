"""Which limits a request counts against, and what the headers say."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from gateway_svc.domain.rate_limits import PER_ACCOUNT, ROUTE_LIMITS, SIGN_IN, Admission, Quota, RateLimits, rate_limit_headers
from gateway_svc.domain.routing_table import find_routing_entry
from tests.architecture.snapshots import FOLDER

ACCOUNT, ADDRESS = uuid4(), "203.0.113.1"


def limits_of(method: str, path: str, *, signed_in: bool, scale: float = 1) -> dict[tuple[str, str], int]:
    """Return requests per minute by the name of the limit and the client."""
    limits = RateLimits(scale).of_request(method, path, ACCOUNT if signed_in else None, ADDRESS)
    return {(client_limit.limit.name, client_limit.client): client_limit.limit.requests for client_limit in limits}


@pytest.mark.parametrize(
    ("request_line", "signed_in", "expected"),
    [
        ("GET /doctors", False, {("address", ADDRESS): 300}),
        ("GET /status", False, {("address", ADDRESS): 300}),
        ("GET /doctors", True, {("account", str(ACCOUNT)): 600}),
        ("POST /appointments", True, {("account", str(ACCOUNT)): 600, ("booking", str(ACCOUNT)): 60}),
        ("POST /holds", True, {("account", str(ACCOUNT)): 600, ("booking", str(ACCOUNT)): 60}),
        ("POST /appointments", False, {("address", ADDRESS): 300}),  # appointment-service refuses it
        ("GET /appointments", True, {("account", str(ACCOUNT)): 600}),
        ("POST /auth/login", False, {("address", ADDRESS): 300, ("sign-in", ADDRESS): 20}),
        ("POST /auth/login", True, {("account", str(ACCOUNT)): 600, ("sign-in", ADDRESS): 20}),
        ("POST /auth/refresh", False, {("address", ADDRESS): 300}),
        ("GET /visit/some-token", False, {("address", ADDRESS): 300, ("visit-link", ADDRESS): 120}),
        ("HEAD /visit/some-token", False, {("address", ADDRESS): 300, ("visit-link", ADDRESS): 120}),
        ("POST /visit/some-token/confirm", False, {("address", ADDRESS): 300, ("visit-link", ADDRESS): 120}),
        ("POST /visit/other-token/cancel", False, {("address", ADDRESS): 300, ("visit-link", ADDRESS): 120}),
        ("GET /visit", False, {("address", ADDRESS): 300}),
        ("GET /visit/some-token/unknown/path", False, {("address", ADDRESS): 300}),
        ("GET /livez", False, {}),
        ("GET /readyz", False, {}),
    ],
)
def test_a_request_counts_by_account_or_address_and_by_its_route(
    request_line: str, signed_in: bool, expected: dict[tuple[str, str], int]
) -> None:
    assert limits_of(*request_line.split(), signed_in=signed_in) == expected


def test_guessing_on_all_sign_in_routes_together_is_limited() -> None:
    routes = ["/auth/login", "/auth/token", "/auth/register", "/auth/password/forgot", "/auth/email/verify/resend"]
    assert {path for (_, path), limit in ROUTE_LIMITS.items() if limit is SIGN_IN} == set(routes)


def test_every_route_with_a_limit_of_its_own_exists() -> None:
    paths = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))["paths"]
    missing = {path for method, path in ROUTE_LIMITS if method.lower() not in paths.get(path, {})}
    assert missing <= {"/auth/email/verify/resend"}
    assert all(find_routing_entry(path) for _, path in ROUTE_LIMITS)


def test_the_scale_multiplies_every_limit_and_leaves_at_least_one_request() -> None:
    assert limits_of("POST", "/auth/login", signed_in=False, scale=20) == {("address", ADDRESS): 6000, ("sign-in", ADDRESS): 400}
    assert limits_of("POST", "/auth/login", signed_in=False, scale=0.01) == {("address", ADDRESS): 3, ("sign-in", ADDRESS): 1}


def test_the_headers_are_structured_fields_with_an_item_for_each_limit() -> None:
    quotas = (Quota(PER_ACCOUNT, 599, 60), Quota(SIGN_IN, 0, 7))
    assert rate_limit_headers(quotas) == [
        (b"ratelimit-policy", b'"account";q=600;w=60, "sign-in";q=20;w=60'),
        (b"ratelimit", b'"account";r=599;t=60, "sign-in";r=0;t=7'),
    ]
    assert rate_limit_headers(()) == []


def test_a_refused_client_waits_for_the_slowest_of_its_exhausted_limits() -> None:
    quotas = (Quota(PER_ACCOUNT, 0, 12), Quota(SIGN_IN, 0, 7))
    assert Admission(False, quotas).retry_after_seconds == 12
    assert Admission(False, (Quota(PER_ACCOUNT, 3, 50), Quota(SIGN_IN, 0, 7))).retry_after_seconds == 7
