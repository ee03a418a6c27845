"""ServiceClient: tokens, deadlines, load balancing, retries, and problem responses as refusals."""

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
from shared.kit.breaker import MAX_FAILURES, Breaker
from shared.kit.client import MAX_CONCURRENT_CALLS, ServiceClient, ServiceToken
from shared.kit.clock import MovableClock
from shared.kit.deadlines import deadline
from shared.kit.logs import request_id, traceparent

Respond = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]
PROBLEM = {"content-type": "application/problem+json"}
URL_1, URL_2 = "http://one", "http://two"


class Resource(ReadModel):
    name: str


class RecordingTransport(httpx.AsyncBaseTransport):
    """Passes requests to a function, and remembers them."""

    def __init__(self, respond: Respond) -> None:
        self.respond, self.requests = respond, list[httpx.Request]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = self.respond(request)
        return response if isinstance(response, httpx.Response) else await response

    @property
    def hosts(self) -> list[str]:
        return [request.url.host for request in self.requests]


def client_of(respond: Respond, *urls: str, token: Any = None) -> tuple[ServiceClient, RecordingTransport]:
    transport = RecordingTransport(respond)
    return ServiceClient(Service.DOCTOR, urls or (URL_1,), httpx.AsyncClient(transport=transport, timeout=None), token), transport


def respond_with_200(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"name": "a"})


