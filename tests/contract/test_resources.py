"""A claim may take time of more than a doctor and a patient, such as a room: it takes all of its grains or none."""

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
CLAIM_ID, OTHER_CLAIM_ID = UUID(int=1), UUID(int=2)
# The doctor's time with buffers, the patient's without, and the room until it is cleaned.
VISIT = [ResourceSpan(ROOM, range(100, 112)), ResourceSpan(DOCTOR, range(98, 110)), ResourceSpan(PATIENT, range(100, 106))]


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlCalendarStore]:
    async with open_store(sql_url) as store:
        yield store


async def take(store: SqlCalendarStore, claim_id: UUID, resource_spans: Sequence[ResourceSpan]) -> None:
    try:
        async with store.database.write() as connection:
            await grains.take_grains(connection, claim_id, resource_spans)
    except IntegrityError:
        raise LostRace from None


async def free(store: SqlCalendarStore, claim_id: UUID, resource_spans: Sequence[ResourceSpan]) -> None:
    async with store.database.write() as connection:
        await grains.free_grains(connection, claim_id, resource_spans)


def taken(claim_id: UUID, resource_spans: Sequence[ResourceSpan]) -> dict[tuple[UUID, int], UUID]:
    return {(resource_id, grain): claim_id for resource_id, span in resource_spans for grain in span}


async def test_a_claim_takes_doctor_patient_and_room_and_frees_them(store: SqlCalendarStore) -> None:
    await take(store, CLAIM_ID, VISIT)
    assert await list_claimed_grains(store) == taken(CLAIM_ID, VISIT)
    await free(store, CLAIM_ID, VISIT)
    assert await list_claimed_grains(store) == {}


@pytest.mark.parametrize("resource_span", VISIT, ids=["room", "doctor", "patient"])
@pytest.mark.parametrize("end", [0, -1], ids=["first", "last"])
async def test_if_one_grain_is_taken_already_nothing_is_taken(store: SqlCalendarStore, resource_span: ResourceSpan, end: int) -> None:
    grain = resource_span.span[end]
    other_spans = [ResourceSpan(resource_span.resource_id, range(grain, grain + 1))]
    await take(store, OTHER_CLAIM_ID, other_spans)
    with pytest.raises(LostRace):
        await take(store, CLAIM_ID, VISIT)
    assert await list_claimed_grains(store) == taken(OTHER_CLAIM_ID, other_spans)
    await free(store, OTHER_CLAIM_ID, other_spans)
    await take(store, CLAIM_ID, VISIT)
    assert await list_claimed_grains(store) == taken(CLAIM_ID, VISIT)


def random_visits(rng: random.Random) -> dict[UUID, list[ResourceSpan]]:
    """Return visits of few doctors, patients and rooms at nearly the same time."""
    return {
        UUID(int=number): [
            ResourceSpan(UUID(int=100 * kind + rng.randrange(4)), range(start := rng.randrange(20), start + rng.randrange(1, 8)))
            for kind in (1, 2, 3)
        ]
        for number in range(1, 61)
    }


async def is_won(store: SqlCalendarStore, claim_id: UUID, resource_spans: Sequence[ResourceSpan]) -> bool:
    """Return True if a claim wins. It tries once; a transaction that the database aborted to resolve a deadlock does not count."""

    async def try_to_take() -> bool:
        try:
            await take(store, claim_id, resource_spans)
        except LostRace:
            return False
        return True

    return await repeat_until_decided(try_to_take)


@pytest.mark.parametrize("seed", [1, 2])
async def test_each_racing_claim_takes_all_of_its_grains_or_none(store: SqlCalendarStore, seed: int) -> None:
    visits = random_visits(random.Random(seed))
    won = await asyncio.gather(*(is_won(store, claim_id, resource_spans) for claim_id, resource_spans in visits.items()))
    winners = {claim_id: resource_spans for (claim_id, resource_spans), has_won in zip(visits.items(), won, strict=True) if has_won}
    claim_by_grain = await list_claimed_grains(store)
    assert claim_by_grain == {
        key: resource_id for claim_id, resource_spans in winners.items() for key, resource_id in taken(claim_id, resource_spans).items()
    }
    assert len(claim_by_grain) == sum(len(span) for resource_spans in winners.values() for _, span in resource_spans)
    assert all(taken(claim_id, resource_spans).keys() & claim_by_grain.keys() for claim_id, resource_spans in visits.items())
    await asyncio.gather(
        *(retry_transaction(partial(free, store, claim_id, resource_spans)) for claim_id, resource_spans in winners.items())
    )
    assert await list_claimed_grains(store) == {}
