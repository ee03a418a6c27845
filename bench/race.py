"""100,000 claims race for 1,000 overlapping, unequal intervals; then the table is read: `.venv/bin/python -m bench.race`.

It runs on SQLite and, where `make servers` started one, on MariaDB, in two processes with 32 tasks each. Claims of intervals that are near
each other come together, so that all of them race. Afterwards no grain may be taken twice, every winner must have all its grains and no
loser any, and the table must have as many winners as were told so.
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
TASKS, PROCESSES, INTERVALS_PER_GROUP = 32, 2, 10


@dataclass(frozen=True, slots=True)
class Race:
    """The claims that are made. The same seed makes the same claims; their numbers are their ids."""

    seed: int
    claims: int
    intervals: int

    def requests(self) -> list[Claim]:
        """Return all claims, in the order in which they are made."""
        chance = random.Random(self.seed)
        intervals = [self._interval(number, chance) for number in range(self.intervals)]
        claims_per_interval = self.claims // self.intervals
        numbers = iter(range(1, self.claims + 1))
        return [
            Claim(UUID(int=number), 1, self._slot(span, UUID(int=10**12 + number)))
            for near in _groups(intervals, INTERVALS_PER_GROUP)
            for span in chance.sample(near * claims_per_interval, len(near) * claims_per_interval)
            for number in [next(numbers)]
        ]

    def _interval(self, number: int, chance: random.Random) -> range:
        """Return an interval of ten minutes to an hour and a half; the next one begins within it or soon after."""
        start = 6_000_000 + number * 4 + chance.randrange(6)
        return range(start, start + chance.randrange(2, 19))

    def _slot(self, span: range, patient_id: UUID) -> BookedSlot:
        return BookedSlot(SERVICE, UUID(int=2), patient_id, span, span)


def _groups(spans: Sequence[range], size: int) -> Iterator[list[range]]:
    return (list(spans[index : index + size]) for index in range(0, len(spans), size))


async def run(store: SqlCalendarStore, requests: Sequence[Claim]) -> list[UUID]:
    """Return the claims that won."""
    waiting, won = iter(requests), list[UUID]()

    async def run_task() -> None:
        for claim in waiting:
            if await _wins(store, claim):
                won.append(claim.id)

    await asyncio.gather(*(run_task() for _ in range(TASKS)))
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


async def verify(store: SqlCalendarStore, race: Race, won: Sequence[UUID]) -> str:
    """Compare the final table with what every claim was told; raise AssertionError where they differ."""
    requests = {claim.id: claim for claim in race.requests()}
    async with store.database.read() as connection:
        held = (await connection.execute(select(CLAIM_GRAINS))).all()
        live = list(await connection.scalars(select(CLAIMS.c.id).where(CLAIMS.c.live)))
    twice = [grain for grain, holders in Counter((row.resource_id, row.grain) for row in held).items() if holders > 1]
    owned = {(row.resource_id, row.grain): row.claim_id for row in held}
    due = {grain: claim_id for claim_id in won for grain in requests[claim_id].slot.grains()}  # type: ignore[union-attr]
    assert twice == [], f"{len(twice)} grains are held twice"
    assert sorted(live) == sorted(won), "the winners in the table are not those that were told so"
    assert owned == due, "a winner lacks a grain, or a loser has one"
    assert all(any((UUID(int=2), grain) in owned for grain in request.slot.span) for request in requests.values() if request.slot), (
        "a claim of free time lost"
    )
    return f"{len(requests):,} claims, {len(won):,} winners, {len(held):,} grains, none twice"


async def run_part(url: str, race: Race, number: int) -> list[UUID]:
    async with Database(url) as database:
        return await run(SqlCalendarStore(database, lambda: NOW), race.requests()[number::PROCESSES])


async def measure(name: str, url: str, race: Race) -> None:
    migrate("scheduling_svc", url)
    parts = await asyncio.gather(*(_run_process(url, race, number) for number in range(PROCESSES)))
    winners = [claim_id for part in parts for claim_id in part]
    async with Database(url) as database:
        outcome = await verify(SqlCalendarStore(database, lambda: NOW), race, winners)
    print(f"{name}: {outcome} (seed {race.seed})")


async def _run_process(url: str, race: Race, number: int) -> list[UUID]:
    arguments = list(map(str, (race.seed, race.claims, race.intervals, number)))
    command = [sys.executable, "-m", "bench.race", "--part", url, *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return [UUID(line) for line in output.decode().split()]


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
        print(*await run_part(url, Race(seed, claims, intervals), number), sep="\n")
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
