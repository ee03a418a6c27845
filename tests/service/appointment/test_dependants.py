"""Guardians book, read, move and cancel for their dependants; the matrix of relations and routes; and what a former guardian can do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.service.appointment.clinic import ADMIN, ANNA, BO, DESK, DR_GRAU, DR_WEISS, RunningClinic
from tests.tokens import bearer
from tests.unit.appointment.builders import COLLEAGUE, NINE, PATIENT, STRANGER, TEN, a_patient

MIA, SECOND_GUARDIAN = UUID(int=0xD1), UUID(int=0xD2)
CARL = bearer(Role.PATIENT, SECOND_GUARDIAN)
FOR_MIA = {"patient_id": str(MIA)}
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def mia(clinic: RunningClinic) -> None:
    """Mia is a dependant of Anna and Carl."""
    let_act(clinic, PATIENT, SECOND_GUARDIAN)


def let_act(clinic: RunningClinic, *guardian_ids: UUID) -> None:
    """Replace the guardians of Mia, as patient-service knows them."""
    clinic.upstreams.patients[MIA] = a_patient(id=MIA, full_name="Mia Ames", guardian_ids=list(guardian_ids))


async def request(clinic: RunningClinic, method: str, appointment: dict[str, Any], action: str, caller: dict[str, str]) -> httpx.Response:
    """Send a request that is legal for an appointment as it is."""
    bodies: dict[str, dict[str, Any]] = {"reschedule": {"starts_at": format_instant(TEN + DAY)}, "": {"reason": "Cough"}}
    path = f"/appointments/{appointment['id']}" + (f"/{action}" if action else "")
    headers = caller | ({"If-Match": f'"{appointment["version"]}"'} if method == "PATCH" else {})
    body = bodies.get(action) if method in ("POST", "PATCH") else None
    return await clinic.service.http.request(method, path, json=body, headers=headers)


async def listed(clinic: RunningClinic, caller: dict[str, str], query: str = "") -> list[str]:
    response = await clinic.get(f"/appointments?{query}", caller)
    assert response.status_code == 200, response.text
    assert response.json()["complete"] is True
    return [item["id"] for item in response.json()["items"]]


async def test_a_guardian_books_for_a_dependant_and_both_are_recorded(clinic: RunningClinic) -> None:
    booked = await clinic.booked(ANNA, **FOR_MIA)
    assert (booked["patient_id"], booked["patient"]["full_name"]) == (str(MIA), "Mia Ames")
    assert booked["booked_by"] == {"id": str(PATIENT), "role": "patient"}
    history = (await clinic.get(f"/appointments/{booked['id']}/history", CARL)).json()["items"]
    assert history[0]["actor"] == {"id": str(PATIENT), "role": "patient"}
    assert (clinic.upstreams.reserve_bodies[-1]["patient_id"], clinic.upstreams.reserve_bodies[-1]["by"]["id"]) == (str(MIA), str(PATIENT))
    await clinic.service.run_until_idle()
    (event,) = clinic.service.published
    assert (str(event.patient_id), str(event.actor.id)) == (str(MIA), str(PATIENT))  # type: ignore[attr-defined]
    desk = await clinic.booked(DESK, **FOR_MIA, starts_at=format_instant(TEN))
    assert desk["booked_by"]["role"] == "reception"


async def test_who_booked_is_known_while_the_calendar_has_not_answered(clinic: RunningClinic) -> None:
    clinic.upstreams.down.add("scheduling-service")
    pending = await clinic.booked(ANNA, **FOR_MIA)
    assert (pending["status"], pending["booked_by"]["id"]) == ("pending", str(PATIENT))


async def test_the_limits_are_the_dependants(clinic: RunningClinic) -> None:
    for number in range(20):
        assert (await clinic.book(ANNA, starts_at=format_instant(NINE + number * DAY))).status_code == 201
    refused = await clinic.book(ANNA, starts_at=format_instant(TEN))
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_active")
    assert (await clinic.book(ANNA, **FOR_MIA, starts_at=format_instant(TEN))).status_code == 201
    for number in range(1, 20):
        assert (await clinic.book(CARL, **FOR_MIA, starts_at=format_instant(TEN + number * DAY))).status_code == 201
    assert (await clinic.book(ANNA, **FOR_MIA, starts_at=format_instant(TEN + 20 * DAY))).json()["code"] == "too_many_active"


async def test_a_guardian_is_listed_the_appointments_of_the_dependants_too(clinic: RunningClinic) -> None:
    own, mias = await clinic.booked(ANNA), await clinic.booked(CARL, **FOR_MIA, starts_at=format_instant(TEN))
    strangers = await clinic.booked(BO, starts_at=format_instant(TEN), doctor_id=str(COLLEAGUE))
    assert await listed(clinic, ANNA) == [own["id"], mias["id"]]
    assert await listed(clinic, ANNA, f"patient_id={MIA}") == [mias["id"]]
    assert await listed(clinic, ANNA, f"patient_id={PATIENT}") == [own["id"]]
    assert await listed(clinic, ANNA, f"patient_id={STRANGER}") == []
    assert await listed(clinic, ANNA, f"patient_id={STRANGER}&patient_id={MIA}") == [mias["id"]]
    assert await listed(clinic, CARL) == [mias["id"]]
    assert await listed(clinic, BO) == [strangers["id"]]
    first = await clinic.get("/appointments?limit=1", ANNA)
    assert [item["id"] for item in (await clinic.get(first.links["next"]["url"], ANNA)).json()["items"]] == [mias["id"]]


async def test_without_an_answer_of_patient_service_the_own_appointments_are_listed_and_the_list_says_so(clinic: RunningClinic) -> None:
    own, mias = await clinic.booked(ANNA), await clinic.booked(ANNA, **FOR_MIA, starts_at=format_instant(TEN))
    clinic.upstreams.down.add("patient-service")
    partial = (await clinic.get("/appointments", ANNA)).json()
    assert ([item["id"] for item in partial["items"]], partial["complete"]) == ([own["id"]], False)
    assert await listed(clinic, ANNA, f"patient_id={PATIENT}") == [own["id"]]
    assert await listed(clinic, DESK) == [own["id"], mias["id"]]
    assert (await clinic.get(f"/appointments/{own['id']}", ANNA)).status_code == 200
    assert (await clinic.get(f"/appointments/{mias['id']}", ANNA)).status_code == 503


ROUTES = [
    ("GET", ""),
    ("GET", "history"),
    ("GET", "calendar.ics"),
    ("PATCH", ""),
    ("POST", "reschedule"),
    ("POST", "cancel"),
    ("POST", "check-in"),
    ("POST", "reassign"),
]


@pytest.mark.parametrize(("method", "action"), ROUTES, ids=[f"{method} {action or 'appointment'}" for method, action in ROUTES])
async def test_the_matrix_of_relations_and_routes(clinic: RunningClinic, method: str, action: str) -> None:
    """Guardians do what a patient may do; former guardians, other patients and other doctors get 404, also for what is the clinic's."""
    former = bearer(Role.PATIENT, UUID(int=0xD3))
    is_clinics = action in ("check-in", "reassign")
    patient_status = 403 if is_clinics else 200
    callers = [(CARL, patient_status), (ANNA, patient_status), (former, 403 if is_clinics else 404), (BO, 403 if is_clinics else 404)]
    callers += [(DR_GRAU, 403 if action == "reassign" else 404)]
    let_act(clinic, PATIENT, SECOND_GUARDIAN, UUID(int=0xD3))
    clinic.service.clock.set(NINE - timedelta(hours=30))
    appointment = await clinic.booked(former, **FOR_MIA, starts_at=format_instant(TEN))
    let_act(clinic, PATIENT, SECOND_GUARDIAN)
    for caller, status in callers:
        response = await request(clinic, method, appointment, action, caller)
        assert response.status_code == status, (status, response.text)
        if status == 404:
            assert response.json()["code"] == "no_such_appointment"
        appointment = (await clinic.get(f"/appointments/{appointment['id']}", ADMIN)).json()
    assert (await request(clinic, "GET", appointment, "", DR_WEISS)).status_code == 200


