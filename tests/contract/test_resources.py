"""A claim may take time of more than a doctor and a patient, such as a room: it gets all of them or none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from scheduling_svc.domain.claims import ResourceSpan
from scheduling_svc.ports import LostRace
from scheduling_svc.repository import SqlCalendarStore, grains
from shared.kit.retry import retry_transaction
from tests.contract.grain_table import list_claimed_grains, open_store
from tests.contract.interleaving import repeat_until_decided

DOCTOR, PATIENT, ROOM = UUID(int=0xD1), UUID(int=0xA), UUID(int=0xF)
ONE, OTHER = UUID(int=1), UUID(int=2)
# The doctor's time with buffers, the patient's without, and the room until it is cleaned.
VISIT = [ResourceSpan(ROOM, range(100, 112)), ResourceSpan(DOCTOR, range(98, 110)), ResourceSpan(PATIENT, range(100, 106))]


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    async with open_store(sql_url) as store:
        yield store


async def take(store: SqlCalendarStore, claim_id: UUID, takes: Sequence[ResourceSpan]) -> None:
    try:
        async with store.database.write() as connection:
            await grains.take_grains(connection, claim_id, takes)
    except IntegrityError:
        raise LostRace from None


async def free(store: SqlCalendarStore, claim_id: UUID, takes: Sequence[ResourceSpan]) -> None:
    async with store.database.write() as connection:
        await grains.free_grains(connection, claim_id, takes)


def taken(claim_id: UUID, takes: Sequence[ResourceSpan]) -> dict[tuple[UUID, int], UUID]:
    return {(who, grain): claim_id for who, span in takes for grain in span}


async def test_a_claim_takes_doctor_patient_and_room_and_frees_them(store: SqlCalendarStore) -> None:
    await take(store, ONE, VISIT)
    assert await list_claimed_grains(store) == taken(ONE, VISIT)
    await free(store, ONE, VISIT)
    assert await list_claimed_grains(store) == {}


@pytest.mark.parametrize("missing", VISIT, ids=["room", "doctor", "patient"])
@pytest.mark.parametrize("end", [0, -1], ids=["first", "last"])
async def test_where_one_grain_of_one_of_them_is_missing_nothing_is_taken(store: SqlCalendarStore, missing: ResourceSpan, end: int) -> None:
    grain = missing.span[end]
    in_the_way = [ResourceSpan(missing.resource_id, range(grain, grain + 1))]
    await take(store, OTHER, in_the_way)
    with pytest.raises(LostRace):
        await take(store, ONE, VISIT)
    assert await list_claimed_grains(store) == taken(OTHER, in_the_way)
    await free(store, OTHER, in_the_way)
    await take(store, ONE, VISIT)
    assert await list_claimed_grains(store) == taken(ONE, VISIT)


def visits_by(chance: random.Random) -> dict[UUID, list[ResourceSpan]]:
    """Return visits of few doctors, patients and rooms at nearly the same time."""
    return {
        UUID(int=number): [
            ResourceSpan(UUID(int=100 * kind + chance.randrange(4)), range(start := chance.randrange(20), start + chance.randrange(1, 8)))
            for kind in (1, 2, 3)
        ]
        for number in range(1, 61)
    }


async def is_won(store: SqlCalendarStore, claim_id: UUID, takes: Sequence[ResourceSpan]) -> bool:
    """Return True if a claim wins. It tries once; a transaction that the database aborted to resolve a deadlock does not count."""

    async def tried() -> bool:
        try:
            await take(store, claim_id, takes)
        except LostRace:
            return False
        return True

    return await repeat_until_decided(tried)


@pytest.mark.parametrize("seed", [1, 2])
async def test_of_those_who_race_each_has_all_that_it_wants_or_nothing(store: SqlCalendarStore, seed: int) -> None:
    visits = visits_by(random.Random(seed))
    won = await asyncio.gather(*(is_won(store, claim_id, takes) for claim_id, takes in visits.items()))
    winners = {claim_id: takes for (claim_id, takes), has_won in zip(visits.items(), won, strict=True) if has_won}
    found = await list_claimed_grains(store)
    assert found == {key: who for claim_id, takes in winners.items() for key, who in taken(claim_id, takes).items()}
    assert len(found) == sum(len(span) for takes in winners.values() for _, span in takes)
    assert all(taken(claim_id, takes).keys() & found.keys() for claim_id, takes in visits.items())
    await asyncio.gather(*(retry_transaction(partial(free, store, claim_id, takes)) for claim_id, takes in winners.items()))
    assert await list_claimed_grains(store) == {}
