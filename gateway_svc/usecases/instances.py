"""The instances of one service: the least busy is asked next, one that fails is left alone for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway_svc.domain.refusals import UpstreamBusy, UpstreamUnavailable
from gateway_svc.ports import Address
from shared.kit.breaker import Breaker


@dataclass(slots=True, eq=False)
class Instance:
    address: Address
    breaker: Breaker = field(default_factory=Breaker)
    outstanding: int = 0


class Instances:
    """At most `limit` requests are under way to all of them together, so that a slow service fills its own room only."""

    def __init__(self, limit: int) -> None:
        self._limit, self._under_way, self._turn = limit, 0, 0
        self._all: list[Instance] = []

    def __len__(self) -> int:
        return len(self._all)

    def replace(self, addresses: Sequence[Address]) -> None:
        """These are the instances now; one that stays keeps its record."""
        known = {instance.address: instance for instance in self._all}
        self._all = [known.get(address) or Instance(address) for address in addresses]

    @contextmanager
    def room(self) -> Iterator[None]:
        if self._under_way >= self._limit:
            raise UpstreamBusy(retry_after=1)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def pick(self, tried: Sequence[Instance] = ()) -> Instance:
        """The least busy instance that is not among `tried` and takes calls; equals take turns."""
        self._turn += 1
        count = len(self._all)
        turned = [self._all[(self._turn + place) % count] for place in range(count)]
        for instance in sorted(turned, key=lambda each: each.outstanding):
            if instance not in tried and instance.breaker.admit():
                return instance
        raise UpstreamUnavailable(retry_after=2)