async def test_a_former_guardian_neither_books_nor_reads_nor_changes_from_the_next_request_on(clinic: RunningClinic) -> None:
    appointment = await clinic.booked(CARL, **FOR_MIA)
    let_act(clinic, PATIENT)
    refused = await clinic.book(CARL, **FOR_MIA, starts_at=format_instant(TEN))
    assert (refused.status_code, refused.json()["code"]) == (404, "no_such_patient")
    for method, action in (
        ("GET", ""),
        ("GET", "history"),
        ("GET", "calendar.ics"),
        ("PATCH", ""),
        ("POST", "reschedule"),
        ("POST", "cancel"),
    ):
        assert (await request(clinic, method, appointment, action, CARL)).status_code == 404
    assert await listed(clinic, CARL) == []
    assert (await clinic.get(f"/appointments/{appointment['id']}", ANNA)).json()["version"] == appointment["version"]


async def test_a_former_guardian_who_repeats_a_request_gets_no_answer_about_the_patient(clinic: RunningClinic) -> None:
    async def send_all(keys: str = "k", **reason: str) -> list[httpx.Response]:
        keyed = CARL | {"Idempotency-Key": keys}
        booked = await clinic.book(keyed, **FOR_MIA, **reason)
        busy = await clinic.book(keyed | {"Idempotency-Key": "busy"}, **FOR_MIA, **reason)
        sent = [await request(clinic, "POST", appointment, action, keyed) for action in ("reschedule", "cancel")]
        return [booked, busy, *sent]

    appointment = (await clinic.book(CARL | {"Idempotency-Key": "k"}, **FOR_MIA, reason="Rash")).json()
    first, again = [await send_all(reason="Rash") for _ in range(2)]
    assert [answer.status_code for answer in first] == [201, 409, 200, 200]
    assert [answer.content for answer in again] == [answer.content for answer in first]
    assert [answer.headers["idempotent-replayed"] for answer in again] == ["true"] * 4
    let_act(clinic, PATIENT)
    refused = await send_all(reason="Rash")
    assert [answer.status_code for answer in refused] == [404] * 4
    assert [answer.json()["code"] for answer in refused] == ["no_such_patient"] * 2 + ["no_such_appointment"] * 2
    let_act(clinic, SECOND_GUARDIAN)
    assert [answer.content for answer in await send_all(reason="Rash")] == [answer.content for answer in first]


