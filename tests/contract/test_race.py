"""A small run of `bench/race.py`: no grain is taken twice, and the table contains the claims of the winners."""

from __future__ import annotations

import pytest

from bench.race import Race, run, verify
from tests.contract.grain_table import open_store


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_winners_are_those_in_the_table_and_no_grain_is_taken_twice(sql_url: str, seed: int) -> None:
    race = Race(seed, claims=1_000, intervals=20)
    async with open_store(sql_url) as store:
        won = await run(store, race.requests())
        assert 1 < len(won) < 20
        await verify(store, race, won)
