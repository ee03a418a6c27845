"""100,000 claims race for 1,000 overlapping, unequal intervals; then the table is checked: `.venv/bin/python -m bench.race`.

It runs on SQLite and, if `make servers` started it, on MariaDB, in two processes with 32 tasks each. Claims of intervals that are
near each other are made at the same time, so that all of them race. Afterwards no grain may be taken twice, each winner must have all its
grains and no loser any, and the winners in the table must be the claims that returned successfully.
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

from bench.databases import create_mysql_database, create_sqlite_database, mysql_server
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
        rng = random.Random(self.seed)
        intervals = [self._interval(number, rng) for number in range(self.intervals)]
        claims_per_interval = self.claims // self.intervals
        numbers = iter(range(1, self.claims + 1))
        return [
            Claim(UUID(int=number), 1, self._slot(span, UUID(int=10**12 + number)))
            for group in _groups(intervals, INTERVALS_PER_GROUP)
            for span in rng.sample(group * claims_per_interval, len(group) * claims_per_interval)
            for number in [next(numbers)]
        ]

    def _interval(self, number: int, rng: random.Random) -> range:
        """Return an interval of ten minutes to an hour and a half; the next one begins within it or soon after."""
        start = 6_000_000 + number * 4 + rng.randrange(6)
        return range(start, start + rng.randrange(2, 19))

    def _slot(self, span: range, patient_id: UUID) -> BookedSlot:
        return BookedSlot(SERVICE, UUID(int=2), patient_id, span, span)


def _groups(spans: Sequence[range], size: int) -> Iterator[list[range]]:
    return (list(spans[index : index + size]) for index in range(0, len(spans), size))


async def run(store: SqlCalendarStore, requests: Sequence[Claim]) -> list[UUID]:
    """Return the claims that won."""
    waiting, won = iter(requests), list[UUID]()

    async def run_task() -> None:
        for claim in waiting:
            if await _try_claim(store, claim):
                won.append(claim.id)

    await asyncio.gather(*(run_task() for _ in range(TASKS)))
    return won


async def _try_claim(store: SqlCalendarStore, claim: Claim) -> bool:
    """Try the claim and return whether it won. A transaction that the database aborted for another reason than a lost race runs again."""
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
    """Compare the final table with the claims that returned successfully. Raises AssertionError if they differ."""
    requests = {claim.id: claim for claim in race.requests()}
    async with store.database.read() as connection:
        rows = (await connection.execute(select(CLAIM_GRAINS))).all()
        live = list(await connection.scalars(select(CLAIMS.c.id).where(CLAIMS.c.live)))
    taken_twice = [grain for grain, count in Counter((row.resource_id, row.grain) for row in rows).items() if count > 1]
    owners = {(row.resource_id, row.grain): row.claim_id for row in rows}
    expected = {grain: claim_id for claim_id in won for grain in requests[claim_id].slot.grains()}  # type: ignore[union-attr]
    assert taken_twice == [], f"{len(taken_twice)} grains are taken twice"
    assert sorted(live) == sorted(won), "the winners in the table are not the claims that returned successfully"
    assert owners == expected, "a winner lacks a grain, or a loser has one"
    assert all(any((UUID(int=2), grain) in owners for grain in request.slot.span) for request in requests.values() if request.slot), (
        "a claim of free time lost"
    )
    return f"{len(requests):,} claims, {len(won):,} winners, {len(rows):,} grains, none twice"


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--claims", type=int, default=100_000)
    parser.add_argument("--intervals", type=int, default=1_000)
    parser.add_argument("--part", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        url, *numbers = options.part
        seed, claims, intervals, number = map(int, numbers)
        print(*await run_part(url, Race(seed, claims, intervals), number), sep="\n")
        return
    race = Race(options.seed, options.claims, options.intervals)
    print(f"seed {race.seed}")
    async with create_sqlite_database() as url:
        await measure("SQLite", url, race)
    if mysql_server():
        async with create_mysql_database() as url:
            await measure("MariaDB", url, race)


if __name__ == "__main__":
    asyncio.run(main())