async def test_a_former_guardian_whose_first_answer_was_not_stored_does_not_get_it_later(clinic: RunningClinic) -> None:
    keyed = CARL | {"Idempotency-Key": "k"}
    await clinic.book(keyed, **FOR_MIA)
    await clinic.service.app.state.idempotency.delete_mentioning(MIA)
    let_act(clinic, PATIENT)
    refused = await clinic.book(keyed, **FOR_MIA)
    assert (refused.status_code, refused.json()["code"]) == (404, "no_such_patient")


async def test_without_an_answer_of_patient_service_a_repeated_request_for_a_dependant_is_not_answered(clinic: RunningClinic) -> None:
    keyed, own = CARL | {"Idempotency-Key": "k"}, ANNA | {"Idempotency-Key": "k"}
    await clinic.book(keyed, **FOR_MIA)
    await clinic.book(own, starts_at=format_instant(TEN))
    clinic.upstreams.down = {"patient-service"}
    assert (await clinic.book(keyed, **FOR_MIA)).status_code == 503
    assert (await clinic.book(own, starts_at=format_instant(TEN))).headers["idempotent-replayed"] == "true"


async def test_a_doctor_who_repeats_a_request_about_a_visit_that_another_doctor_has_now_is_refused(clinic: RunningClinic) -> None:
    appointment = await clinic.booked(ANNA)
    keyed = DR_WEISS | {"Idempotency-Key": "k"}
    first = await clinic.do(appointment, "cancel", keyed, reason="Ill")
    assert first.status_code == 200, first.text
    assert (await clinic.do(appointment, "restore", DESK)).status_code == 200
    assert (await clinic.do(appointment, "cancel", keyed, reason="Ill")).content == first.content
    assert (await clinic.do(appointment, "reassign", DESK, doctor_id=str(COLLEAGUE))).status_code == 200
    refused = await clinic.do(appointment, "cancel", keyed, reason="Ill")
    assert (refused.status_code, refused.json()["code"]) == (404, "no_such_appointment")


async def test_a_stranger_cannot_tell_whether_a_patient_exists(clinic: RunningClinic) -> None:
    for patient_id in (MIA, UUID(int=404)):
        refused = await clinic.book(BO, patient_id=str(patient_id))
        assert (refused.status_code, refused.json()["code"]) == (404, "no_such_patient")


async def test_the_cut_offs_bind_guardians_as_patients(clinic: RunningClinic) -> None:
    clinic.upstreams.service = clinic.upstreams.service.model_copy(update={"cancel_cutoff_minutes": 60 * 24 * 30})
    appointment = await clinic.booked(ANNA, **FOR_MIA)
    refused = await request(clinic, "POST", appointment, "cancel", CARL)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_late")


async def test_one_booking_asks_patient_service_once(clinic: RunningClinic) -> None:
    await clinic.booked(ANNA, **FOR_MIA)
    assert [path for path in clinic.upstreams.paths if "/patients/" in path] == [f"/internal/patients/{MIA}"]
