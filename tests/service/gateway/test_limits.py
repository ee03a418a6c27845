"""What the door does not take, and what it does when somebody goes away."""

from __future__ import annotations

import asyncio

import pytest

from shared.contracts.identity import Role, Service
from tests.service.gateway.street import Asked, Heard, House, echo, street
from tests.tokens import bearer

LARGEST = 64 * 1024


def code_of(heard: Heard) -> tuple[int, str]:
    assert heard.headers["content-type"] == "application/problem+json", heard
    said = heard.json()
    assert said["status"] == heard.status
    assert said["request_id"] == heard.headers["x-request-id"]
    return heard.status, said["code"]


TRICKS = [
    "/internal",
    "/internal/accounts/1",
    "/Internal/accounts",
    "/INTERNAL",
    "//internal/accounts",
    "/./internal/accounts",
    "/auth/../internal/accounts",
    "/auth/..%2finternal/accounts",
    "/auth/%2e%2e/internal/accounts",
    "/auth/%2E%2E%2Finternal",
    "/auth/.%2e/internal",
    "/auth/%252e%252e/internal",
    "/%69nternal/accounts",
    "/auth//internal",
    "/auth/..;/internal/accounts",
    "/auth;/../internal/accounts",
    "/auth/..\\internal",
    "/auth/%5c..%5cinternal",
    "/auth/login/../../internal/accounts",
    "/auth/%00/../internal",
    "/auth/%ef%bc%8e%ef%bc%8e/internal",
    "/auth/",
    "/auth/login/",
    "/livez/",
    "/metrics",
    "/metrics/",
    "http://auth-service:8001/internal/accounts",
    "http://auth-service:8001/auth/../internal",
    "/doctors/../internal/doctors",
    "/doctors/%2e%2e/livez",
    "/patients/..%2fmetrics",
]


async def test_internal_is_unreachable_by_every_trick() -> None:
    async with street() as here:
        for target in TRICKS:
            heard = await here.ask("GET", target, bearer(Role.SERVICE, "admin-service"))
            assert code_of(heard) == (404, "not_found"), target
        seen = [asked.target for house in here.houses.values() for asked in house.asked if asked.header("x-forwarded-for")]
        assert seen == []


async def test_what_a_path_is_called_elsewhere_does_not_change_where_it_goes() -> None:
    elsewhere = {"X-Original-URL": "/internal", "X-Rewrite-URL": "/internal", "Host": "auth-service:8001"}
    async with street() as here:
        heard = await here.ask("GET", "/doctors?x=/../internal", elsewhere)
        assert heard.json()["target"] == "/doctors?x=/../internal"


async def test_an_absolute_target_is_read_as_its_path() -> None:
    async with street() as here:
        assert (await here.ask("GET", "http://elsewhere.example/doctors?a=b")).json()["target"] == "/doctors?a=b"


async def test_limits_of_the_head() -> None:
    async with street() as here:
        assert code_of(await here.ask("GET", "/doctors?q=" + "x" * 4096)) == (414, "url_too_long")
        assert code_of(await here.ask("GET", "/doctors", {f"x-{number}": "1" for number in range(64)})) == (431, "headers_too_large")
        assert code_of(await here.ask("GET", "/doctors", {"x-large": "x" * 16_400})) == (431, "headers_too_large")
        assert code_of(await here.ask("GET", "/status?" + "x" * 4096)) == (414, "url_too_long")
        assert (await here.ask("GET", "/doctors?q=" + "x" * 4000, {f"x-{number}": "1" for number in range(60)})).status == 200
        assert code_of(await here.ask("TRACE", "/doctors")) == (405, "method_not_allowed")
        assert code_of(await here.ask("TRACE", "/internal")) == (404, "not_found")


async def test_what_can_be_read_in_two_ways_is_refused() -> None:
    async with street() as here:
        client = await here.connect()
        await client.write(b"GET /doctors HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n")
        assert code_of(await client.hear()) == (400, "malformed_request")
        for framing in (
            b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
            b"transfer-encoding: identity\r\n\r\n",
            b"content-length: +1\r\n\r\na",
        ):
            client = await here.connect()
            await client.write(b"POST /doctors HTTP/1.1\r\nhost: x\r\n" + framing)
            assert (await client.hear()).status == 400
        assert here[Service.DOCTOR].asked == []


