"""Patients who book all the while, and the books that must balance afterwards."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from typing import Any

import httpx

from tests.platform.houses import PATIENCE_SECONDS, House, eventually
from tests.platform.people import Person, admin_of, doctor_of, patient_of, service_of, slots


class Rush:
    """Some patients book one slot after another with an Idempotency-Key each, and send again what got no answer."""

    def __init__(self, house: House, patients: int = 4, wishes: int = 15) -> None:
        self.house, self.admin = house, admin_of(house)
        self.service = service_of(self.admin)
        self.doctor = doctor_of(self.admin, self.service)
        self.patients = [patient_of(house) for _ in range(patients)]
        starts = [slot["starts_at"] for slot in slots(self.admin, self.service, self.doctor.id, days=7)][::2]
        self.plans = [starts[number::patients][:wishes] for number in range(patients)]
        self.confirmed: dict[str, str] = {}
        self.answered = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._book, args=pair, daemon=True) for pair in zip(self.patients, self.plans, strict=True)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for(self, answers: int) -> None:
        """Returns after that many more answers."""
        for _ in range(answers):
            assert self.answered.acquire(timeout=PATIENCE_SECONDS), "nobody gets an answer any more"

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(3 * PATIENCE_SECONDS)
            assert not thread.is_alive()

    def _book(self, patient: Person, starts: list[str]) -> None:
        for number, start in enumerate(starts):
            wish = {"service_id": self.service["id"], "doctor_id": self.doctor.id, "starts_at": start}
            answer = eventually(partial(self._sent, patient, wish, f"{number}"), seconds=2 * PATIENCE_SECONDS)
            self.confirmed[answer["id"]] = start
            self.answered.release()

    def _sent(self, patient: Person, wish: dict[str, Any], key: str) -> dict[str, Any] | None:
        answer = patient.http.post("/appointments", json=wish, headers={"Idempotency-Key": key})
        if answer.status_code in (201, 202):
            body: dict[str, Any] = answer.json()
            return body
        expected = answer.status_code in (500, 502, 503) or answer.json()["code"] in ("request_in_progress", "too_many_active")
        assert expected, answer.text
        return None

    def appointments(self) -> list[dict[str, Any]]:
        """All of this doctor's, as an admin sees them."""
        items, after = [], None
        while True:
            page = self.admin.ask("GET", "/admin/appointments", doctor_id=self.doctor.id, limit=100, **({"after": after} if after else {}))
            items += page["items"]
            after = page["next"]
            if not after:
                return items

    def balance(self) -> None:
        """Every confirmed wish is booked once at its time, nothing is pending, no time is sold twice, and what is not booked is free."""
        self.admin = admin_of(self.house)
        eventually(lambda: {item["status"] for item in self.appointments()} == {"booked"}, seconds=2 * PATIENCE_SECONDS)
        standing = {item["id"]: item["starts_at"] for item in self.appointments()}
        assert standing == self.confirmed
        assert max(Counter(standing.values()).values()) == 1
        free = {slot["starts_at"] for slot in slots(self.admin, self.service, self.doctor.id, days=7)}
        assert not free & set(standing.values())

    def mailed_once(self) -> None:
        """Each patient has one mail per appointment, no more."""
        wanted = Counter({patient.account["email"]: len(plan) for patient, plan in zip(self.patients, self.plans, strict=True)})

        def counted() -> Counter[str]:
            return Counter(email for mail in self.house.mails() for email in wanted if email in mail["to"])

        def arrived() -> bool:
            try:
                return counted() >= wanted
            except httpx.HTTPError:
                return False

        eventually(arrived)
        assert counted() == wanted
