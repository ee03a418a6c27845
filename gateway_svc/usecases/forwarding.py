"""Forwards a call to an instance of a service: finds one, tries the next while nothing was done, keeps the record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from gateway_svc.domain.refusals import UpstreamLost, UpstreamTimeout, UpstreamUnavailable
from gateway_svc.ports import Address, Addresses, Answer, Call, Lost, NotReached, Upstream, Whole
from gateway_svc.usecases.instances import Instance, Instances
from shared.contracts.identity import Service
from shared.contracts.refusals import Refusal

LARGEST_WHOLE = 4 * 1024 * 1024


class Services:
    """All services that this door leads to."""

    def __init__(self, upstream: Upstream, addresses: Addresses, services: Iterable[Service], *, in_flight: int) -> None:
        self._upstream, self._addresses = upstream, addresses
        self._instances: Mapping[Service, Instances] = {service: Instances(in_flight) for service in services}
        self._looking = {service: asyncio.Lock() for service in self._instances}

    async def look_around(self) -> int:
        """Asks anew where the instances are. What is not found stays where it was."""
        for service in self._instances:
            await self._look_for(service)
        return 0

    async def _look_for(self, service: Service) -> None:
        found: Iterable[Address] = await self._addresses.of(service)
        if found:
            self._instances[service].replace(list(found))

    async def _known(self, service: Service) -> Instances:
        instances = self._instances[service]
        if not instances:
            async with self._looking[service]:
                if not instances:
                    await self._look_for(service)
        if not instances:
            raise UpstreamUnavailable(retry_after=2)
        return instances

    @asynccontextmanager
    async def asked(self, service: Service, call: Call, seconds: float) -> AsyncIterator[Answer]:
        """The answer's head within `seconds`; leaving gives everything back."""
        instances = await self._known(service)
        with instances.room():
            instance, answer = await self._first_answer(instances, call, seconds)
            try:
                yield answer
            except Lost:
                instance.breaker.record_failure()
                raise
            finally:
                instance.outstanding -= 1
                answer.close()

    async def _first_answer(self, instances: Instances, call: Call, seconds: float) -> tuple[Instance, Answer]:
        tried: list[Instance] = []
        async with _deadline(tried, seconds):
            while True:
                instance = instances.pick(tried)
                tried.append(instance)
                instance.outstanding += 1
                try:
                    answer = await self._upstream.send(instance.address, call)
                except NotReached:
                    instance.breaker.record_failure()
                    instance.outstanding -= 1
                except Lost:
                    instance.breaker.record_failure()
                    instance.outstanding -= 1
                    if not call.is_repeatable or len(tried) == len(instances):
                        raise UpstreamLost(retry_after=2) from None
                except BaseException:
                    instance.outstanding -= 1
                    raise
                else:
                    instance.breaker.record_success()
                    return instance, answer

    async def fetch(self, service: Service, path: str, seconds: float) -> Whole:
        """A small answer to a GET of our own, whole."""
        call = Call("GET", path.encode(), [(b"accept", b"application/json")])
        async with asyncio.timeout(seconds), self.asked(service, call, seconds) as answer:
            chunks, size = [], 0
            while answer.more and size < LARGEST_WHOLE:
                chunks.append(await answer.read())
                size += len(chunks[-1])
            if answer.more:
                raise Lost("too much")
            return Whole(answer.status, b"".join(chunks))

    async def find(self, service: Service, path: str, seconds: float) -> bytes | None:
        """The body of a 200 answer, None where there is no such answer for any reason."""
        try:
            whole = await self.fetch(service, path, seconds)
        except (Refusal, Lost, TimeoutError):
            return None
        return whole.body if whole.status == 200 else None


@asynccontextmanager
async def _deadline(tried: list[Instance], seconds: float) -> AsyncIterator[None]:
    """An instance that is asked when the time is over has failed."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        if tried:
            tried[-1].breaker.record_failure()
        raise UpstreamTimeout(retry_after=2) from None
