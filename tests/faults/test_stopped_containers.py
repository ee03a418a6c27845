"""Servers in containers are stopped with SIGSTOP while patients book: the health check ends them, Docker restarts them, nothing is lost.

The platform runs already, on any Docker engine with Compose, and its administrator is the one that the other platform tests use:

    make env
    export CARESLOT_BOOTSTRAP_ADMIN_EMAIL=admin@clinic.example CARESLOT_BOOTSTRAP_ADMIN_PASSWORD='correct horse battery staple'
    GATEWAY_RATE_SCALE=1000 docker compose up -d --build --wait
    CARESLOT_TEST_COMPOSED_URL=http://localhost:8000 .venv/bin/pytest --log-cli-level=INFO tests/faults/test_stopped_containers.py
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.contracts.identity import Service
from tests.faults.booking_load import BookingLoad
from tests.platform.accounts import User, list_slots, register_patient
from tests.platform.houses import Composed, wait_until
from tests.servers import server

ROOT = Path(__file__).parents[2]
RECOVERY_SECONDS = 90
STOP = "for stat in /proc/[0-9]*/stat; do read -r pid _ _ parent _ <$stat; [[ $parent == 1 ]] && kill -STOP $pid; done; true"
pytestmark = [pytest.mark.needs_servers("COMPOSED"), pytest.mark.xdist_group("composed")]


def docker(*arguments: str) -> str:
    ran = subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return (ran.stdout + ran.stderr).strip()


def container(service: Service) -> str:
    return docker("compose", "ps", "--quiet", str(service)).splitlines()[0]


def restart_count(name: str) -> int:
    return int(docker("inspect", "--format", "{{.RestartCount}}", name))


def is_healthy(name: str) -> bool:
    return docker("inspect", "--format", "{{.State.Health.Status}}", name) == "healthy"


def all_services_are_up(platform: Composed) -> bool:
    response = httpx.get(f"{platform.url}/status", timeout=10)
    return response.is_success and set(response.json()["services"].values()) == {"up"}


def a_new_patient_can_register(platform: Composed) -> User | None:
    try:
        return register_patient(platform)
    except AssertionError:
        return None


def look(condition: Callable[[], Any]) -> Any:
    """Return the condition's value, after a second if it is not met: each look starts a `docker`."""
    value = condition()
    if not value:
        time.sleep(1)
    return value


@pytest.mark.parametrize(
    "stopped", [*([service] for service in Service), list(Service)], ids=lambda services: "all" if len(services) > 1 else str(services[0])
)
def test_a_stopped_server_comes_back_while_patients_book(stopped: list[Service]) -> None:
    platform = Composed(server("COMPOSED"))
    load = BookingLoad(platform, patients=2, pause_seconds=3)
    containers = [container(service) for service in stopped]
    restarts = [restart_count(name) for name in containers]
    load.start()
    load.wait_for_responses(2)
    started = time.monotonic()
    for name in containers:
        docker("exec", name, "bash", "-c", STOP)

    def wait(condition: Callable[[], Any]) -> Any:
        return wait_until(lambda: look(condition), started + RECOVERY_SECONDS - time.monotonic())

    wait(lambda: all(map(int.__lt__, restarts, map(restart_count, containers))))
    ended_after = time.monotonic() - started
    wait(lambda: all(map(is_healthy, containers)) and all_services_are_up(platform))
    ready_after = time.monotonic() - started
    patient = wait(lambda: a_new_patient_can_register(platform))
    start = list_slots(patient, load.service, load.doctor.id, days=14)[-1]["starts_at"]
    booking = {"service_id": load.service["id"], "doctor_id": load.doctor.id, "starts_at": start}
    load.confirmed[wait(lambda: load.send_booking(patient, booking, "new"))["id"]] = start
    wait(lambda: platform.count_mails(patient.account["email"]) == 1)
    works_after = time.monotonic() - started
    load.finish()
    load.check_bookings()
    load.check_mails()
    assert platform.count_mails(patient.account["email"]) == 1
    for name in containers:
        log = docker("logs", "--since", f"{time.monotonic() - started:.0f}s", name)
        assert "server_ended_by_health_check" in log
        assert "Fatal Python error: Aborted" in log, "the log says what the server was doing"
    seconds = f"ended after {ended_after:.0f} s, all ready after {ready_after:.0f} s, booked and mailed after {works_after:.0f} s"
    logging.info("%s; %d bookings", seconds, len(load.confirmed))
    assert works_after <= RECOVERY_SECONDS
