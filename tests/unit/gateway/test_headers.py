"""Which headers are forwarded, and how the head of an upstream request is written."""

from __future__ import annotations

import pytest

from gateway_svc.clients.http1_client import request_head
from gateway_svc.domain.headers import forwarded_request_headers, forwarded_response_headers, repeated_single_header, size_in_bytes
from gateway_svc.ports import InstanceAddress, UpstreamRequest

FORGED = [
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"forwarded",
    b"x-real-ip",
    b"x-user-id",
    b"x-user-role",
    b"x-timeout-ms",
    b"x-request-id",
    b"traceparent",
    b"host",
    b"connection",
    b"te",
    b"upgrade",
    b"transfer-encoding",
    b"content-length",
    b"proxy-authorization",
    b"cookie",
    b"x-http-method-override",
    b"x-original-url",
    b"x-rewrite-url",
    b"expect",
]
ADDRESS = InstanceAddress("127.0.0.1", 1, "doctor-service:8003")


def test_headers_that_a_client_might_forge_are_not_forwarded() -> None:
    assert forwarded_request_headers([(name, b"x") for name in FORGED]) == []


def test_only_listed_headers_are_forwarded_in_either_direction() -> None:
    request_headers = [(b"authorization", b"Bearer x"), (b"if-match", b'"1"'), (b"idempotency-key", b"k"), (b"content-encoding", b"br")]
    assert forwarded_request_headers([*request_headers, (b"cookie", b"a=b")]) == request_headers
    response_headers = [
        (b"etag", b'"1"'),
        (b"location", b"/x"),
        (b"link", b"<x>"),
        (b"retry-after", b"1"),
        (b"www-authenticate", b"Bearer"),
    ]
    dropped = [
        (b"ratelimit", b'"x";r=1'),
        (b"ratelimit-policy", b'"x";q=1'),
        (b"server", b"uvicorn"),
        (b"connection", b"close"),
        (b"x-powered-by", b"x"),
        (b"set-cookie", b"a"),
        (b"x-request-id", b"a"),
    ]
    assert forwarded_response_headers([*response_headers, *dropped]) == response_headers


def test_a_single_header_that_is_repeated_is_detected() -> None:
    repeated = [(b"authorization", b"a"), (b"accept", b"b"), (b"authorization", b"a")]
    assert repeated_single_header(repeated) == b"authorization"
    assert repeated_single_header([(b"accept", b"a"), (b"accept", b"b")]) is None
    assert size_in_bytes([(b"ab", b"cde")]) == len(b"ab: cde\r\n")


def test_the_head_of_a_request_is_valid_http() -> None:
    request = UpstreamRequest("POST", b"/doctors?a=b", [(b"accept", b"*/*")], b"{}", None, 2)
    expected = b"POST /doctors?a=b HTTP/1.1\r\nhost: doctor-service:8003\r\naccept: */*\r\ncontent-length: 2\r\n\r\n"
    assert request_head(ADDRESS, request) == expected
    assert b"content-length" not in request_head(ADDRESS, UpstreamRequest("GET", b"/", []))
    assert request_head(ADDRESS, UpstreamRequest("PUT", b"/", [], length=None)).endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(
    "upstream_request",
    [
        UpstreamRequest("GET", b"/\r\nx: y", []),
        UpstreamRequest("GET", b"/ HTTP/1.1", []),
        UpstreamRequest("GET", b"/", [(b"accept", b"a\r\nx: y")]),
        UpstreamRequest("GET", b"/", [(b"accept", b"a\nx: y")]),
        UpstreamRequest("GET", b"/", [(b"accept", b"a\0")]),
        UpstreamRequest("GET\r\n", b"/", []),
    ],
)
def test_no_header_can_start_a_second_request(upstream_request: UpstreamRequest) -> None:
    with pytest.raises(ValueError, match="line end"):
        request_head(ADDRESS, upstream_request)


PAGE_POLICY = b"default-src 'none'; style-src 'sha256-x'; form-action 'self'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("media_type", "policy", "is_forwarded"),
    [
        (b"text/html; charset=utf-8", PAGE_POLICY, True),
        (b"text/html; charset=utf-8", b"default-src *; frame-ancestors 'none'", False),
        (b"text/html; charset=utf-8", b"default-src 'none'", False),
        (b"application/json", PAGE_POLICY, False),
    ],
)
def test_only_the_policy_of_a_page_that_forbids_what_the_default_forbids_is_forwarded(
    media_type: bytes, policy: bytes, is_forwarded: bool
) -> None:
    headers = [(b"content-type", media_type), (b"content-security-policy", policy)]
    assert forwarded_response_headers(headers) == headers[: 1 + is_forwarded]


def test_pages_for_one_person_stay_out_of_search_engines() -> None:
    assert forwarded_response_headers([(b"x-robots-tag", b"noindex")]) == [(b"x-robots-tag", b"noindex")]
