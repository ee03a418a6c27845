"""Sending to receivers of webhooks over real sockets: slow, hanging, broken and hostile ones."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from notify_svc.clients.host_lookups import MAX_LOOKUPS_PER_WEBHOOK, FindAddresses, HostLookups, LookupTookTooLong, find_addresses
from notify_svc.clients.webhook_answers import MAX_ANSWER_BYTES, MAX_RECEIVED_BYTES
from notify_svc.clients.webhook_http import HttpWebhookReceiver
from notify_svc.domain.webhook_addresses import AddressPolicy
from notify_svc.domain.webhook_deliveries import WebhookProblem, WebhookResponse
from notify_svc.domain.webhook_refusals import AddressNotAllowed
from notify_svc.ports.webhooks import SignedDelivery
from tests.running import NOON
from tests.service.notify.webhook_endpoint import WebhookEndpoint, answer, webhook_endpoint

DEVELOPMENT, PRODUCTION = AddressPolicy(allows_private=True), AddressPolicy()


def a_receiver(policy: AddressPolicy = DEVELOPMENT, *addresses: list[str], deadline_seconds: float = 5.0) -> HttpWebhookReceiver:
    """Return a receiver for which a host has the first of these lists of addresses at the first question, and so on."""
    left = list(addresses)
    return receiver_with(lambda _host: left.pop(0) if addresses else find_addresses(_host), policy, deadline_seconds)


def receiver_with(find: FindAddresses, policy: AddressPolicy = DEVELOPMENT, deadline_seconds: float = 5.0) -> HttpWebhookReceiver:
    """Return a receiver that finds hosts with a function."""
    return HttpWebhookReceiver(policy, lambda: NOON, HostLookups(find), ssl.create_default_context(), deadline_seconds)


@pytest.fixture
async def endpoint() -> AsyncIterator[WebhookEndpoint]:
    async with webhook_endpoint() as running:
        yield running


async def send(receiver: HttpWebhookReceiver, url: str, webhook_id: int = 1) -> WebhookResponse:
    return await receiver.send(SignedDelivery(url, {"webhook-id": "1"}, '{"a":"é"}', UUID(int=webhook_id)))


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
    receiver = a_receiver()
    assert await send(receiver, endpoint.url) == WebhookResponse(200, "fine")
    await send(receiver, endpoint.url)
    first, second = endpoint.received
    assert (first.path, first.body, first.headers["webhook-id"]) == ("/hook", '{"a":"é"}', "1")
    assert first.headers["content-type"] == "application/json"
    assert first.headers["host"] == urlsplit(endpoint.url).netloc
    assert "cookie" not in second.headers


async def test_a_redirect_is_not_followed(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = answer(307, Location=endpoint.url)
    receiver = a_receiver()
    response = await send(receiver, endpoint.url)
    assert (response.status, response.is_success, len(endpoint.received)) == (307, False, 1)


@pytest.mark.parametrize("status", [410, 429, 503])
async def test_status_and_retry_after_are_returned(endpoint: WebhookEndpoint, status: int) -> None:
    endpoint.usual_answer = answer(status, "later", Retry_After="90")
    receiver = a_receiver()
    assert await send(receiver, endpoint.url) == WebhookResponse(status, "later", retry_after=NOON + timedelta(seconds=90))


async def test_a_receiver_that_does_not_answer_in_time_is_given_up(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = hang
    async with asyncio.timeout(3):
        assert await send(a_receiver(deadline_seconds=0.3), endpoint.url) == WebhookResponse(problem=WebhookProblem.TIMEOUT)


async def test_headers_that_do_not_end_do_not_undo_the_status(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = drip_headers
    async with asyncio.timeout(3):
        assert await send(a_receiver(deadline_seconds=0.3), endpoint.url) == WebhookResponse(200)


@pytest.mark.parametrize(
    "rest",
    [
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "Content-Length: 2\r\n\r\nok and more",
        "Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "Content-Length: many\r\n\r\n",
        "no header\r\n\r\n",
        "X: " + "y" * 100_000,
        "Retry-After: Mon, 01 Jan 99999999999 00:00:00 GMT\r\n\r\n",
        "Retry-After: \u00b2\r\n\r\n",
        "Content-Length: 9\r\n\r\ncut",
        "",
    ],
)
@pytest.mark.parametrize("status", [200, 410])
async def test_whatever_follows_a_status_does_not_undo_it(endpoint: WebhookEndpoint, status: int, rest: str) -> None:
    endpoint.usual_answer = f"HTTP/1.1 {status} Status\r\n{rest}".encode()
    response = await send(a_receiver(), endpoint.url)
    assert (response.status, response.problem, response.retry_after) == (status, None, None)


async def test_provisional_answers_are_skipped_and_an_answer_after_the_first_is_not_read(endpoint: WebhookEndpoint) -> None:
    hint, answers = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n", answer(200, "first") + answer(410, "second", Retry_After="9")
    endpoint.usual_answer = hint * 3 + answers
    assert await send(a_receiver(), endpoint.url) == WebhookResponse(200, "first")


@pytest.mark.parametrize("status_line", [b"HTTP/1.1 204\r\n\r\n", b"HTTP/1.0 204 \r\n\r\n"])
async def test_a_status_line_without_a_reason_is_read(endpoint: WebhookEndpoint, status_line: bytes) -> None:
    endpoint.usual_answer = status_line
    assert (await send(a_receiver(), endpoint.url)).status == 204


@asynccontextmanager
async def flooding(part: bytes) -> AsyncIterator[str]:
    """Run a server in a thread that answers with one part again and again, for five seconds or until the connection is closed."""
    listener, ends_at = socket.create_server(("127.0.0.1", 0)), time.monotonic() + 5

    def answer_one() -> None:
        with listener, listener.accept()[0] as connection, suppress(OSError):
            connection.settimeout(5)
            connection.recv(65536)
            while time.monotonic() < ends_at:
                connection.sendall(part)

    thread = threading.Thread(target=answer_one)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        await asyncio.to_thread(thread.join)


async def measure_longest_stall(seconds: list[float]) -> None:
    """Append how much later than intended the event loop came back, again and again."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.01)
        seconds.append(time.monotonic() - before - 0.01)


