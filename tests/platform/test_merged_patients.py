"""Two patients are merged while both book: whatever comes first, every visit is the target's in the end, with its time in the calendar."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx

from tests.platform.accounts import User, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Embedded, Platform, wait_until

BOOKINGS, WORKERS = 6, 4
UNTIL_LATE_BOOKINGS_FOLLOW = 300
"""Seconds. A booking that was under way during the merge follows a minute later."""


@dataclass
class MergedClinic:
    """Two doctors, a target with an account, and a walk-in patient who is merged into the target."""

    admin: User
    target: User
    service: dict[str, Any]
    doctors: tuple[User, User]
    walk_in: str

    @classmethod
    def on(cls, platform: Platform) -> MergedClinic:
        admin = sign_in_admin(platform)
        service = create_service_type(admin, slot_step_minutes=30)
        doctors = create_doctor(admin, service), create_doctor(admin, service)
        walk_in = admin.request("POST", "/patients", {"full_name": "Kim Walker"}, status=201)
        return cls(admin, register_patient(platform, "Kim Walker"), service, doctors, str(walk_in["id"]))

    def starts(self) -> list[str]:
        """Return starts that are free with both doctors."""
        first, second = ([slot["starts_at"] for slot in list_slots(self.admin, self.service, doctor.id)] for doctor in self.doctors)
        return [start for start in first if start in second]

    def post(self, by: User, start: str, doctor: int, patient_id: str | None = None) -> httpx.Response:
        body = {"service_id": self.service["id"], "doctor_id": self.doctors[doctor].id, "starts_at": start}
        return by.http.post("/appointments", json=body | ({"patient_id": patient_id} if patient_id else {}))

    def merge(self) -> httpx.Response:
        return self.admin.http.post(f"/patients/{self.walk_in}/merge", json={"into": self.target.id})

    def visits_of(self, patient_id: str) -> list[dict[str, Any]]:
        """Return the booked visits that staff find under an id. Under the old id they find those of the target after the merge."""
        page = self.admin.request("GET", f"/appointments?patient_id={patient_id}&status=booked&limit=100")
        assert page["next"] is None
        return list(page["items"])

    def are_followed(self, ids: set[str]) -> bool:
        """Return whether no visit is the old patient's any more, and all of these are the target's in its lists and the booking history."""
        history = self.target.request("GET", f"/patients/{self.target.id}/appointments", limit=100)["items"]
        shown = {visit["appointment_id"] for visit in history if visit["status"] == "booked"}
        under_old_id = {visit["id"] for visit in self.visits_of(self.walk_in) if visit["patient_id"] == self.target.id}
        listed = [visit["id"] for visit in self.visits_of(self.target.id)]
        return len(listed) == len(self.visits_of(self.walk_in)) and set(listed) == under_old_id == shown == ids

    def wait_until_followed(self, ids: set[str]) -> None:
        if isinstance(self.admin.platform, Embedded):
            now = datetime.fromisoformat(self.admin.request("GET", "/dev/clock")["now"])
            self.admin.request("PUT", "/dev/clock", {"now": (now + timedelta(minutes=2)).astimezone(UTC).isoformat()})
            self.admin.platform.run_until_idle()
        wait_until(lambda: self.are_followed(ids), seconds=UNTIL_LATE_BOOKINGS_FOLLOW)

    def is_busy(self, start: str, doctor: int) -> bool:
        """Return whether the target cannot book a start with a doctor because of another visit of their own."""
        reasons = self.target.request(
            "GET", "/slots/explain", service_id=self.service["id"], doctor_id=self.doctors[doctor].id, starts_at=start
        )["reasons"]
        return "patient_busy" in [reason["code"] for reason in reasons]

    def can_be_booked(self, start: str) -> bool:
        """Book a start for the target, and return whether that was possible."""
        return self.post(self.target, start, 0).is_success

    def settled(self, appointment_id: str) -> dict[str, Any]:
        """Return an appointment once the calendar has answered."""

        def read() -> dict[str, Any] | None:
            visit: dict[str, Any] = self.admin.request("GET", f"/appointments/{appointment_id}")
            return None if visit["status"] == "pending" else visit

        found: dict[str, Any] = wait_until(read)
        return found

    def cancel(self, visit: dict[str, Any]) -> None:
        self.admin.request("POST", f"/appointments/{visit['id']}/cancel", {})


def race(clinic: MergedClinic, starts: list[str], others: list[str]) -> tuple[httpx.Response, list[dict[str, Any]]]:
    """Book for the old patient at `starts` and for the target at `others` while they are merged; return the merge and what was booked."""
    ready = threading.Barrier(WORKERS)

    def begin_together(work: Any, *arguments: Any) -> httpx.Response:
        ready.wait(30)
        response: httpx.Response = work(*arguments)
        return response

    with ThreadPoolExecutor(WORKERS) as pool:
        bookings: list[Future[httpx.Response]] = [
            pool.submit(begin_together, clinic.post, clinic.admin, starts[0], 0, clinic.walk_in),
            pool.submit(begin_together, clinic.post, clinic.admin, starts[1], 0, clinic.walk_in),
            pool.submit(begin_together, clinic.post, clinic.target, others[0], 1),
        ]
        merging = pool.submit(begin_together, clinic.merge)
        bookings += [pool.submit(clinic.post, clinic.admin, start, 0, clinic.walk_in) for start in starts[2:]]
        bookings += [pool.submit(clinic.post, clinic.target, start, 1) for start in others[1:]]
        responses = [booking.result() for booking in bookings]
    assert {response.status_code for response in responses} <= {201, 202, 404, 409}, [response.text for response in responses]
    settled = [clinic.settled(response.json()["id"]) for response in responses if response.is_success]
    return merging.result(), [visit for visit in settled if visit["status"] == "booked"]


def test_bookings_during_a_merge_are_the_targets_in_the_end_and_the_old_id_can_book_nothing(platform: Platform) -> None:
    clinic = MergedClinic.on(platform)
    starts = clinic.starts()
    early = clinic.post(clinic.admin, starts[0], 0, clinic.walk_in).json()
    merged, booked = race(clinic, starts[2 : 2 + BOOKINGS], starts[20:22])
    assert merged.status_code == 200, merged.text
    refused = clinic.post(clinic.admin, starts[30], 0, clinic.walk_in)
    assert (refused.status_code, refused.json()["code"]) == (404, "patient_merged")
    visits = [early, *booked]
    clinic.wait_until_followed({visit["id"] for visit in visits})

    wait_until(
        lambda: all(clinic.is_busy(visit["starts_at"], doctor=0) for visit in booked if visit["doctor"]["id"] == clinic.doctors[1].id)
    )
    own = [visit for visit in visits if visit["doctor"]["id"] == clinic.doctors[0].id]
    wait_until(lambda: all(clinic.is_busy(visit["starts_at"], doctor=1) for visit in own))
    for visit in visits:
        clinic.cancel(visit)
    wait_until(lambda: not any(clinic.is_busy(visit["starts_at"], doctor) for visit in visits for doctor in (0, 1)))
    again = clinic.post(clinic.target, early["starts_at"], 0)
    assert again.is_success, again.text
    assert again.json()["patient_id"] == clinic.target.id


def test_bookings_of_both_at_the_same_times_during_a_merge_are_kept_or_prevent_it(platform: Platform) -> None:
    """The merge is refused where it sees both visits. Where one was under way, both are kept, and the time is free once both have ended."""
    clinic = MergedClinic.on(platform)
    starts = clinic.starts()[:BOOKINGS]
    merged, booked = race(clinic, starts, starts)
    if merged.status_code != 200:
        assert (merged.status_code, merged.json()["code"]) == (409, "visits_overlap")
        for visit in clinic.visits_of(clinic.walk_in):
            assert visit["patient_id"] == clinic.walk_in, "the merge was refused"
            clinic.cancel(visit)
        booked = [visit for visit in booked if visit["patient_id"] == clinic.target.id]
        assert clinic.merge().status_code == 200
    clinic.wait_until_followed({visit["id"] for visit in booked})

    for doctor in clinic.doctors:
        with_doctor = [visit["starts_at"] for visit in booked if visit["doctor"]["id"] == doctor.id]
        assert len(with_doctor) == len(set(with_doctor)), "no doctor is booked twice"
    for visit in booked:
        assert clinic.post(clinic.target, visit["starts_at"], 0).status_code == 409
    for visit in booked:
        clinic.cancel(visit)
    for start in starts:
        wait_until(partial(clinic.can_be_booked, start))


def test_from_the_answer_to_a_merge_on_the_target_cannot_be_booked_at_a_time_of_the_source(platform: Platform) -> None:
    """No event has to arrive before: the calendar knows the merge when the admin does. Afterwards the appointment follows as all do."""
    clinic = MergedClinic.on(platform)
    start = clinic.starts()[0]
    visit = clinic.settled(clinic.post(clinic.admin, start, 0, clinic.walk_in).json()["id"])
    assert clinic.merge().status_code == 200
    refused = clinic.post(clinic.target, start, 1)
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_busy")
    assert clinic.is_busy(start, 1)
    clinic.wait_until_followed({visit["id"]})
    again = clinic.post(clinic.target, start, 1)
    assert (again.status_code, again.json()["code"]) == (409, "patient_busy")
