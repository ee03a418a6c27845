"""Where the clinic's time zone comes from, and that a process names it when it starts."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from careslot.demo import Demo
from careslot.folder import Folder
from shared.kit.logs import JsonLineHandler, log
from tests.running import run_service

MAKE_ENV = Path(__file__).parents[3] / "deploy" / "make_env.py"
ZONE_VARIABLES = ("CARESLOT_TIME_ZONE", "CARESLOT_TIME_ZONE_FILE")


@pytest.fixture(autouse=True)
def _no_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ZONE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_the_demo_is_in_berlin_unless_the_environment_names_a_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Demo(Folder(tmp_path))
    assert demo.settings["time_zone"] == "Europe/Berlin"
    monkeypatch.setenv("CARESLOT_TIME_ZONE", "Asia/Tokyo")
    assert "time_zone" not in demo.settings


@pytest.mark.parametrize("variable", [None, "Asia/Tokyo"])
def test_make_env_writes_the_time_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    if variable:
        monkeypatch.setenv("CARESLOT_TIME_ZONE", variable)
    runpy.run_path(str(MAKE_ENV))["main"](tmp_path / ".env")
    assert f"CARESLOT_TIME_ZONE={variable or 'UTC'}" in (tmp_path / ".env").read_text().splitlines()


def test_the_containers_of_all_services_get_the_time_zone() -> None:
    compose = (MAKE_ENV.parents[1] / "compose.yaml").read_text(encoding="utf-8")
    common = compose.partition("x-common: &common")[2].partition("\n\n")[0]
    assert "CARESLOT_TIME_ZONE: ${CARESLOT_TIME_ZONE:-UTC}" in common
    assert compose.count("<<: *common") == 8


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """The lines of the product's log during the test."""
    level, stream = log.level, StringIO()
    monkeypatch.setattr(log, "handlers", [JsonLineHandler(stream)])
    monkeypatch.setattr(log, "propagate", False)
    log.setLevel("INFO")
    yield stream
    log.setLevel(level)


async def test_a_service_names_the_time_zone_when_it_starts(tmp_path: Path, lines: StringIO) -> None:
    async with run_service("patient_svc", tmp_path, time_zone="Asia/Tokyo"):
        logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    (start,) = [line for line in logged if line["message"] == "service_starting"]
    assert (start["service"], start["time_zone"]) == ("patient-service", "Asia/Tokyo")