async def test_endless_provisional_answers_stop_neither_the_process_nor_the_delivery() -> None:
    stalls = [0.0]
    measuring = asyncio.create_task(measure_longest_stall(stalls))
    async with flooding(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000) as url:
        started_at = time.monotonic()
        assert await send(a_receiver(), url) == WebhookResponse(problem=WebhookProblem.NOT_CONNECTED)
        assert time.monotonic() - started_at < 3
    measuring.cancel()
    assert max(stalls) < 1
    assert MAX_RECEIVED_BYTES == 64 * 1024


async def test_a_body_that_does_not_end_does_not_undo_the_status(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = begin_and_hang
    receiver = a_receiver(deadline_seconds=0.5)
    async with asyncio.timeout(3):
        assert await send(receiver, endpoint.url) == WebhookResponse(201, "beg")


async def test_of_a_gigabyte_16_kibibytes_are_read(endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = flood
    receiver = a_receiver()
    async with asyncio.timeout(4):
        response = await send(receiver, endpoint.url)
    assert (response.status, response.text) == (200, "x" * 500)
    assert MAX_ANSWER_BYTES == 16 * 1024


async def test_a_broken_connection_or_answer_is_a_failed_attempt(endpoint: WebhookEndpoint) -> None:
    receiver = a_receiver()
    for behaviour in (close, b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"\0" * 100_000):
        endpoint.usual_answer = behaviour
        assert (await send(receiver, endpoint.url)).problem is WebhookProblem.NOT_CONNECTED
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert (await send(receiver, f"http://127.0.0.1:{unused.getsockname()[1]}/")).problem is WebhookProblem.NOT_CONNECTED


async def test_a_name_that_leads_to_a_private_address_is_refused_at_saving() -> None:
    receiver = a_receiver(PRODUCTION, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AddressNotAllowed):
        await receiver.check_url("https://receiver.example/")


async def test_a_name_that_is_not_found_can_be_saved() -> None:
    def find(_host: str) -> list[str]:
        raise socket.gaierror

    receiver = receiver_with(find, PRODUCTION)
    await receiver.check_url("https://receiver.example/")
    assert (await send(receiver, "https://receiver.example/")).problem is WebhookProblem.NOT_CONNECTED


@pytest.mark.parametrize("rebound", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["::1"], ["169.254.169.254"]])
async def test_a_name_that_changed_its_address_since_it_was_saved_reaches_nothing_private(
    endpoint: WebhookEndpoint, rebound: list[str]
) -> None:
    port = urlsplit(endpoint.url).port
    url = f"https://receiver.example:{port}/hook"
    receiver = a_receiver(PRODUCTION, ["8.8.8.8"], rebound)
    await receiver.check_url(url)
    assert await send(receiver, url) == WebhookResponse(problem=WebhookProblem.ADDRESS)
    assert endpoint.most_open == 0


async def test_the_connection_goes_to_the_address_that_was_checked(endpoint: WebhookEndpoint) -> None:
    """The second question of a rebinding name would get another answer; there is no second question."""
    port = urlsplit(endpoint.url).port
    receiver = a_receiver(DEVELOPMENT, ["127.0.0.1"])
    assert (await send(receiver, f"http://receiver.example:{port}/hook")).status == 204
    assert endpoint.received[0].headers["host"] == f"receiver.example:{port}"


@pytest.mark.parametrize("url", ["https://127.0.0.1:{}/", "https://2130706433:{}/", "https://[::ffff:127.0.0.1]:{}/", "https://0177.1:{}/"])
async def test_an_address_that_was_stored_before_it_was_forbidden_is_not_connected(endpoint: WebhookEndpoint, url: str) -> None:
    receiver = a_receiver(PRODUCTION)
    response = await send(receiver, url.format(urlsplit(endpoint.url).port))
    assert (response, endpoint.most_open) == (WebhookResponse(problem=WebhookProblem.ADDRESS), 0)


async def test_a_proxy_of_the_environment_is_not_used(endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    receiver = a_receiver()
    assert (await send(receiver, endpoint.url)).status == 204


async def test_hosts_whose_name_servers_hang_delay_no_other_webhook_and_nothing_else(endpoint: WebhookEndpoint) -> None:
    """As many threads are taken as their webhooks may take, and the threads of other lookups in this process stay free."""
    may_end, asked = threading.Event(), list[str]()

    def find(host: str) -> list[str]:
        asked.append(host)
        if host.endswith("slow.example"):
            may_end.wait()
        return ["127.0.0.1"]

    receiver, port = receiver_with(find, deadline_seconds=1.0), urlsplit(endpoint.url).port
    slow = [f"http://{number}.slow.example:{port}/" for number in range(20)]
    sending = [asyncio.create_task(send(receiver, url, webhook_id=number % 2)) for number, url in enumerate(slow * 2)]
    try:
        async with asyncio.timeout(5):
            assert (await send(receiver, f"http://good.example:{port}/", webhook_id=3)).status == 204
            await asyncio.get_running_loop().getaddrinfo("localhost", 25)
            responses = await asyncio.gather(*sending)
        assert {response.problem for response in responses} <= {WebhookProblem.DNS_TIMEOUT, WebhookProblem.TIMEOUT}
        assert len(asked) == 2 * MAX_LOOKUPS_PER_WEBHOOK + 1
    finally:
        may_end.set()


async def test_a_host_that_hangs_is_not_looked_up_again_while_it_hangs_and_is_usable_when_it_is_found(endpoint: WebhookEndpoint) -> None:
    may_end, asked = threading.Event(), list[str]()

    def find(host: str) -> list[str]:
        asked.append(host)
        may_end.wait()
        return ["127.0.0.1"]

    receiver, url = receiver_with(find, deadline_seconds=20), f"http://slow.example:{urlsplit(endpoint.url).port}/"
    lookups, running = receiver.lookups, asyncio.get_running_loop().time()
    with pytest.raises(LookupTookTooLong):
        await lookups.find_addresses("slow.example", UUID(int=1), 0.05)
    with pytest.raises(LookupTookTooLong):
        await lookups.find_addresses("slow.example", UUID(int=2), 0.0)
    assert (len(asked), asyncio.get_running_loop().time() - running < 3) == (1, True)
    may_end.set()
    assert (await send(receiver, url)).status == 204


async def test_a_lookup_that_hangs_at_saving_lets_the_url_pass() -> None:
    may_end = threading.Event()
    receiver = receiver_with(lambda _host: [str(may_end.wait())], PRODUCTION)
    receiver = replace(receiver, resolving_seconds_at_saving=0.05)
    try:
        async with asyncio.timeout(2):
            await receiver.check_url("https://slow.example/")
    finally:
        may_end.set()


async def test_https_is_spoken_only_with_a_certificate_of_the_host(tmp_path: Path) -> None:
    identity = write_identity(tmp_path / "receiver.pem", "receiver.example")
    serving, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context(cafile=identity)
    serving.load_cert_chain(identity)
    endpoint = WebhookEndpoint()
    server = await asyncio.start_server(endpoint.handle, "127.0.0.1", 0, ssl=serving)
    port = server.sockets[0].getsockname()[1]
    receiver = receiver_with(lambda _host: ["127.0.0.1"])
    trusted = replace(receiver, tls=trusting)
    assert await send(trusted, f"https://receiver.example:{port}/") == WebhookResponse(204)
    for stranger, host in ((receiver, "receiver.example"), (trusted, "other.example")):
        assert await send(stranger, f"https://{host}:{port}/") == WebhookResponse(problem=WebhookProblem.NOT_CONNECTED)
    assert len(endpoint.received) == 1
    server.close()


def write_identity(path: Path, host: str) -> Path:
    """Write a key and a self-signed certificate of a host."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, SHA256())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM))
    return path


async def test_the_next_address_is_tried_when_one_does_not_accept(endpoint: WebhookEndpoint) -> None:
    receiver = a_receiver(DEVELOPMENT, ["127.0.0.2", "127.0.0.1"])
    assert (await send(receiver, f"http://receiver.example:{urlsplit(endpoint.url).port}/a b?c=d|e".replace(" ", "%20"))).status == 204
    assert endpoint.received[0].path == "/a%20b?c=d%7Ce"
