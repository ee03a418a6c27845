"""Both ways of running the product, started once for all journeys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import server
from tests.platform.houses import Distributed, Embedded, House


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    house = Embedded(tmp_path_factory.mktemp("embedded") / "data")
    house.start()
    yield house
    assert house.process.end() == 0, house.log.read_text()[-2000:]


@pytest.fixture(scope="session")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distributed]:
    for name in ("MYSQL", "MONGO", "AMQP"):
        server(name)
    house = Distributed(tmp_path_factory.mktemp("distributed"))
    try:
        house.start()
        yield house
    finally:
        house.end()


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.xdist_group("embedded")),
        pytest.param("distributed", marks=pytest.mark.xdist_group("distributed")),
    ]
)
def house(request: pytest.FixtureRequest) -> House:
    """The product behind its gateway."""
    here: House = request.getfixturevalue(request.param)
    return here
