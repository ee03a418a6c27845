"""100,000 claims race for 1,000 overlapping, unequal intervals; then the table is read: `.venv/bin/python -m bench.race`.

On SQLite and, where `make servers` started one, on MariaDB; two processes with 32 tasks each. Claims of one neighbourhood come together,
so that there is a race from the first to the last. Afterwards: no grain is held twice, every winner holds all its grains and nobody else
any, and there are as many winners as were told that they won.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select

from bench.databases import mysql_server, on_mysql, on_sqlite
from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import SqlCalendarStore
from scheduling_svc.repository.tables import CLAIM_GRAINS, CLAIMS
from shared.kit.migrations import migrate
from shared.kit.retry import TransactionAborted
from shared.kit.sql import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = UUID(int=1)
TASKS, PROCESSES, NEIGHBOURS = 32, 2, 10


@dataclass(frozen=True, slots=True)
class Race:
    """The claims that are made. The same seed makes the same claims; their numbers are their ids."""

    seed: int
    claims: int
    intervals: int

    def requests(self) -> list[Claim]:
        chance = random.Random(self.seed)
        requested = [self._interval(number, chance) for number in range(self.intervals)]
        item = self.claims // self.intervals
        numbers = iter(range(1, self.claims + 1))
        return [
            Claim(UUID(int=number), 1, self._place(span, UUID(int=10**12 + number)))
            for near in _groups(requested, NEIGHBOURS)
            for span in chance.sample(near * item, len(near) * item)
            for number in [next(numbers)]
        ]

    def _interval(self, number: int, chance: random.Random) -> range:
        """Return an interval of ten minutes to an hour and a half; the next one begins within it or soon after."""
        start = 6_000_000 + number * 4 + chance.randrange(6)
        return range(start, start + chance.randrange(2, 19))

    def _place(self, span: range, patient_id: UUID) -> BookedSlot:
        return BookedSlot(SERVICE, UUID(int=2), patient_id, span, span)


def _groups(spans: Sequence[range], size: int) -> Iterator[list[range]]:
    return (list(spans[at : at + size]) for at in range(0, len(spans), size))


async def run(store: SqlCalendarStore, requests: Sequence[Claim]) -> list[UUID]:
    """Return the claims that won."""
    waiting, won = iter(requests), list[UUID]()

    async def some() -> None:
        for claim in waiting:
            if await _wins(store, claim):
                won.append(claim.id)

    await asyncio.gather(*(some() for _ in range(TASKS)))
    return won


async def _wins(store: SqlCalendarStore, claim: Claim) -> bool:
    """Return True if the claim wins. A lost race is a loss; a transaction that the database aborted for its own reasons is run again."""
    while True:
        try:
            async with store.begin() as tx:
                await tx.save_claim(claim, None)
        except LostRace:
            return False
        except TransactionAborted:
            await asyncio.sleep(random.uniform(0, 0.01))
        else:
            return True


async def verified(store: SqlCalendarStore, race: Race, won: Sequence[UUID]) -> str:
    """Compare the final table with what every claim was told; raise AssertionError where they differ."""
    requests = {claim.id: claim for claim in race.requests()}
    async with store.database.read() as connection:
        held = (await connection.execute(select(CLAIM_GRAINS))).all()
        live = list(await connection.scalars(select(CLAIMS.c.id).where(CLAIMS.c.live)))
    twice = [grain for grain, holders in Counter((row.resource_id, row.grain) for row in held).items() if holders > 1]
    owned = {(row.resource_id, row.grain): row.claim_id for row in held}
    due = {grain: claim_id for claim_id in won for grain in requests[claim_id].slot.grains()}  # type: ignore[union-attr]
    assert twice == [], f"{len(twice)} grains are held twice"
    assert sorted(live) == sorted(won), "who was told to have won, and who stands in the table, are not the same"
    assert owned == due, "a winner lacks a grain, or a loser has one"
    assert all(any((UUID(int=2), grain) in owned for grain in request.slot.span) for request in requests.values() if request.slot), (
        "a free one lost"
    )
    return f"{len(requests):,} claims, {len(won):,} winners, {len(held):,} grains, none twice"


async def part(url: str, race: Race, number: int) -> list[UUID]:
    async with Database(url) as database:
        return await run(SqlCalendarStore(database, lambda: NOW), race.requests()[number::PROCESSES])


async def measure(name: str, url: str, race: Race) -> None:
    migrate("scheduling_svc", url)
    expected = await asyncio.gather(*(_process(url, race, number) for number in range(PROCESSES)))
    async with Database(url) as database:
        outcome = await verified(SqlCalendarStore(database, lambda: NOW), race, [one for some in expected for one in some])
    print(f"{name}: {outcome} (seed {race.seed})")


async def _process(url: str, race: Race, number: int) -> list[UUID]:
    given = [str(item) for item in (race.seed, race.claims, race.intervals, number)]
    ran = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.race", "--part", url, *given, stdout=asyncio.subprocess.PIPE)
    said, _ = await ran.communicate()
    if ran.returncode:
        raise SystemExit(ran.returncode)
    return [UUID(line) for line in said.decode().split()]


async def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--seed", type=int, default=random.randrange(10**6))
    given.add_argument("--claims", type=int, default=100_000)
    given.add_argument("--intervals", type=int, default=1_000)
    given.add_argument("--part", nargs=5, help=argparse.SUPPRESS)
    chosen = given.parse_args()
    if chosen.part:
        url, *numbers = chosen.part
        seed, claims, intervals, number = map(int, numbers)
        print(*await part(url, Race(seed, claims, intervals), number), sep="\n")
        return
    race = Race(chosen.seed, chosen.claims, chosen.intervals)
    print(f"seed {race.seed}")
    async with on_sqlite() as url:
        await measure("SQLite", url, race)
    if mysql_server():
        async with on_mysql() as url:
            await measure("MariaDB", url, race)


if __name__ == "__main__":
    asyncio.run(main())
