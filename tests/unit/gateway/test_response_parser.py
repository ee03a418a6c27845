"""How a response of a service is parsed, without a connection."""

from __future__ import annotations

import pytest

from gateway_svc.clients.response_parser import ResponseParser, ResponseState
from gateway_svc.ports import ConnectionLost


def parse(*received: bytes, method: str = "GET") -> ResponseParser:
    response = ResponseParser(method)
    for data in received:
        response.feed(data)
    return response


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
def test_a_response_is_the_same_in_one_piece_and_byte_by_byte(raw: bytes) -> None:
    for response in (parse(raw), parse(*(bytes([byte]) for byte in raw))):
        assert (response.status, response.state, response.allows_reuse) == (200, ResponseState.COMPLETE, True)
        assert response.take_body() == b"hello"
        assert response.is_read
        assert [name for name, _ in response.headers] in ([b"content-length"], [b"transfer-encoding"])


def test_the_states_of_a_response_follow_its_parts() -> None:
    response = ResponseParser("GET")
    states = [response.state]
    for data in (b"HTTP/1.1 200 OK\r\ncontent-", b"length: 2\r\n\r\n", b"a", b"b"):
        response.feed(data)
        states.append(response.state)
    assert states == [ResponseState.HEAD, ResponseState.HEAD, ResponseState.BODY, ResponseState.BODY, ResponseState.COMPLETE]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_is_complete_after_its_head(method: str, status: int) -> None:
    assert parse(b"HTTP/1.1 %d Reason\r\n\r\n" % status, method=method).state is ResponseState.COMPLETE


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_a_connection_that_the_instance_will_close_is_not_reused(raw: bytes) -> None:
    assert not parse(raw).allows_reuse


@pytest.mark.parametrize(
    "received",
    [
        [b"220 mail ready\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"x: %b\r\n" % (b"x" * 1000) * 70],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"more"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"],
    ],
)
def test_an_ambiguous_or_additional_response_is_rejected(received: list[bytes]) -> None:
    with pytest.raises(ConnectionLost):
        parse(*received)
