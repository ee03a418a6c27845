"""Patients who book while a test causes a fault, and checks of the bookings and mails afterwards."""

from __future__ import annotations

import threading
import time
from collections import Counter
from functools import partial
from typing import Any

import httpx

from tests.platform.accounts import (
    User,
    create_doctor,
    create_service_type,
    list_slots,
    mails_but_reminders,
    register_patient,
    sign_in_admin,
)
from tests.platform.houses import TIMEOUT_SECONDS, Platform, wait_until


class BookingLoad:
    """Patients who book one slot after another, each with an Idempotency-Key, and repeat every request that got no response.

    Each patient waits `pause_seconds` after each booking.
    """

    def __init__(self, platform: Platform, patients: int = 4, bookings: int = 15, pause_seconds: float = 0) -> None:
        self.platform, self.admin, self.pause_seconds = platform, sign_in_admin(platform), pause_seconds
        self.service = create_service_type(self.admin)
        self.doctor = create_doctor(self.admin, self.service)
        self.patients = [register_patient(platform) for _ in range(patients)]
        starts = [slot["starts_at"] for slot in list_slots(self.admin, self.service, self.doctor.id, days=7)][::2]
        self.starts = [starts[number::patients][:bookings] for number in range(patients)]
        self.confirmed: dict[str, str] = {}
        self.responses = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._book, args=arguments, daemon=True) for arguments in zip(self.patients, self.starts, strict=True)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for_responses(self, count: int) -> None:
        """Wait until `count` more bookings were confirmed."""
        for _ in range(count):
            assert self.responses.acquire(timeout=TIMEOUT_SECONDS), "no booking was answered in time"

    def finish(self) -> None:
        """Wait until every patient has made all bookings."""
        for thread in self._threads:
            thread.join(3 * TIMEOUT_SECONDS)
            assert not thread.is_alive()

    def _book(self, patient: User, starts: list[str]) -> None:
        for number, start in enumerate(starts):
            booking = {"service_id": self.service["id"], "doctor_id": self.doctor.id, "starts_at": start}
            response = wait_until(partial(self.send_booking, patient, booking, f"{number}"), seconds=2 * TIMEOUT_SECONDS)
            self.confirmed[response["id"]] = start
            self.responses.release()
            time.sleep(self.pause_seconds)

    def send_booking(self, patient: User, booking: dict[str, Any], key: str) -> dict[str, Any] | None:
        """Return the appointment, or None when the request has to be repeated."""
        response = patient.http.post("/appointments", json=booking, headers={"Idempotency-Key": key})
        if response.status_code in (201, 202):
            body: dict[str, Any] = response.json()
            return body
        expected = response.status_code in (500, 502, 503) or response.json()["code"] in ("request_in_progress", "too_many_active")
        assert expected, response.text
        return None

    def appointments(self) -> list[dict[str, Any]]:
        """List all appointments of the doctor, as an admin."""
        items, after = [], None
        while True:
            page = self.admin.request(
                "GET", "/admin/appointments", doctor_id=self.doctor.id, limit=100, **({"after": after} if after else {})
            )
            items += page["items"]
            after = page["next"]
            if not after:
                return items

    def check_bookings(self) -> None:
        """Assert that the booked appointments are the confirmed ones, that no time is booked twice, and that no booked time is free."""
        self.admin = sign_in_admin(self.platform)
        wait_until(lambda: {item["status"] for item in self.appointments()} == {"booked"}, seconds=2 * TIMEOUT_SECONDS)
        booked = {item["id"]: item["starts_at"] for item in self.appointments()}
        assert booked == self.confirmed
        assert max(Counter(booked.values()).values()) == 1
        free = {slot["starts_at"] for slot in list_slots(self.admin, self.service, self.doctor.id, days=7)}
        assert not free & set(booked.values())

    def check_mails(self) -> None:
        """Assert that each patient got exactly one mail for each appointment, beside reminders."""
        expected = Counter({patient.account["email"]: len(plan) for patient, plan in zip(self.patients, self.starts, strict=True)})

        def received() -> Counter[str]:
            return Counter(email for mail in mails_but_reminders(self.platform) for email in expected if email in mail["to"])

        def arrived() -> bool:
            try:
                return received() >= expected
            except httpx.HTTPError:
                return False

        wait_until(arrived)
        assert received() == expected
