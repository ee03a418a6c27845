"""Which instance gets the next request, and what happens when it does not respond."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from gateway_svc.domain.headers import Headers
from gateway_svc.domain.refusals import UpstreamBusy, UpstreamLost, UpstreamTimeout, UpstreamUnavailable
from gateway_svc.ports import ConnectFailed, ConnectionLost, InstanceAddress, UpstreamRequest, UpstreamResponse
from gateway_svc.usecases.load_balancer import LoadBalancer
from gateway_svc.usecases.upstream_services import UpstreamServices
from shared.contracts.identity import Service

A, B, C = (InstanceAddress(f"10.0.0.{number}", 80, "x") for number in (1, 2, 3))


class EmptyResponse:
    status: int = 200
    headers: Headers = []  # noqa: RUF012
    has_more: bool = False
    closed: bool = False

    async def read_chunk(self) -> bytes:
        return b""

    def close(self) -> None:
        self.closed = True


class FakeUpstream:
    """An UpstreamClient and AddressResolver in one: the instances in `failures` raise an exception, and `addresses` can be changed."""

    def __init__(self, *addresses: InstanceAddress) -> None:
        self.addresses: list[InstanceAddress] = list(addresses)
        self.failures: dict[InstanceAddress, Exception] = {}
        self.requested: list[InstanceAddress] = []
        self.may_respond = asyncio.Event()
        self.may_respond.set()

    async def resolve(self, service: Service) -> Sequence[InstanceAddress]:
        return self.addresses if service is Service.DOCTOR else []

    async def send(self, address: InstanceAddress, request: UpstreamRequest) -> UpstreamResponse:
        self.requested.append(address)
        await self.may_respond.wait()
        if address in self.failures:
            raise self.failures[address]
        return EmptyResponse()


def services_over(upstream: FakeUpstream, max_requests: int = 10, monotonic: Callable[[], float] = time.monotonic) -> UpstreamServices:
    services = [Service.DOCTOR, Service.AUTH]
    return UpstreamServices(upstream, upstream, services, max_requests_per_service=max_requests, monotonic=monotonic)


async def forward(services: UpstreamServices, method: str = "GET", service: Service = Service.DOCTOR, seconds: float = 1) -> None:
    async with services.forward(service, UpstreamRequest(method, b"/doctors", []), seconds):
        pass


async def run_other_tasks() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_equally_busy_instances_take_turns_and_a_busier_one_waits() -> None:
    balancer = LoadBalancer(max_requests=10)
    balancer.replace_instances([A, B, C])
    assert Counter(balancer.choose_instance().address for _ in range(30)) == {A: 10, B: 10, C: 10}
    busy = balancer.choose_instance()
    busy.requests_in_progress = 1
    assert busy not in [balancer.choose_instance() for _ in range(9)]


def test_an_instance_that_remains_keeps_its_breaker_and_count() -> None:
    balancer = LoadBalancer(max_requests=10)
    balancer.replace_instances([A, B])
    first = balancer.choose_instance()
    balancer.replace_instances([C, first.address])
    assert any(balancer.choose_instance() is first for _ in range(2))


async def test_a_request_goes_to_the_next_instance_when_a_connection_fails() -> None:
    upstream = FakeUpstream(A, B)
    upstream.failures[A] = ConnectFailed()
    services = services_over(upstream)
    for _ in range(4):
        await forward(services, "POST")
    assert upstream.requested.count(B) == 4


async def test_an_instance_that_fails_five_times_in_a_row_gets_no_more_requests() -> None:
    upstream = FakeUpstream(A, B)
    upstream.failures[A] = ConnectFailed()
    services = services_over(upstream)
    for _ in range(50):
        await forward(services)
    assert upstream.requested.count(A) == 5
    assert upstream.requested.count(B) == 50


async def test_a_get_is_retried_after_a_lost_connection_and_a_post_is_not() -> None:
    upstream = FakeUpstream(A, B)
    upstream.failures = {A: ConnectionLost(), B: ConnectionLost()}
    with pytest.raises(UpstreamLost):
        await forward(services_over(upstream), "POST")
    assert len(upstream.requested) == 1
    upstream.requested.clear()
    with pytest.raises(UpstreamLost):
        await forward(services_over(upstream), "GET")
    assert set(upstream.requested) == {A, B}


async def test_a_service_without_instances_is_unavailable_until_one_is_found() -> None:
    upstream = FakeUpstream()
    services = services_over(upstream)
    with pytest.raises(UpstreamUnavailable):
        await forward(services)
    upstream.addresses = [A]
    await forward(services)
    upstream.addresses = []
    await services.refresh_addresses()
    await forward(services)
    upstream.addresses = [B]
    await services.refresh_addresses()
    await forward(services)
    assert upstream.requested == [A, A, B]


async def test_a_service_at_its_limit_refuses_at_once_and_other_services_do_not() -> None:
    upstream = FakeUpstream(A)
    upstream.may_respond.clear()
    services = services_over(upstream, max_requests=2)
    waiting = [asyncio.create_task(forward(services)) for _ in range(2)]
    await run_other_tasks()
    with pytest.raises(UpstreamBusy):
        await forward(services)
    with pytest.raises(UpstreamUnavailable):
        await forward(services, service=Service.AUTH)
    upstream.may_respond.set()
    await asyncio.gather(*waiting)
    await forward(services)


async def test_a_missing_response_is_a_timeout_and_counts_as_a_failure_of_the_instance() -> None:
    upstream = FakeUpstream(A)
    upstream.may_respond.clear()
    services = services_over(upstream)
    for _ in range(5):
        with pytest.raises(UpstreamTimeout):
            await forward(services, seconds=0.001)
    with pytest.raises(UpstreamUnavailable):
        await forward(services)


async def test_a_client_that_does_not_send_its_body_does_not_count_as_a_failure_of_the_instance() -> None:
    upstream = FakeUpstream(A)
    upstream.may_respond.clear()
    services = services_over(upstream)
    for _ in range(6):
        with pytest.raises(UpstreamTimeout):
            async with services.forward(Service.DOCTOR, UpstreamRequest("POST", b"/doctors", [], has_arrived=lambda: False), 0.001):
                pass
    upstream.may_respond.set()
    await forward(services)


async def test_after_a_cancelled_trial_the_next_request_tries_the_instance() -> None:
    upstream, now = FakeUpstream(A), 0.0
    services = services_over(upstream, monotonic=lambda: now)
    upstream.failures[A] = ConnectFailed()
    for _ in range(6):
        with pytest.raises(UpstreamUnavailable):
            await forward(services)
    assert len(upstream.requested) == 5
    now = 2.0
    upstream.failures.clear()
    upstream.may_respond.clear()
    trial = asyncio.create_task(forward(services))
    await run_other_tasks()
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    upstream.may_respond.set()
    await forward(services)


async def test_a_cancelled_request_does_not_count_as_a_failure() -> None:
    upstream = FakeUpstream(A)
    upstream.may_respond.clear()
    services = services_over(upstream, max_requests=1)
    for _ in range(6):
        task = asyncio.create_task(forward(services))
        await run_other_tasks()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    upstream.may_respond.set()
    await forward(services)
