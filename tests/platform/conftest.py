"""Both ways of running the product, started once for all journeys."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.platform.houses import Composed, Distributed, Embedded, House

COMPOSED = os.environ.get("CARESLOT_TEST_COMPOSED_URL")


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    house = Embedded(tmp_path_factory.mktemp("embedded") / "data")
    house.start()
    yield house
    assert house.process.end() == 0, house.log.read_text()[-2000:]


@pytest.fixture(scope="session")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distributed]:
    house = Distributed(tmp_path_factory.mktemp("distributed"))
    try:
        house.start()
        yield house
    finally:
        house.end()


@pytest.fixture(scope="session")
def composed() -> Composed:
    """Only where the address of a running one is given."""
    assert COMPOSED is not None
    return Composed(COMPOSED)


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.xdist_group("embedded")),
        pytest.param("distributed", marks=[pytest.mark.xdist_group("distributed"), pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")]),
        *([pytest.param("composed", marks=pytest.mark.xdist_group("composed"))] if COMPOSED else []),
    ]
)
def house(request: pytest.FixtureRequest) -> House:
    """The product behind its gateway."""
    here: House = request.getfixturevalue(request.param)
    return here
