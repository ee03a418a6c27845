"""Which headers pass the door."""

from __future__ import annotations

import pytest

from gateway_svc.clients.http1 import head_of
from gateway_svc.domain.headers import downward, repeated, size_of, upward
from gateway_svc.ports import Address, Call

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
    b"content-encoding",
    b"expect",
]
HERE = Address("127.0.0.1", 1, "doctor-service:8003")


def test_what_a_client_might_forge_stays_outside() -> None:
    assert upward([(name, b"x") for name in FORGED]) == []


def test_what_a_service_needs_goes_up_and_what_a_client_needs_comes_down() -> None:
    up = [(b"authorization", b"Bearer x"), (b"if-match", b'"1"'), (b"idempotency-key", b"k"), (b"accept-language", b"de")]
    assert upward([*up, (b"cookie", b"a=b")]) == up
    down = [(b"etag", b'"1"'), (b"location", b"/x"), (b"link", b"<x>"), (b"retry-after", b"1"), (b"www-authenticate", b"Bearer")]
    noise = [(b"server", b"uvicorn"), (b"connection", b"close"), (b"x-powered-by", b"x"), (b"set-cookie", b"a"), (b"x-request-id", b"a")]
    assert downward([*down, *noise]) == down


def test_a_header_that_stands_once_is_missed_when_it_stands_twice() -> None:
    assert repeated([(b"authorization", b"a"), (b"accept", b"b"), (b"authorization", b"a")]) == b"authorization"
    assert repeated([(b"accept", b"a"), (b"accept", b"b")]) is None
    assert size_of([(b"ab", b"cde")]) == len(b"ab: cde\r\n")


def test_a_head_is_written_as_http_has_it() -> None:
    call = Call("POST", b"/doctors?a=b", [(b"accept", b"*/*")], b"{}", None, 2)
    expected = b"POST /doctors?a=b HTTP/1.1\r\nhost: doctor-service:8003\r\naccept: */*\r\ncontent-length: 2\r\n\r\n"
    assert head_of(HERE, call) == expected
    assert b"content-length" not in head_of(HERE, Call("GET", b"/", []))
    assert head_of(HERE, Call("PUT", b"/", [], length=None)).endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(
    "call",
    [
        Call("GET", b"/\r\nx: y", []),
        Call("GET", b"/ HTTP/1.1", []),
        Call("GET", b"/", [(b"accept", b"a\r\nx: y")]),
        Call("GET", b"/", [(b"accept", b"a\nx: y")]),
        Call("GET", b"/", [(b"accept", b"a\0")]),
        Call("GET\r\n", b"/", []),
    ],
)
def test_no_header_can_start_a_second_request(call: Call) -> None:
    with pytest.raises(ValueError, match="line end"):
        head_of(HERE, call)
