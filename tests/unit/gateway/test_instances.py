"""Which instance is asked next, and what happens when it does not answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from gateway_svc.domain.headers import Headers
from gateway_svc.domain.refusals import UpstreamBusy, UpstreamLost, UpstreamTimeout, UpstreamUnavailable
from gateway_svc.ports import Address, Answer, Call, Lost, NotReached
from gateway_svc.usecases.forwarding import Services
from gateway_svc.usecases.instances import Instances
from shared.contracts.identity import Service

A, B, C = (Address(f"10.0.0.{number}", 80, "x") for number in (1, 2, 3))


class Empty:
    status: int = 200
    headers: Headers = []  # noqa: RUF012
    more: bool = False
    closed: bool = False

    async def read(self) -> bytes:
        return b""

    def close(self) -> None:
        self.closed = True


class Scripted:
    """An upstream whose instances fail as told, and addresses that change as told."""

    def __init__(self, *addresses: Address) -> None:
        self.addresses: list[Address] = list(addresses)
        self.fails: dict[Address, Exception] = {}
        self.asked: list[Address] = []
        self.hang = asyncio.Event()
        self.hang.set()

    async def of(self, service: Service) -> Sequence[Address]:
        return self.addresses if service is Service.DOCTOR else []

    async def send(self, address: Address, call: Call) -> Answer:
        self.asked.append(address)
        await self.hang.wait()
        if address in self.fails:
            raise self.fails[address]
        return Empty()


def services(scripted: Scripted, in_flight: int = 10) -> Services:
    return Services(scripted, scripted, [Service.DOCTOR, Service.AUTH], in_flight=in_flight)


def call(method: str = "GET") -> Call:
    return Call(method, b"/doctors", [])


async def ask(here: Services, method: str = "GET", service: Service = Service.DOCTOR, seconds: float = 1) -> None:
    async with here.asked(service, call(method), seconds):
        pass


async def a_moment() -> None:
    """Lets every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_equals_take_turns_and_the_less_busy_goes_first() -> None:
    instances = Instances(10)
    instances.replace([A, B, C])
    assert Counter(instances.pick().address for _ in range(30)) == {A: 10, B: 10, C: 10}
    busy = instances.pick()
    busy.outstanding = 1
    assert busy not in [instances.pick() for _ in range(9)]


def test_an_instance_that_stays_keeps_its_record() -> None:
    instances = Instances(10)
    instances.replace([A, B])
    first = instances.pick()
    instances.replace([C, first.address])
    assert any(instances.pick() is first for _ in range(2))


async def test_a_request_that_reached_nobody_goes_to_the_next() -> None:
    scripted = Scripted(A, B)
    scripted.fails[A] = NotReached()
    here = services(scripted)
    for _ in range(4):
        await ask(here, "POST")
    assert scripted.asked.count(B) == 4


async def test_an_instance_that_fails_again_and_again_is_left_alone() -> None:
    scripted = Scripted(A, B)
    scripted.fails[A] = NotReached()
    here = services(scripted)
    for _ in range(50):
        await ask(here)
    assert scripted.asked.count(A) == 5
    assert scripted.asked.count(B) == 50


async def test_a_post_that_was_lost_is_not_sent_again_but_a_get_is() -> None:
    scripted = Scripted(A, B)
    scripted.fails = {A: Lost(), B: Lost()}
    with pytest.raises(UpstreamLost):
        await ask(services(scripted), "POST")
    assert len(scripted.asked) == 1
    scripted.asked.clear()
    with pytest.raises(UpstreamLost):
        await ask(services(scripted), "GET")
    assert set(scripted.asked) == {A, B}


async def test_nobody_there_is_unavailable_and_found_when_it_comes() -> None:
    scripted = Scripted()
    here = services(scripted)
    with pytest.raises(UpstreamUnavailable):
        await ask(here)
    scripted.addresses = [A]
    await ask(here)
    scripted.addresses = []
    await here.look_around()
    await ask(here)
    scripted.addresses = [B]
    await here.look_around()
    await ask(here)
    assert scripted.asked == [A, A, B]


async def test_a_full_service_refuses_at_once_and_its_neighbours_do_not() -> None:
    scripted = Scripted(A)
    scripted.hang.clear()
    here = services(scripted, in_flight=2)
    waiting = [asyncio.create_task(ask(here)) for _ in range(2)]
    await a_moment()
    with pytest.raises(UpstreamBusy):
        await ask(here)
    with pytest.raises(UpstreamUnavailable):
        await ask(here, service=Service.AUTH)
    scripted.hang.set()
    await asyncio.gather(*waiting)
    await ask(here)


async def test_no_answer_in_time_is_a_timeout_and_counts_against_the_instance() -> None:
    scripted = Scripted(A)
    scripted.hang.clear()
    here = services(scripted)
    for _ in range(5):
        with pytest.raises(UpstreamTimeout):
            await ask(here, seconds=0.001)
    with pytest.raises(UpstreamUnavailable):
        await ask(here)


async def test_a_caller_that_leaves_counts_against_nobody() -> None:
    scripted = Scripted(A)
    scripted.hang.clear()
    here = services(scripted, in_flight=1)
    for _ in range(6):
        task = asyncio.create_task(ask(here))
        await a_moment()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    scripted.hang.set()
    await ask(here)
