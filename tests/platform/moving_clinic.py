"""Patients who book, move and cancel without pause, also times that others want, while the auditor reads the stores."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any

from tests.platform.accounts import User, create_doctor, create_service_type, list_slots, register_patient, sign_in, sign_in_admin
from tests.platform.houses import Platform

OUTCOMES = frozenset({200, 201, 202, 409, 503})
"""Granted, refused because others were faster or because the visit has another state, or overloaded."""
REQUESTS_PER_SIGN_IN = 150
"""An access token ends after some minutes; a patient signs in again before that."""


class MovingClinic:
    """Several patients compete for the times of two doctors, one of whom has groups. `counts` are the requests by verb and status."""

    def __init__(self, platform: Platform, patients: int = 4, seed: int = 1) -> None:
        self.platform, admin = platform, sign_in_admin(platform)
        self.services = [create_service_type(admin, buffer_after_minutes=5), create_service_type(admin, capacity=3)]
        self.doctors = [create_doctor(admin, *self.services) for _ in range(2)]
        self.starts = [slot["starts_at"] for slot in list_slots(admin, self.services[0], self.doctors[0].id, days=2)]
        self.patients = [register_patient(platform) for _ in range(patients)]
        self.counts, self.faults = Counter[tuple[str, int]](), list[str]()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(patient, random.Random(seed + number)), daemon=True)
            for number, patient in enumerate(self.patients)
        ]

    def __enter__(self) -> MovingClinic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def granted(self) -> int:
        """How many bookings, moves and cancellations were granted."""
        return sum(count for (_, status), count in self.counts.items() if status < 300)

    def _work(self, patient: User, rng: random.Random) -> None:
        try:
            visits = list[str]()
            while not self._stop.is_set():
                for _ in range(REQUESTS_PER_SIGN_IN):
                    if not self._stop.is_set():
                        self._act(patient, visits, rng)
                patient = sign_in(self.platform, patient.account["email"], "a long enough pass phrase")
        except Exception as error:
            self.faults.append(repr(error))

    def _act(self, patient: User, visits: list[str], rng: random.Random) -> None:
        """Book, or move or cancel one of the visits. A patient has at most ten."""
        start, chance = rng.choice(self.starts), rng.random()
        if not visits or (chance < 0.5 and len(visits) < 10):
            body = {"service_id": rng.choice(self.services)["id"], "doctor_id": rng.choice(self.doctors).id, "starts_at": start}
            answer = self._post("book", patient, "/appointments", body)
            if answer is not None:
                visits.append(answer["id"])
        elif chance < 0.8:
            self._post("move", patient, f"/appointments/{rng.choice(visits)}/reschedule", {"starts_at": start})
        else:
            self._post("cancel", patient, f"/appointments/{visits.pop(rng.randrange(len(visits)))}/cancel", {})

    def _post(self, verb: str, patient: User, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        response = patient.http.post(path, json=body)
        self.counts[verb, response.status_code] += 1
        if response.status_code not in OUTCOMES:
            self.faults.append(f"{verb}: {response.status_code} {response.text}")
        return response.json() if response.is_success else None
