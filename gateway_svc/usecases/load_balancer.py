"""Chooses the instance of a service that gets the next request, and limits how many requests a service has at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway_svc.domain.refusals import UpstreamBusy, UpstreamUnavailable
from gateway_svc.ports import InstanceAddress
from shared.kit.breaker import Breaker


@dataclass(slots=True, eq=False)
class Instance:
    """One instance of a service: its circuit breaker, and the number of its requests in progress."""

    address: InstanceAddress
    breaker: Breaker
    requests_in_progress: int = 0


class LoadBalancer:
    """Holds the instances of one service, and chooses one for each request.

    All of them together have at most `max_requests` requests in progress. The limit is per service, so that one slow service
    cannot use up the capacity of the gateway. The breakers measure time with `monotonic`.
    """

    def __init__(self, max_requests: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._max_requests, self._monotonic = max_requests, monotonic
        self._requests_in_progress = 0
        self._instances: list[Instance] = []
        self._rotation = 0

    def __len__(self) -> int:
        return len(self._instances)

    def replace_instances(self, addresses: Sequence[InstanceAddress]) -> None:
        """Use the instances at these addresses from now on. An instance that was known before keeps its breaker and its count."""
        known = {instance.address: instance for instance in self._instances}
        self._instances = [known.get(address) or Instance(address, Breaker(self._monotonic)) for address in addresses]

    def begin_request(self) -> None:
        """Count a request; `end_request` must follow. Raises UpstreamBusy if the limit is reached."""
        if self._requests_in_progress >= self._max_requests:
            raise UpstreamBusy(retry_after=1)
        self._requests_in_progress += 1

    def end_request(self) -> None:
        """Stop counting a request."""
        self._requests_in_progress -= 1

    def choose_instance(self, excluded: Sequence[Instance] = ()) -> Instance:
        """Return the instance with the fewest requests in progress, in rotation between equals.

        Leaves out the `excluded` instances and those whose breaker is open. Raises UpstreamUnavailable if no instance remains.
        """
        self._rotation += 1
        count = len(self._instances)
        rotated = [self._instances[(self._rotation + offset) % count] for offset in range(count)]
        for instance in sorted(rotated, key=lambda instance: instance.requests_in_progress):
            if instance not in excluded and instance.breaker.admit():
                return instance
        raise UpstreamUnavailable(retry_after=2)
