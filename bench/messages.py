"""Compares the cost of bookings and their mails with that of a yardstick: `.venv/bin/python -m bench.messages FOLDER`.

FOLDER has the yardstick, a clinic of the same architecture in another framework: its `bench.py` prints the processor time of each of its
processes per booking. It runs with the Python of the virtual environment that SEED_VENV names; without it, one is made. It needs nginx.

Both run over the servers that `make servers` started, in turn, with a process for each service; processor time comes from the kernel.
Other work on the machine makes single figures uncertain: compare the ratios. Of Careslot, the time that its processes use while nothing
happens is measured after the bookings and shown by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from shared.contracts.identity import Service
from tests.platform.houses import ADMIN, Distributed, wait_until
from tests.servers import known_urls, use_servers

PACKAGES = "django djangorestframework gunicorn requests pika pymongo PyJWT PyMySQL<1.2 jinja2 aiohttp aiosmtpd cryptography"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
WARM_UP_SECONDS, IDLE_SECONDS, DRAIN_SECONDS, MAX_DRAIN_SECONDS = 5.0, 5.0, 3.0, 120.0
DOCTORS, MAILS_PER_BOOKING = 40, 2
OWNERS = (Service.PATIENT, Service.DOCTOR, Service.AUTH)
"""The services that notification-service asks for contacts."""
MAX_MAILER_RATIO, MAX_QUESTIONS_RATIO, MAX_BOOKING_RATIO = 1.5, 0.1, 2.0


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and its children, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    children = [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND + sum(map(processor_seconds, children))


@dataclass(frozen=True)
class Yardstick:
    """Milliseconds of processor time per booking: of all processes but the servers, and of the process that sends the mails."""

    booking: float
    mailer: float


def measure_yardstick(folder: Path, python: Path, seconds: float, clients: int) -> Yardstick:
    """Run the yardstick. Raises CalledProcessError when it fails."""
    command = [str(python), str(folder / "bench.py"), str(seconds), str(clients)]
    output = subprocess.run(command, env=os.environ | known_urls(), capture_output=True, text=True, check=True).stdout
    bookings = output.split("==")[1]
    print("==" + bookings.rstrip())
    total, mailer = re.search(r"([\d.]+) ms a request", bookings), re.search(r"mailer ([\d.]+)", bookings)
    assert total is not None
    assert mailer is not None
    return Yardstick(float(total[1]), float(mailer[1]))


@contextmanager
def yardstick_python() -> Iterator[Path]:
    """Yield the Python that runs the yardstick."""
    if os.environ.get("SEED_VENV"):
        yield Path(os.environ["SEED_VENV"]) / "bin" / "python"
        return
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        subprocess.run([f"{folder}/bin/pip", "install", "-q", *PACKAGES.split()], check=True)
        yield Path(folder) / "bin" / "python"


@dataclass(frozen=True)
class Bookings:
    """What some bookings cost: milliseconds of processor time per booking by service, without what the processes use while idle."""

    count: int
    milliseconds: dict[Service, float]
    idle: dict[Service, float]

    @property
    def total(self) -> float:
        """Return the milliseconds of all services together."""
        return sum(self.milliseconds.values())


class MeasuredClinic:
    """A running platform with doctors who are always free, and a patient for each client."""

    def __init__(self, platform: Distributed, clients: int) -> None:
        self.platform, self.clients = platform, clients
        self.tokens, self.doctors, self.booked = list[str](), list[str](), 0
        self.service_id = ""
        self._first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)

    def fill(self) -> None:
        """Create the service type, the doctors and the patients."""
        with httpx.Client(base_url=self.platform.url, timeout=30) as http:
            login = http.post("/auth/login", json=ADMIN).raise_for_status().json()
            admin = {"Authorization": f"Bearer {login['access_token']}"}
            visit = {"name": "Visit", "specialty": "General", "duration_minutes": 15, "slot_step_minutes": 15, "horizon_days": 365}
            created = http.post("/services", json=visit | {"min_notice_minutes": 0}, headers=admin)
            self.service_id = created.raise_for_status().json()["id"]
            for number in range(DOCTORS):
                self._add_doctor(http, admin, number)
            for number in range(self.clients):
                patient = {"email": f"p{number}@x.example", "password": "a long enough pass phrase", "full_name": f"Patient {number}"}
                self.tokens.append(http.post("/auth/register", json=patient).raise_for_status().json()["access_token"])

    def _add_doctor(self, http: httpx.Client, admin: dict[str, str], number: int) -> None:
        profile = {"email": f"d{number}@x.example", "full_name": f"Doctor {number}", "time_zone": "UTC", "specialties": ["General"]}
        doctor = http.post("/doctors", json=profile | {"services": [self.service_id]}, headers=admin).raise_for_status().json()
        path = f"/doctors/{doctor['id']}/schedules"
        weekly = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]
        version = http.get(path).raise_for_status().json()["version"]
        http.put(path, json={"weekly": weekly}, headers=admin | {"If-Match": f'"{version}"'}).raise_for_status()
        self.doctors.append(doctor["id"])

    async def book(self, seconds: float) -> int:
        """Let every client book one visit after another; return the number of bookings."""
        stop, before = time.monotonic() + seconds, self.booked
        async with httpx.AsyncClient(base_url=self.platform.url, timeout=30) as http:
            await asyncio.gather(*(self._book_until(http, client, before, stop) for client in range(self.clients)))
        return self.booked - before

    async def _book_until(self, http: httpx.AsyncClient, client: int, first: int, stop: float) -> None:
        number = first
        while time.monotonic() < stop:
            starts_at = (self._first + timedelta(minutes=15 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")
            visit = {"service_id": self.service_id, "doctor_id": self.doctors[client % DOCTORS], "starts_at": starts_at}
            headers = {"Authorization": f"Bearer {self.tokens[client]}", "Idempotency-Key": f"{client}-{number}"}
            response = await http.post("/appointments", json=visit, headers=headers)
            self.booked += response.status_code == 201
            number += 1

    def processor_seconds(self) -> dict[Service, float]:
        """Return the processor time that each service has used so far."""
        return {service: processor_seconds(process._child.pid) for (service, _), process in self.platform.processes.items()}

    def wait_for_mails(self) -> None:
        """Wait until every booking has its mails, and for what follows them. Raises AssertionError when they do not come."""
        wait_until(lambda: len(self.platform.smtp.messages) >= MAILS_PER_BOOKING * self.booked, MAX_DRAIN_SECONDS)


def measure_bookings(clinic: MeasuredClinic, seconds: float, *, has_mails: bool) -> Bookings:
    """Book for some seconds, wait until all mails have been sent, and return what it cost."""
    before, started_at = clinic.processor_seconds(), time.monotonic()
    count = asyncio.run(clinic.book(seconds))
    if has_mails:
        clinic.wait_for_mails()
    time.sleep(DRAIN_SECONDS)
    after, elapsed = clinic.processor_seconds(), time.monotonic() - started_at
    time.sleep(IDLE_SECONDS)
    after_idle = clinic.processor_seconds()
    idle = {service: (after_idle[service] - after[service]) / IDLE_SECONDS * elapsed / count * 1000 for service in before}
    used = {service: (after[service] - before[service]) / count * 1000 - idle[service] for service in before}
    return Bookings(count, used, idle)


def measure_careslot(seconds: float, clients: int) -> tuple[Bookings, float]:
    """Return what bookings cost, and how much of that the questions of notification-service cost the services that it asks.

    The questions are what these services use more than while notification-service is away.
    """
    with tempfile.TemporaryDirectory() as folder:
        platform = Distributed(Path(folder))
        platform.environment |= {"GATEWAY_RATE_SCALE": "100000", "APPOINTMENT_MOST_ACTIVE": "10000"}
        platform.start()
        try:
            clinic = MeasuredClinic(platform, clients)
            clinic.fill()
            asyncio.run(clinic.book(WARM_UP_SECONDS))
            clinic.wait_for_mails()
            whole = measure_bookings(clinic, seconds, has_mails=True)
            notification = platform.processes.pop((Service.NOTIFICATION, 0))
            notification.end()
            silent = measure_bookings(clinic, seconds, has_mails=False)
            questions = sum(whole.milliseconds[owner] - silent.milliseconds[owner] for owner in OWNERS)
            return whole, questions
        finally:
            platform.end()


def show(bookings: Bookings) -> None:
    """Print the milliseconds of each service."""
    print(f"== Careslot: {bookings.count} bookings, {bookings.total:.2f} ms each, and {sum(bookings.idle.values()):.2f} ms of idle time")
    shares = sorted(bookings.milliseconds.items(), key=lambda share: -share[1])
    print("   " + ", ".join(f"{service} {milliseconds:.2f}" for service, milliseconds in shares))


def main() -> None:
    """Measure both in turn, and print the ratios and their goals. Exits with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the yardstick")
    parser.add_argument("--seconds", type=float, default=8, help="of bookings in each round")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    use_servers("MYSQL", "MONGO", "AMQP")
    ratios: dict[str, list[float]] = {"notification-service / mailer": [], "its questions / mailer": [], "booking / booking": []}
    with yardstick_python() as python:
        for _ in range(options.rounds):
            yardstick = measure_yardstick(options.folder.resolve(), python, options.seconds, options.clients)
            whole, questions = measure_careslot(options.seconds, options.clients)
            show(whole)
            values: list[Any] = [whole.milliseconds[Service.NOTIFICATION] / yardstick.mailer, questions / yardstick.mailer]
            for name, value in zip(ratios, [*values, whole.total / yardstick.booking], strict=True):
                ratios[name].append(value)
    goals = (MAX_MAILER_RATIO, MAX_QUESTIONS_RATIO, MAX_BOOKING_RATIO)
    medians = {name: median(values) for name, values in ratios.items()}
    for (name, value), goal in zip(medians.items(), goals, strict=True):
        print(f"{name}: {value:.2f} (at most {goal})")
    sys.exit(any(value > goal for value, goal in zip(medians.values(), goals, strict=True)))


if __name__ == "__main__":
    main()