async def test_a_body_is_at_most_64_kib() -> None:
    async with street() as here:
        assert len((await here.ask("POST", "/doctors", body=b"x" * LARGEST)).json()["body"]) == LARGEST
        assert code_of(await here.ask("POST", "/doctors", body=b"x" * (LARGEST + 1))) == (413, "body_too_large")
        assert code_of(await here.ask("POST", "/doctors", {"authorization": "Bearer x"}, b"x" * 70_000))[0] == 401
        assert len(here[Service.DOCTOR].asked) == 1


async def test_a_body_that_does_not_say_how_long_it_is_is_counted() -> None:
    async with street() as here:
        client = await here.connect()
        await client.head("POST /doctors HTTP/1.1", {"host": "x", "transfer-encoding": "chunked"})
        for _ in range(5):
            await client.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        await client.write(b"0\r\n\r\n")
        assert code_of(await client.hear()) == (413, "body_too_large")
        assert (await here.ask("GET", "/doctors")).status == 200


async def test_a_client_that_asks_first_is_told_before_it_sends() -> None:
    async with street() as here:
        client = await here.connect()
        await client.head("POST /doctors HTTP/1.1", {"host": "x", "content-length": "99999", "expect": "100-continue"})
        assert code_of(await client.hear()) == (413, "body_too_large")
        assert await client.ended()


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with street(body_seconds=0.1) as here:
        for framing in ({"content-length": "10"}, {"transfer-encoding": "chunked"}):
            client = await here.connect()
            await client.head("POST /doctors HTTP/1.1", {"host": "x"} | framing, b"1\r\nx\r\n")
            heard = await client.hear()
            assert code_of(heard) == (408, "body_too_slow")
            assert await client.ended()
        assert (await here.ask("POST", "/doctors", body=b"{}")).status == 200


async def test_a_service_that_does_not_answer_in_time_is_503_and_the_others_answer() -> None:
    hang = asyncio.Event()

    async def hangs(asked: Asked) -> None:
        await hang.wait()

    async with street(deadline_seconds=0.2) as here:
        here[Service.DOCTOR].behave = hangs
        heard, other = await asyncio.gather(here.ask("GET", "/doctors"), here.ask("GET", "/patients/me"))
        assert code_of(heard) == (503, "upstream_timeout")
        assert "retry-after" in heard.headers
        assert other.status == 200
        hang.set()


async def test_nobody_at_home_is_503() -> None:
    async with street() as here:
        heard = await here.ask("GET", "/appointments")
        assert code_of(heard) == (503, "upstream_unavailable")
        assert "retry-after" in heard.headers


async def test_a_full_service_refuses_and_the_others_answer() -> None:
    hang = asyncio.Event()

    async def hangs(asked: Asked) -> None:
        await hang.wait()
        await asked.answer({})

    async with street(in_flight=2) as here:
        here[Service.DOCTOR].behave = hangs
        waiting = [asyncio.create_task(here.ask("GET", "/doctors")) for _ in range(2)]
        await until(lambda: len(here[Service.DOCTOR].asked) == 2)
        assert code_of(await here.ask("GET", "/doctors")) == (503, "upstream_busy")
        assert (await here.ask("GET", "/patients/me")).status == 200
        hang.set()
        assert [heard.status for heard in await asyncio.gather(*waiting)] == [200, 200]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_instance_that_is_not_there_is_passed_over_and_then_left_alone(method: str) -> None:
    second = House()
    async with street(second) as here:
        first = here[Service.DOCTOR]
        assert {(await here.ask("GET", "/doctors")).status for _ in range(4)} == {200}
        assert first.asked
        assert second.asked
        await first.close()
        before = len(second.asked)
        for _ in range(20):
            heard = await here.ask(method, "/doctors", body=b"{}" if method == "POST" else b"")
            assert heard.status == 200, heard.body
        assert len(second.asked) == before + 20


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    async with street() as here:
        house = here[Service.DOCTOR]
        assert (await here.ask("GET", "/doctors")).status == 200
        house.writers[-1].close()
        assert (await here.ask("GET", "/doctors")).status == 200
        assert house.connections == 2


async def hangs_up(asked: Asked) -> None:
    await asked.read()
    asked.writer.transport.abort()


