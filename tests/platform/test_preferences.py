"""Preferences and the links in mails, from the choice to the mail that no longer comes, through the gateway."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from shared.contracts.values import format_instant
from tests.platform.accounts import (
    PASSWORD,
    User,
    book,
    create_doctor,
    create_service_type,
    list_slots,
    register_patient,
    sign_in,
    sign_in_admin,
)
from tests.platform.houses import Embedded

PREFERENCES, DOCTORS_PREFERENCES = "/patients/me/preferences", "/doctors/me/preferences"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def move_clock_to(clinic: Embedded, instant: datetime) -> None:
    httpx.put(f"{clinic.url}/dev/clock", json={"now": format_instant(instant)}, timeout=60).raise_for_status()
    clinic.run_until_idle()


def unsubscribe_links(clinic: Embedded, email: str) -> list[str]:
    """Return the links in the mails to an address, the oldest first."""
    texts = [mail["text"] for mail in clinic.mails() if email in mail["to"]]
    return [link for text in texts for link in re.findall(r"https?://\S+/unsubscribe/\S+", text)]


def replace_preferences(user: User, path: str, **changes: Any) -> dict[str, Any]:
    read = user.request("GET", path)
    replaced: dict[str, Any] = user.request("PUT", path, read | changes, if_match=read["version"])
    return replaced


def test_a_patient_chooses_a_reminder_and_ends_all_with_the_link_in_it(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data") as clinic:
        admin = sign_in_admin(clinic)
        service = create_service_type(admin)
        doctor, patient = create_doctor(admin, service), register_patient(clinic)
        chosen = replace_preferences(patient, PREFERENCES, reminder_offsets_minutes=[120], locale="de")
        clinic.run_until_idle()
        told = [patient.request("GET", path)["locale"] for path in ("/patients/me", "/auth/me", PREFERENCES)]
        assert (chosen["version"], told) == (2, ["de"] * 3), "one language per person"
        slots = [slot["starts_at"] for slot in list_slots(patient, service, doctor.id)]
        first, second = slots[0], slots[-1]
        for starts_at in (first, second):
            book(patient, service, doctor, starts_at)
        clinic.run_until_idle()
        move_clock_to(clinic, datetime.fromisoformat(first) - timedelta(minutes=120))
        (link,) = unsubscribe_links(clinic, patient.account["email"])
        path = link.removeprefix(link.partition("/unsubscribe")[0])
        reader = User(clinic)
        page = reader.http.get(path, headers={"Accept": "text/html", "Accept-Language": "de"})
        assert (page.status_code, page.headers["content-language"]) == (200, "de")
        patient = sign_in(clinic, patient.account["email"], PASSWORD)
        assert patient.request("GET", PREFERENCES)["reminder_offsets_minutes"] == [120]
        for _ in range(2):
            assert reader.http.post(path, data=ONE_CLICK).status_code == 200
        ended = patient.request("GET", PREFERENCES)
        assert ended == chosen | {"reminder_offsets_minutes": [], "version": 3}
        clinic.run_until_idle()
        move_clock_to(clinic, datetime.fromisoformat(second) - timedelta(minutes=60))
        assert len(unsubscribe_links(clinic, patient.account["email"])) == 1


def test_a_doctor_chooses_the_digest_and_ends_it_with_the_link_in_it(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data") as clinic:
        admin = sign_in_admin(clinic)
        service = create_service_type(admin)
        doctor, patient = create_doctor(admin, service, time_zone="UTC"), register_patient(clinic)
        assert replace_preferences(doctor, DOCTORS_PREFERENCES, daily_digest=True) == {"daily_digest": True, "version": 2}
        evening = datetime.now(UTC).replace(hour=18, minute=5, second=0, microsecond=0) + timedelta(days=1)
        visits = [evening.replace(hour=9, minute=0) + timedelta(days=day) for day in (1, 2)]
        for visit in visits:
            book(patient, service, doctor, format_instant(visit))
        clinic.run_until_idle()
        move_clock_to(clinic, evening)
        (link,) = unsubscribe_links(clinic, doctor.account["email"])
        path = link.removeprefix(link.partition("/unsubscribe")[0])
        reader = User(clinic)
        answer = reader.http.post(path, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()) == (200, {"kind": "digest"})
        doctor = sign_in(clinic, doctor.account["email"], PASSWORD)
        assert doctor.request("GET", DOCTORS_PREFERENCES) == {"daily_digest": False, "version": 3}
        move_clock_to(clinic, evening + timedelta(days=1))
        assert len(unsubscribe_links(clinic, doctor.account["email"])) == 1
