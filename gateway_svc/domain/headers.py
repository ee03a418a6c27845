"""Lists of the headers that are forwarded: from the client to a service, and from a service to the client. All others are dropped.

The gateway itself writes `X-Request-ID`, `traceparent`, `X-Timeout-Ms` and `X-Forwarded-For` of a request, and `RateLimit` and
`RateLimit-Policy` of a response; those that it receives are never forwarded. The Content-Security-Policy of a page is forwarded if it
forbids at least what the gateway's own does, apart from what it lists.
"""

from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

FORWARDED_REQUEST_HEADERS = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"content-encoding",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"prefer",
        b"user-agent",
    )
)
FORWARDED_RESPONSE_HEADERS = frozenset(
    (
        b"accept-encoding",
        b"allow",
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-type",
        b"etag",
        b"expires",
        b"idempotent-replayed",
        b"last-modified",
        b"link",
        b"location",
        b"pragma",
        b"preference-applied",
        b"retry-after",
        b"vary",
        b"www-authenticate",
        b"x-robots-tag",
    )
)
CONTENT_SECURITY_POLICY = b"content-security-policy"
DEFAULT_CONTENT_SECURITY_POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""The policy of every response that has none of its own. The policy of a page must have its directives, too."""
# If one of these were sent twice, the gateway and a service could each use a different one.
SINGLE_HEADERS = frozenset((b"authorization", b"content-length", b"content-type", b"idempotency-key", b"transfer-encoding"))


def forwarded_request_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers of a client's request that are sent to the service. Header names are in lower case."""
    return [header for header in headers if header[0] in FORWARDED_REQUEST_HEADERS]


def forwarded_response_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers of a service's response that are sent to the client. Header names are in lower case."""
    received = list(headers)
    forwarded = [header for header in received if header[0] in FORWARDED_RESPONSE_HEADERS]
    if any(name == b"content-type" and value.startswith(b"text/html") for name, value in forwarded):
        forwarded += [header for header in received if header[0] == CONTENT_SECURITY_POLICY and is_strict_policy(header[1])]
    return forwarded


def is_strict_policy(policy: bytes) -> bool:
    """Return whether a policy has all directives of DEFAULT_CONTENT_SECURITY_POLICY, so that it allows only what it lists."""
    return _directives(DEFAULT_CONTENT_SECURITY_POLICY) <= _directives(policy)


def _directives(policy: bytes) -> set[bytes]:
    return {directive.strip() for directive in policy.split(b";")}


def size_in_bytes(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the size of the headers in a request, including `: ` and the line ends."""
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
    return size


def repeated_single_header(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the first header of SINGLE_HEADERS that occurs a second time, None if there is none."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in SINGLE_HEADERS:
            if name in seen:
                return name
            seen.add(name)
    return None