def refuse_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def lose_response(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("reset", request=request)


async def never_respond(_request: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


def respond_only_at_url_2(request: httpx.Request) -> httpx.Response:
    return respond_with_200(request) if request.url.host == "two" else refuse_connection(request)


async def test_a_problem_response_is_raised_as_the_refusal_it_describes() -> None:
    body = {"code": "slot_taken", "title": "Slot taken", "detail": "The time is taken.", "alternatives": [1]}
    client, _ = client_of(lambda _: httpx.Response(409, json=body, headers=PROBLEM))
    with pytest.raises(Conflict) as refused:
        await client.call("PUT", "/x")
    assert (refused.value.code, refused.value.facts) == ("slot_taken", {"alternatives": [1]})


async def test_get_or_none_returns_none_for_a_404_and_raises_for_an_unreachable_service() -> None:
    client_404, _ = client_of(lambda _: httpx.Response(404, json={"code": "not_found"}, headers=PROBLEM))
    assert await client_404.get_or_none("/x", Resource) is None
    with pytest.raises(NotFound):
        await client_404.get("/x", Resource)
    unreachable, _ = client_of(refuse_connection)
    with pytest.raises(Unavailable):
        await unreachable.get_or_none("/x", Resource)


UNUSABLE = {
    "a bare 500": httpx.Response(500),
    "a bare 401": httpx.Response(401),
    "a refused service token": httpx.Response(401, json={"code": "invalid_token"}, headers=PROBLEM),
    "a page of a proxy": httpx.Response(502, text="<html>"),
    "a problem that is not JSON": httpx.Response(409, text="<html>", headers=PROBLEM),
    "a success that is not JSON": httpx.Response(200, text="<html>"),
    "a redirect": httpx.Response(302, headers={"location": "http://elsewhere"}),
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_response_that_no_service_should_send_means_unavailable(name: str) -> None:
    client, _ = client_of(lambda _: UNUSABLE[name])
    with pytest.raises(Unavailable):
        await client.get("/x", Resource)


async def test_an_empty_response_is_none() -> None:
    client, _ = client_of(lambda _: httpx.Response(204))
    assert await client.call("DELETE", "/x") is None


async def test_parameters_that_are_none_are_left_out_and_lists_are_repeated() -> None:
    client, transport = client_of(respond_with_200)
    await client.call("GET", "/x", params={"a": None, "b": ["1", "2"], "c": 0})
    assert str(transport.requests[0].url) == "http://one/x?b=1&b=2&c=0"


async def test_request_id_and_trace_are_passed_on() -> None:
    client, transport = client_of(respond_with_200)
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    request_token, trace_token = request_id.set("r-1"), traceparent.set(trace)
    await client.call("GET", "/x")
    request_id.reset(request_token)
    traceparent.reset(trace_token)
    headers = transport.requests[0].headers
    assert (headers["x-request-id"], headers["traceparent"]) == ("r-1", trace)


async def test_a_service_that_does_not_answer_is_given_up_at_the_deadline() -> None:
    client, transport = client_of(never_respond)
    token, started = deadline.set(time.monotonic() + 0.3), time.monotonic()
    with pytest.raises(Unavailable):
        await client.call("GET", "/x")
    deadline.reset(token)
    assert time.monotonic() - started < 1.0
    assert int(transport.requests[0].headers["x-timeout-ms"]) <= 300, "the called service gets less time than this one has"


async def test_after_the_deadline_a_call_waits_only_briefly() -> None:
    client, _ = client_of(never_respond)
    token, started = deadline.set(time.monotonic() - 5), time.monotonic()
    with pytest.raises(Unavailable):
        await client.call("GET", "/x")
    deadline.reset(token)
    assert time.monotonic() - started < 0.5


async def test_an_unreachable_address_does_not_fail_calls_while_another_one_answers() -> None:
    client, transport = client_of(respond_only_at_url_2, URL_1, URL_2)
    for _ in range(20):
        assert await client.get("/x", Resource) == Resource(name="a")
    assert transport.hosts.count("one") == MAX_FAILURES, "its breaker is open by then"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_call_that_never_arrived_is_made_at_the_next_address(method: str) -> None:
    client, _ = client_of(respond_only_at_url_2, URL_1, URL_2)
    for _ in range(20):
        assert await client.call(method, "/x") == {"name": "a"}


@pytest.mark.parametrize(("method", "times"), [("POST", 1), ("PATCH", 1), ("GET", 2), ("PUT", 2), ("DELETE", 2)])
async def test_a_call_whose_response_was_lost_is_repeated_only_if_that_is_harmless(method: str, times: int) -> None:
    client, transport = client_of(lose_response)
    with pytest.raises(Unavailable):
        await client.call(method, "/x")
    assert len(transport.requests) == times


async def test_a_service_that_fails_again_and_again_is_not_called_for_a_while() -> None:
    client, transport = client_of(refuse_connection)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await client.call("GET", "/x")
    assert len(transport.requests) == MAX_FAILURES


async def test_a_refusal_does_not_count_as_a_failure() -> None:
    client, transport = client_of(lambda _: httpx.Response(503, json={"code": "busy"}, headers=PROBLEM))
    for _ in range(20):
        with pytest.raises(Unavailable):
            await client.call("GET", "/x")
    assert len(transport.requests) == 20


async def test_calls_are_spread_over_the_addresses() -> None:
    client, transport = client_of(respond_with_200, URL_1, URL_2)
    await asyncio.gather(*(client.call("GET", "/x") for _ in range(10)))
    assert (transport.hosts.count("one"), transport.hosts.count("two")) == (5, 5)


def test_an_open_breaker_admits_one_call_after_a_while() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(MAX_FAILURES):
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


def test_a_given_up_call_neither_opens_nor_closes_a_breaker_and_lets_the_next_one_try() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(MAX_FAILURES - 1):
        breaker.record_failure()
    for _ in range(MAX_FAILURES):
        assert breaker.admit()
        breaker.record_abandoned()
    breaker.record_failure()
    breaker.record_abandoned()
    assert not breaker.admit(), "only the call that tries the address lets another one try it"
    now = 2.0
    assert [breaker.admit(), breaker.admit()] == [True, False]
    breaker.record_abandoned()
    assert [breaker.admit(), breaker.admit()] == [True, False]
    breaker.record_failure()
    now = 3.9
    assert not breaker.admit()


class HeldService:
    """Answers once `may_respond` is set."""

    def __init__(self) -> None:
        self.may_respond = asyncio.Event()
        self.client, self.transport = client_of(self._respond)

    async def _respond(self, request: httpx.Request) -> httpx.Response:
        await self.may_respond.wait()
        return respond_with_200(request)

    async def start_calls(self, count: int, seconds: float | None = None) -> list[asyncio.Task[Any]]:
        """Start calls, each with a deadline after so many seconds, and let them proceed as far as they can."""

        async def call() -> Any:
            deadline.set(time.monotonic() + seconds if seconds else None)
            return await self.client.call("GET", "/x")

        tasks = [asyncio.create_task(call()) for _ in range(count)]
        for _ in range(10):
            await asyncio.sleep(0)
        return tasks


async def test_waiting_for_other_calls_of_this_service_is_no_failure_of_the_called_one() -> None:
    service = HeldService()
    running = await service.start_calls(MAX_CONCURRENT_CALLS)
    waiting = await service.start_calls(2 * MAX_FAILURES, seconds=0.05)
    refusals = await asyncio.gather(*waiting, return_exceptions=True)
    assert [(type(refusal), refusal.facts) for refusal in refusals if isinstance(refusal, Unavailable)] == [
        (Unavailable, {"retry_after": 1})
    ] * len(waiting)
    assert len(service.transport.requests) == MAX_CONCURRENT_CALLS
    service.may_respond.set()
    assert await asyncio.gather(*running) == [{"name": "a"}] * MAX_CONCURRENT_CALLS
    assert await service.client.call("GET", "/x") == {"name": "a"}


async def test_calls_that_are_cancelled_are_no_failures_and_free_their_place() -> None:
    service = HeldService()
    for _ in range(2):
        for task in (calls := await service.start_calls(2 * MAX_CONCURRENT_CALLS)):
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    service.may_respond.set()
    assert await service.client.call("GET", "/x") == {"name": "a"}


async def test_a_call_that_had_next_to_no_time_is_no_failure() -> None:
    service = HeldService()
    await asyncio.gather(*await service.start_calls(2 * MAX_FAILURES, seconds=0.05), return_exceptions=True)
    service.may_respond.set()
    assert await service.client.call("GET", "/x") == {"name": "a"}


async def test_after_a_cancelled_trial_the_next_call_tries_the_address() -> None:
    service = HeldService()
    breaker = service.client.breakers[URL_1] = Breaker(lambda: 10.0)
    breaker.failures = MAX_FAILURES
    [trial] = await service.start_calls(1)
    with pytest.raises(Unavailable):
        await service.client.call("GET", "/x")
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    service.may_respond.set()
    assert await service.client.call("GET", "/x") == {"name": "a"}


async def test_waiting_for_the_token_that_another_call_fetches_ends_at_the_deadline() -> None:
    auth = HeldService()
    client, transport = client_of(respond_with_200, token=ServiceToken(auth.client, "admin-service", "s3cret", MovableClock()))
    fetching = asyncio.create_task(client.call("GET", "/x"))
    await asyncio.sleep(0)
    token, started = deadline.set(time.monotonic() + 0.05), time.monotonic()
    with pytest.raises(Unavailable):
        await client.call("GET", "/x")
    deadline.reset(token)
    assert time.monotonic() - started < 1
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)
    assert transport.requests == []


class FakeTokenService:
    """An auth-service that issues numbered tokens."""

    def __init__(self, clock: MovableClock) -> None:
        self.tokens = 0
        self.auth, self.transport = client_of(self._issue_token)
        self.token = ServiceToken(self.auth, "admin-service", "s3cret", clock)

    def _issue_token(self, _request: httpx.Request) -> httpx.Response:
        self.tokens += 1
        return httpx.Response(200, json={"access_token": f"t{self.tokens}", "expires_in": 600})


async def test_a_token_is_fetched_once_and_renewed_before_it_expires() -> None:
    clock = MovableClock(running=False)
    issuer = FakeTokenService(clock)
    client, transport = client_of(respond_with_200, token=issuer.token)
    await asyncio.gather(*(client.call("GET", "/x") for _ in range(10)))
    assert {request.headers["authorization"] for request in transport.requests} == {"Bearer t1"}
    assert issuer.transport.requests[0].content == b"grant_type=client_credentials&client_id=admin-service&client_secret=s3cret"
    for minutes, expected in ((8, "Bearer t1"), (1, "Bearer t2"), (-60, "Bearer t3")):
        clock.advance(timedelta(minutes=minutes))
        await client.call("GET", "/x")
        assert transport.requests[-1].headers["authorization"] == expected


async def test_a_token_that_was_refused_is_replaced() -> None:
    issuer = FakeTokenService(MovableClock(running=False))

    def accept_second_token(request: httpx.Request) -> httpx.Response:
        return (
            respond_with_200(request) if request.headers["authorization"] == "Bearer t2" else httpx.Response(401, json={}, headers=PROBLEM)
        )

    client, _ = client_of(accept_second_token, token=issuer.token)
    with pytest.raises(Unavailable):
        await client.call("GET", "/x")
    assert await client.call("GET", "/x") == {"name": "a"}


async def test_without_a_token_no_call_is_made() -> None:
    auth, _ = client_of(refuse_connection)
    client, transport = client_of(respond_with_200, token=ServiceToken(auth, "admin-service", "s3cret", MovableClock()))
    with pytest.raises(Unavailable):
        await client.call("GET", "/x")
    assert transport.requests == []
