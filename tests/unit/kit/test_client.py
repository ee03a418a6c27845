"""Calls to a neighbour: tokens, deadlines, balancing, and refusals that arrive as they left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.contracts.identity import Service
from shared.contracts.refusals import Conflict, NotFound, Unavailable
from shared.contracts.values import ReadModel
from shared.kit.breaker import FAILURES, Breaker
from shared.kit.client import ServiceClient, ServiceToken
from shared.kit.clock import MovableClock
from shared.kit.deadlines import deadline
from shared.kit.logs import request_id, traceparent

Asked = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]
PROBLEM = {"content-type": "application/problem+json"}
ONE, TWO = "http://one", "http://two"


class Thing(ReadModel):
    name: str


class Wire(httpx.AsyncBaseTransport):
    """Answers, or does not; remembers who was asked."""

    def __init__(self, answer: Asked) -> None:
        self.answer, self.asked = answer, list[httpx.Request]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answer(request)
        return answer if isinstance(answer, httpx.Response) else await answer

    @property
    def hosts(self) -> list[str]:
        return [request.url.host for request in self.asked]


def neighbour(answer: Asked, *urls: str, token: Any = None) -> tuple[ServiceClient, Wire]:
    wire = Wire(answer)
    return ServiceClient(Service.DOCTOR, urls or (ONE,), httpx.AsyncClient(transport=wire, timeout=None), token), wire


def ok(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"name": "a"})


def dead(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("reset", request=request)


async def silent(_request: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


def only_two(request: httpx.Request) -> httpx.Response:
    return ok(request) if request.url.host == "two" else dead(request)


async def test_a_problem_arrives_as_the_refusal_it_was() -> None:
    body = {"code": "slot_taken", "title": "Slot taken", "detail": "The time is taken.", "alternatives": [1]}
    here, _ = neighbour(lambda _: httpx.Response(409, json=body, headers=PROBLEM))
    with pytest.raises(Conflict) as refused:
        await here.call("PUT", "/x")
    assert (refused.value.code, refused.value.facts) == ("slot_taken", {"alternatives": [1]})


async def test_find_knows_absence_from_silence() -> None:
    nothing, _ = neighbour(lambda _: httpx.Response(404, json={"code": "not_found"}, headers=PROBLEM))
    assert await nothing.get_or_none("/x", Thing) is None
    with pytest.raises(NotFound):
        await nothing.get("/x", Thing)
    down, _ = neighbour(dead)
    with pytest.raises(Unavailable):
        await down.get_or_none("/x", Thing)


STRANGE = {
    "a bare 500": httpx.Response(500),
    "a bare 401": httpx.Response(401),
    "a refused service token": httpx.Response(401, json={"code": "invalid_token"}, headers=PROBLEM),
    "a page of a proxy": httpx.Response(502, text="<html>"),
    "a problem that is no JSON": httpx.Response(409, text="<html>", headers=PROBLEM),
    "a success that is no JSON": httpx.Response(200, text="<html>"),
    "a redirect": httpx.Response(302, headers={"location": "http://elsewhere"}),
}


@pytest.mark.parametrize("name", STRANGE)
async def test_what_a_neighbour_should_not_say_is_no_answer(name: str) -> None:
    here, _ = neighbour(lambda _: STRANGE[name])
    with pytest.raises(Unavailable):
        await here.get("/x", Thing)


async def test_an_empty_answer_is_none() -> None:
    here, _ = neighbour(lambda _: httpx.Response(204))
    assert await here.call("DELETE", "/x") is None


async def test_what_is_none_is_not_sent_and_lists_are_repeated() -> None:
    here, wire = neighbour(ok)
    await here.call("GET", "/x", params={"a": None, "b": ["1", "2"], "c": 0})
    assert str(wire.asked[0].url) == "http://one/x?b=1&b=2&c=0"


async def test_the_request_and_its_trace_are_carried_on() -> None:
    here, wire = neighbour(ok)
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    one, two = request_id.set("r-1"), traceparent.set(trace)
    await here.call("GET", "/x")
    request_id.reset(one)
    traceparent.reset(two)
    headers = wire.asked[0].headers
    assert (headers["x-request-id"], headers["traceparent"]) == ("r-1", trace)


async def test_a_silent_neighbour_is_left_at_the_deadline() -> None:
    here, wire = neighbour(silent)
    until, started = deadline.set(time.monotonic() + 0.3), time.monotonic()
    with pytest.raises(Unavailable):
        await here.call("GET", "/x")
    deadline.reset(until)
    assert time.monotonic() - started < 1.0
    assert int(wire.asked[0].headers["x-timeout-ms"]) <= 300, "the next hop has less time than this one"


async def test_a_deadline_that_is_over_asks_briefly() -> None:
    here, _ = neighbour(silent)
    until, started = deadline.set(time.monotonic() - 5), time.monotonic()
    with pytest.raises(Unavailable):
        await here.call("GET", "/x")
    deadline.reset(until)
    assert time.monotonic() - started < 0.5


async def test_of_two_addresses_a_dead_one_does_not_show() -> None:
    here, wire = neighbour(only_two, ONE, TWO)
    for _ in range(20):
        assert await here.get("/x", Thing) == Thing(name="a")
    assert wire.hosts.count("one") == FAILURES, "then it is left alone"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_never_reached_anyone_may_be_sent_to_another(method: str) -> None:
    here, _ = neighbour(only_two, ONE, TWO)
    for _ in range(20):
        assert await here.call(method, "/x") == {"name": "a"}


@pytest.mark.parametrize(("method", "times"), [("POST", 1), ("PATCH", 1), ("GET", 2), ("PUT", 2), ("DELETE", 2)])
async def test_a_lost_answer_is_asked_for_again_where_that_is_harmless(method: str, times: int) -> None:
    here, wire = neighbour(lost)
    with pytest.raises(Unavailable):
        await here.call(method, "/x")
    assert len(wire.asked) == times


async def test_a_neighbour_that_fails_again_and_again_is_left_alone() -> None:
    here, wire = neighbour(dead)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await here.call("GET", "/x")
    assert len(wire.asked) == FAILURES


async def test_a_refusal_is_no_failure() -> None:
    here, wire = neighbour(lambda _: httpx.Response(503, json={"code": "busy"}, headers=PROBLEM))
    for _ in range(20):
        with pytest.raises(Unavailable):
            await here.call("GET", "/x")
    assert len(wire.asked) == 20


async def test_calls_are_spread_over_the_addresses() -> None:
    here, wire = neighbour(ok, ONE, TWO)
    await asyncio.gather(*(here.call("GET", "/x") for _ in range(10)))
    assert (wire.hosts.count("one"), wire.hosts.count("two")) == (5, 5)


def test_a_breaker_lets_one_call_try_after_its_rest() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(FAILURES):
        assert breaker.admit()
        breaker.record_failure()
    assert not breaker.admit()
    now = 2.0
    assert [breaker.admit(), breaker.admit()] == [True, False]
    breaker.record_failure()
    assert not breaker.admit()
    now = 4.0
    assert breaker.admit()
    breaker.record_success()
    assert [breaker.admit(), breaker.admit()] == [True, True]


class Issuer:
    """Hands out numbered tokens."""

    def __init__(self, clock: MovableClock) -> None:
        self.tokens = 0
        self.auth, self.wire = neighbour(self._answer)
        self.token = ServiceToken(self.auth, "admin-service", "s3cret", clock)

    def _answer(self, _request: httpx.Request) -> httpx.Response:
        self.tokens += 1
        return httpx.Response(200, json={"access_token": f"t{self.tokens}", "expires_in": 600})


async def test_a_token_is_fetched_once_and_renewed_before_it_ends() -> None:
    clock = MovableClock(running=False)
    issuer = Issuer(clock)
    here, wire = neighbour(ok, token=issuer.token)
    await asyncio.gather(*(here.call("GET", "/x") for _ in range(10)))
    assert {request.headers["authorization"] for request in wire.asked} == {"Bearer t1"}
    assert issuer.wire.asked[0].content == b"grant_type=client_credentials&client_id=admin-service&client_secret=s3cret"
    for minutes, expected in ((8, "Bearer t1"), (1, "Bearer t2"), (-60, "Bearer t3")):
        clock.advance(timedelta(minutes=minutes))
        await here.call("GET", "/x")
        assert wire.asked[-1].headers["authorization"] == expected


async def test_a_token_that_is_refused_is_not_kept() -> None:
    issuer = Issuer(MovableClock(running=False))

    def strict(request: httpx.Request) -> httpx.Response:
        return ok(request) if request.headers["authorization"] == "Bearer t2" else httpx.Response(401, json={}, headers=PROBLEM)

    here, _ = neighbour(strict, token=issuer.token)
    with pytest.raises(Unavailable):
        await here.call("GET", "/x")
    assert await here.call("GET", "/x") == {"name": "a"}


async def test_without_a_token_nothing_is_asked() -> None:
    auth, _ = neighbour(dead)
    here, wire = neighbour(ok, token=ServiceToken(auth, "admin-service", "s3cret", MovableClock()))
    with pytest.raises(Unavailable):
        await here.call("GET", "/x")
    assert wire.asked == []