async def answers_twice(asked: Asked) -> None:
    await asked.answer({"ours": asked.target})
    await asked.answer({"ours": False})


async def babbles(asked: Asked) -> None:
    await asked.say(b"220 mail ready\r\n\r\n")


async def without_end(asked: Asked) -> None:
    await asked.say(b"HTTP/1.1 200 OK\r\n\r\nto be continued")
    asked.writer.close()


async def upgrades(asked: Asked) -> None:
    await asked.say(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")


async def endless_head(asked: Asked) -> None:
    await asked.say(b"HTTP/1.1 200 OK\r\n" + b"x: %b\r\n" % (b"x" * 1000) * 200)


async def contradicts(asked: Asked) -> None:
    await asked.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 4\r\n\r\nabcd")


async def two_framings(asked: Asked) -> None:
    await asked.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")


@pytest.mark.parametrize("behave", [hangs_up, babbles, without_end, upgrades, endless_head, contradicts, two_framings])
async def test_what_is_no_answer_is_503(behave: object) -> None:
    async with street() as here:
        here[Service.DOCTOR].behave = behave  # type: ignore[assignment]
        assert code_of(await here.ask("POST", "/doctors", body=b"{}")) == (503, "upstream_lost")
        assert len([asked for asked in here[Service.DOCTOR].asked if asked.method == "POST"]) == 1
        here[Service.DOCTOR].behave = echo
        assert (await here.ask("GET", "/doctors")).json()["target"] == "/doctors"


async def test_an_answer_nobody_asked_for_is_given_to_nobody() -> None:
    async with street() as here:
        here[Service.DOCTOR].behave = answers_twice
        for number in range(6):
            heard = await here.ask("GET", f"/doctors/{number}")
            assert heard.json() == {"ours": f"/doctors/{number}"}


@pytest.mark.parametrize("head", [b"content-length: 100", b"transfer-encoding: chunked"])
async def test_an_answer_that_breaks_off_is_never_taken_for_whole(head: bytes) -> None:
    async def breaks_off(asked: Asked) -> None:
        await asked.say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n3\r\nabc\r\n")
        asked.writer.close()

    async with street() as here:
        here[Service.DOCTOR].behave = breaks_off
        client = await here.connect()
        await client.head("GET /doctors HTTP/1.1", {"host": "x"})
        heard = await client.hear()
        assert (heard.status, heard.whole) == (200, False)
        assert await client.ended()


async def test_a_client_that_hangs_up_ends_the_call_to_the_service() -> None:
    async def hangs(asked: Asked) -> None:
        await asked.reader.readexactly(1)

    async with street() as here:
        house = here[Service.DOCTOR]
        house.behave = hangs
        client = await here.connect()
        await client.head("GET /doctors HTTP/1.1", {"host": "x"})
        await until(lambda: bool(house.asked))
        client.hang_up()
        async with asyncio.timeout(5):
            await house.gone.wait()


async def test_a_client_that_hangs_up_in_its_body_ends_the_call_to_the_service() -> None:
    async with street() as here:
        house = here[Service.DOCTOR]
        client = await here.connect()
        await client.head("POST /doctors HTTP/1.1", {"host": "x", "content-length": "10"}, b"abc")
        await until(lambda: bool(house.asked))
        client.hang_up()
        async with asyncio.timeout(5):
            await house.gone.wait()
        assert house.asked[0].body == b""


async def test_a_service_may_answer_before_it_has_read_everything() -> None:
    async def impatient(asked: Asked) -> None:
        await asked.answer({"code": "no"}, 403)

    async with street() as here:
        here[Service.DOCTOR].behave = impatient
        client = await here.connect()
        await client.head("POST /doctors HTTP/1.1", {"host": "x", "content-length": "10"}, b"abc")
        assert (await client.hear()).status == 403
        here[Service.DOCTOR].behave = echo
        assert (await here.ask("POST", "/doctors", body=b"{}")).json()["body"] == "{}"


async def test_a_service_that_went_away_and_came_back_is_found_again() -> None:
    async with street() as here:
        house = here[Service.PATIENT]
        await house.close()
        assert (await here.ask("GET", "/patients/me")).status == 503
        async with house.open():
            assert (await here.ask("GET", "/patients/me")).status == 200


async def until(true: object) -> None:
    """Waits for something that another task will do."""
    assert callable(true)
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
