"""What travels up and down, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from shared.contracts.identity import Role, Service
from tests.service.gateway.street import Asked, House, street
from tests.tokens import bearer


async def test_a_request_arrives_as_it_was_sent_and_the_answer_as_it_was_given() -> None:
    async with street() as here:
        target = "/doctors/4/schedules?from=2026-03-01T00%3A00%3A00%2B01%3A00&q=a%20b&q=|"
        headers = {"If-Match": '"3"', "Idempotency-Key": "k", "Content-Type": "application/json", "User-Agent": "app/1"}
        heard = await here.ask("PUT", target, headers, b'{"a": 1}')
        said = heard.json()
        assert (heard.status, said["method"], said["target"], said["body"]) == (200, "PUT", target, '{"a": 1}')
        arrived = dict(said["headers"])
        assert (
            arrived.items()
            >= {"if-match": '"3"', "idempotency-key": "k", "content-type": "application/json", "user-agent": "app/1"}.items()
        )
        assert arrived["x-request-id"] == heard.headers["x-request-id"]
        assert arrived["x-forwarded-for"] == "127.0.0.1"
        assert 0 < int(arrived["x-timeout-ms"]) <= 15_000


async def test_forged_headers_never_arrive() -> None:
    forged = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-User-Id": "1",
        "X-User-Role": "admin",
        "X-Timeout-Ms": "1",
        "X-Request-ID": "bad id\t",
        "traceparent": "nonsense",
        "X-HTTP-Method-Override": "DELETE",
        "X-Original-URL": "/internal",
        "Cookie": "a=b",
        "TE": "trailers",
        "Content-Encoding": "gzip",
    }
    async with street() as here:
        heard = await here.ask("GET", "/doctors", forged)
        assert heard.status == 200
        arrived = dict(heard.json()["headers"])
        assert set(arrived) == {"host", "x-timeout-ms", "x-request-id", "x-forwarded-for"}
        assert not set(arrived.values()) & {*forged.values(), "careslot.example"}


async def test_a_sane_request_id_and_trace_are_carried() -> None:
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    async with street() as here:
        heard = await here.ask("GET", "/doctors", {"X-Request-ID": "abc-1", "traceparent": trace})
        arrived = dict(heard.json()["headers"])
        assert (arrived["x-request-id"], arrived["traceparent"], heard.headers["x-request-id"]) == ("abc-1", trace, "abc-1")


async def test_what_a_service_says_of_itself_stays_inside() -> None:
    async def chatty(asked: Asked) -> None:
        noise = ["server: secret/1", "x-powered-by: php", "set-cookie: a=b", "x-request-id: other", "connection: keep-alive"]
        await asked.answer({}, 201, "location: /doctors/1", 'etag: "1"', "retry-after: 3", *noise)

    async with street() as here:
        here[Service.DOCTOR].behave = chatty
        heard = await here.ask("GET", "/doctors")
        assert (heard.status, heard.headers["location"], heard.headers["etag"], heard.headers["retry-after"]) == (
            201,
            "/doctors/1",
            '"1"',
            "3",
        )
        assert not {"server", "x-powered-by", "set-cookie"} & set(heard.headers)
        assert heard.headers["x-content-type-options"] == "nosniff"


async def test_a_refusal_of_a_service_arrives_unchanged() -> None:
    async def refuses(asked: Asked) -> None:
        await asked.answer({"code": "slot_taken", "alternatives": [1]}, 409)

    async with street() as here:
        here[Service.DOCTOR].behave = refuses
        heard = await here.ask("GET", "/doctors")
        assert (heard.status, heard.json()) == (409, {"code": "slot_taken", "alternatives": [1]})


async def test_an_answer_is_streamed_as_it_comes() -> None:
    go = asyncio.Event()

    async def slowly(asked: Asked) -> None:
        await asked.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go.wait()
        await asked.say(b"6\r\nsecond\r\n0\r\n\r\n")

    async with street() as here:
        here[Service.DOCTOR].behave = slowly
        client = await here.connect()
        await client.head("GET /doctors HTTP/1.1", {"host": "x"})
        assert b"first" in await client.reader.readuntil(b"first")
        go.set()
        assert b"second" in await client.reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_streamed_up_as_it_comes(chunked: bool) -> None:
    first = asyncio.Event()

    async def reads(asked: Asked) -> None:
        assert asked.header("transfer-encoding" if chunked else "content-length")
        asked.body = await asked.reader.readuntil(b"one")
        first.set()
        asked.body += await asked.reader.readuntil(b"two")
        if chunked:
            await asked.reader.readuntil(b"0\r\n\r\n")
        await asked.answer({"got": asked.body.decode()})

    async with street() as here:
        here[Service.DOCTOR].behave = reads
        client = await here.connect()
        framing = {"transfer-encoding": "chunked"} if chunked else {"content-length": "6"}
        await client.head("POST /doctors HTTP/1.1", {"host": "x"} | framing, b"3\r\none\r\n" if chunked else b"one")
        async with asyncio.timeout(5):
            await first.wait()
        await client.write(b"3\r\ntwo\r\n0\r\n\r\n" if chunked else b"two")
        heard = await client.hear()
        assert heard.status == 200
        assert heard.json()["got"].replace("\r\n3\r\n", "").removeprefix("3\r\n") == "onetwo"


async def test_a_large_answer_arrives_whole_and_a_connection_is_used_again() -> None:
    content = bytes(range(256)) * 8192

    async def large(asked: Asked) -> None:
        await asked.answer(content)

    async with street() as here:
        here[Service.DOCTOR].behave = large
        for _ in range(3):
            assert (await here.ask("GET", "/doctors")).body == content
        assert here[Service.DOCTOR].connections == 1


@pytest.mark.parametrize(
    ("method", "status", "extra"), [("HEAD", 200, "content-length: 5\r\n"), ("GET", 204, ""), ("GET", 304, 'etag: "1"\r\n')]
)
async def test_an_answer_without_a_body_ends_where_it_should(method: str, status: int, extra: str) -> None:
    async def bodiless(asked: Asked) -> None:
        await asked.say(f"HTTP/1.1 {status} X\r\n{extra}\r\n".encode())

    async with street() as here:
        here[Service.DOCTOR].behave = bodiless
        client = await here.connect()
        await client.head(f"{method} /doctors HTTP/1.1", {"host": "x"})
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert f" {status} ".encode() in head
        here[Service.DOCTOR].behave = House().behave
        await client.head("GET /doctors HTTP/1.1", {"host": "x"})
        assert (await client.hear()).status == 200


async def test_an_interim_answer_is_passed_over() -> None:
    async def hints(asked: Asked) -> None:
        await asked.say(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        await asked.answer({"real": True})

    async with street() as here:
        here[Service.DOCTOR].behave = hints
        heard = await here.ask("GET", "/doctors")
        assert (heard.status, heard.json(), "link" in heard.headers) == (200, {"real": True}, False)


async def test_two_requests_on_one_connection_do_not_mix() -> None:
    async with street() as here:
        client = await here.connect()
        for number in range(5):
            body = b"x" * number
            await client.head(f"POST /doctors/{number} HTTP/1.1", {"host": "x", "content-length": str(number)}, body)
            said = (await client.hear()).json()
            assert (said["target"], said["body"]) == (f"/doctors/{number}", body.decode())


async def test_a_sound_token_is_forwarded_and_a_bad_one_is_refused_at_the_door() -> None:
    async with street() as here:
        sound = bearer(Role.PATIENT)
        heard = await here.ask("GET", "/doctors", sound)
        assert dict(heard.json()["headers"])["authorization"] == sound["Authorization"]
        for bad in ("Bearer x.y.z", "Bearer", "Basic YTpi", "bearer  ", sound["Authorization"][:-4] + "AAAA", ""):
            refused = await here.ask("GET", "/doctors", {"Authorization": bad})
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer"), bad
            assert refused.headers["content-type"] == "application/problem+json"
        assert len(here[Service.DOCTOR].asked) == 1


async def test_the_token_endpoint_sees_what_it_was_sent() -> None:
    async with street() as here:
        heard = await here.ask("POST", "/auth/token", {"Authorization": "Basic Og=="}, b"grant_type=password")
        assert dict(heard.json()["headers"])["authorization"] == "Basic Og=="


async def test_keys_that_cannot_be_had_are_503_not_401() -> None:
    async def broken(asked: Asked) -> None:
        asked.writer.close()

    async with street() as here:
        here[Service.AUTH].behave = broken
        heard = await here.ask("GET", "/doctors", bearer(Role.PATIENT))
        assert heard.status == 503
        assert "retry-after" in heard.headers


async def test_a_web_client_that_is_known_may_read_and_another_may_not() -> None:
    async with street(cors_origins="https://app.example, https://other.example/") as here:
        known, strange = {"Origin": "https://app.example"}, {"Origin": "https://evil.example"}
        heard = await here.ask("GET", "/doctors", known)
        assert (heard.headers["access-control-allow-origin"], heard.headers["vary"]) == ("https://app.example", "Origin")
        assert "ETag" in heard.headers["access-control-expose-headers"]
        assert "access-control-allow-origin" not in (await here.ask("GET", "/doctors", strange)).headers
        asks = {"Access-Control-Request-Method": "PATCH"}
        preflight = await here.ask("OPTIONS", "/doctors", known | asks)
        assert preflight.status == 204
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert "access-control-allow-methods" not in (await here.ask("OPTIONS", "/doctors", strange | asks)).headers
