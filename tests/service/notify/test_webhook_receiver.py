"""Sending to receivers of webhooks over real sockets: slow, hanging, broken and hostile ones."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from notify_svc.clients.webhook_http import MAX_ANSWER_BYTES, HttpWebhookReceiver
from notify_svc.domain.webhook_addresses import AddressPolicy
from notify_svc.domain.webhook_deliveries import WebhookProblem, WebhookResponse
from notify_svc.domain.webhook_refusals import AddressNotAllowed
from notify_svc.ports.webhooks import SignedDelivery
from tests.running import NOON
from tests.service.notify.webhook_endpoint import WebhookEndpoint, answer, webhook_endpoint

DEVELOPMENT, PRODUCTION = AddressPolicy(allows_private=True), AddressPolicy()


@asynccontextmanager
async def a_receiver(
    policy: AddressPolicy = DEVELOPMENT, *addresses: list[str], deadline_seconds: float = 5.0
) -> AsyncIterator[HttpWebhookReceiver]:
    """Return a receiver for which a host has the first of these lists of addresses at the first question, and so on."""
    left = list(addresses)

    async def find(_host: str) -> list[str]:
        return left.pop(0)

    arguments = (find,) if addresses else ()
    async with HttpWebhookReceiver(policy, lambda: NOON, *arguments, deadline_seconds=deadline_seconds) as receiver:
        yield receiver


@pytest.fixture
async def endpoint() -> AsyncIterator[WebhookEndpoint]:
    async with webhook_endpoint() as running:
        yield running


async def send(receiver: HttpWebhookReceiver, url: str) -> WebhookResponse:
    return await receiver.send(SignedDelivery(url, {"webhook-id": "1"}, '{"a":"é"}'))


async def hang(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def flood(writer: asyncio.StreamWriter) -> None:
    """Answer with a gigabyte, until the connection is closed."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1024):
        writer.write(b"x" * 1024 * 1024)
        await writer.drain()


async def begin_and_hang(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nbeg")
    await writer.drain()
    await hang(writer)


async def drip_headers(writer: asyncio.StreamWriter) -> None:
    """Send a header line every few milliseconds and never end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    with suppress(OSError):
        while True:
            writer.write(b"X-More: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)


async def test_the_request_is_a_post_of_the_body_with_the_headers_and_no_cookies(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = answer(200, "fine", Set_Cookie="a=b")
    async with a_receiver() as receiver:
        assert await send(receiver, endpoint.url) == WebhookResponse(200, "fine")
        await send(receiver, endpoint.url)
    first, second = endpoint.received
    assert (first.path, first.body, first.headers["webhook-id"]) == ("/hook", '{"a":"é"}', "1")
    assert first.headers["content-type"] == "application/json"
    assert first.headers["host"] == urlsplit(endpoint.url).netloc
    assert "cookie" not in second.headers


async def test_a_redirect_is_not_followed(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = answer(307, Location=endpoint.url)
    async with a_receiver() as receiver:
        response = await send(receiver, endpoint.url)
    assert (response.status, response.is_success, len(endpoint.received)) == (307, False, 1)


@pytest.mark.parametrize("status", [410, 429, 503])
async def test_status_and_retry_after_are_returned(endpoint: WebhookEndpoint, status: int) -> None:
    endpoint.usual_answer = answer(status, "later", Retry_After="90")
    async with a_receiver() as receiver:
        assert await send(receiver, endpoint.url) == WebhookResponse(status, "later", retry_after=NOON + timedelta(seconds=90))


@pytest.mark.parametrize("behaviour", [hang, drip_headers])
async def test_a_receiver_that_does_not_answer_in_time_is_given_up(endpoint: WebhookEndpoint, behaviour: object) -> None:
    endpoint.usual_answer = behaviour  # type: ignore[assignment]
    async with a_receiver(deadline_seconds=0.3) as receiver:
        async with asyncio.timeout(3):
            response = await send(receiver, endpoint.url)
    assert response.problem in (WebhookProblem.TIMEOUT, WebhookProblem.NOT_CONNECTED)
    assert response.status is None


async def test_a_body_that_does_not_end_does_not_undo_the_status(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = begin_and_hang
    async with a_receiver(deadline_seconds=0.5) as receiver, asyncio.timeout(3):
        assert await send(receiver, endpoint.url) == WebhookResponse(201, "beg")


async def test_of_a_gigabyte_16_kibibytes_are_read(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = flood
    async with a_receiver() as receiver, asyncio.timeout(4):
        response = await send(receiver, endpoint.url)
    assert (response.status, response.text) == (200, "x" * 500)
    assert MAX_ANSWER_BYTES == 16 * 1024


async def test_a_broken_connection_or_answer_is_a_failed_attempt(endpoint: WebhookEndpoint) -> None:
    async with a_receiver() as receiver:
        for behaviour in (close, b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"):
            endpoint.usual_answer = behaviour
            assert (await send(receiver, endpoint.url)).problem is WebhookProblem.NOT_CONNECTED
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            assert (await send(receiver, f"http://127.0.0.1:{unused.getsockname()[1]}/")).problem is WebhookProblem.NOT_CONNECTED


async def test_a_name_that_leads_to_a_private_address_is_refused_at_saving() -> None:
    async with a_receiver(PRODUCTION, ["8.8.8.8", "10.0.0.1"]) as receiver:
        with pytest.raises(AddressNotAllowed):
            await receiver.check_url("https://receiver.example/")


async def test_a_name_that_is_not_found_can_be_saved() -> None:
    async def find(_host: str) -> list[str]:
        raise socket.gaierror

    async with HttpWebhookReceiver(PRODUCTION, lambda: NOON, find) as receiver:
        await receiver.check_url("https://receiver.example/")
        assert (await send(receiver, "https://receiver.example/")).problem is WebhookProblem.NOT_CONNECTED


@pytest.mark.parametrize("rebound", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["::1"], ["169.254.169.254"]])
async def test_a_name_that_changed_its_address_since_it_was_saved_reaches_nothing_private(
    endpoint: WebhookEndpoint, rebound: list[str]
) -> None:
    port = urlsplit(endpoint.url).port
    url = f"https://receiver.example:{port}/hook"
    async with a_receiver(PRODUCTION, ["8.8.8.8"], rebound) as receiver:
        await receiver.check_url(url)
        assert await send(receiver, url) == WebhookResponse(problem=WebhookProblem.ADDRESS)
    assert endpoint.most_open == 0


async def test_the_connection_goes_to_the_address_that_was_checked(endpoint: WebhookEndpoint) -> None:
    """The second question of a rebinding name would get another answer; there is no second question."""
    port = urlsplit(endpoint.url).port
    async with a_receiver(DEVELOPMENT, ["127.0.0.1"]) as receiver:
        assert (await send(receiver, f"http://receiver.example:{port}/hook")).status == 204
    assert endpoint.received[0].headers["host"] == f"receiver.example:{port}"


@pytest.mark.parametrize("url", ["https://127.0.0.1:{}/", "https://2130706433:{}/", "https://[::ffff:127.0.0.1]:{}/", "https://0177.1:{}/"])
async def test_an_address_that_was_stored_before_it_was_forbidden_is_not_connected(endpoint: WebhookEndpoint, url: str) -> None:
    async with a_receiver(PRODUCTION) as receiver:
        response = await send(receiver, url.format(urlsplit(endpoint.url).port))
    assert (response, endpoint.most_open) == (WebhookResponse(problem=WebhookProblem.ADDRESS), 0)


async def test_a_proxy_of_the_environment_is_not_used(endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with a_receiver() as receiver:
        assert (await send(receiver, endpoint.url)).status == 204
