"""Fixtures for each way of running the platform. Each platform is started once for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.platform.houses import Composed, Distributed, Embedded, Platform

COMPOSED = os.environ.get("CARESLOT_TEST_COMPOSED_URL")


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    platform = Embedded(tmp_path_factory.mktemp("embedded") / "data")
    platform.start()
    yield platform
    assert platform.process.end() == 0, platform.log.read_text()[-2000:]


@pytest.fixture(scope="session")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distributed]:
    platform = Distributed(tmp_path_factory.mktemp("distributed"))
    try:
        platform.start()
        yield platform
    finally:
        platform.end()


@pytest.fixture(scope="session")
def composed() -> Composed:
    """A platform that runs already, at the address in CARESLOT_TEST_COMPOSED_URL."""
    assert COMPOSED is not None
    return Composed(COMPOSED)


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.xdist_group("embedded")),
        pytest.param("distributed", marks=[pytest.mark.xdist_group("distributed"), pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")]),
        *([pytest.param("composed", marks=pytest.mark.xdist_group("composed"))] if COMPOSED else []),
    ]
)
def platform(request: pytest.FixtureRequest) -> Platform:
    """The whole platform, once for each way of running it."""
    running: Platform = request.getfixturevalue(request.param)
    return running
