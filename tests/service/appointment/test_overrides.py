"""Overrides over HTTP: who may send one, who sees one, and that no path of a patient reaches one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.routing import APIRoute

from appointment_svc.usecases.actions import AppointmentActions
from shared.contracts.appointments import OverrideCode
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Role
from tests.service.appointment.clinic import ADMIN, ADMIN_SERVICE, ANNA, BO, DESK, DR_WEISS, RunningClinic, a_clinic
from tests.tokens import bearer, service_bearer
from tests.unit.appointment.builders import LINK_TOKENS, PATIENT, STRANGER, TEN, a_patient

OVERBOOK = {"code": "overbook", "reason": "In acute pain"}
GUARDIAN_ID = UUID(int=0x6A)
GUARDIAN = bearer(Role.PATIENT, GUARDIAN_ID)
EVERY_CODE = tuple(OverrideCode)
API_CLIENT = bearer(Role.CLIENT, scope="appointments:write appointments:read")


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[RunningClinic]:
    """A clinic whose reception may overbook, with a patient at nine."""
    async with a_clinic(tmp_path, reception_may_override=(OverrideCode.OVERBOOK,)) as clinic:
        await clinic.booked(BO)
        yield clinic


async def overbook(clinic: RunningClinic, caller: dict[str, str] = DESK, **body: Any) -> dict[str, Any]:
    return await clinic.booked(caller, patient_id=str(PATIENT), override=OVERBOOK, **body)


async def test_staff_see_which_rule_was_lifted_and_patients_and_doctors_do_not(clinic: RunningClinic) -> None:
    booked = await overbook(clinic)
    assert (booked["status"], booked["overridden"]["code"], booked["overridden"]["by"]["role"]) == ("booked", "overbook", "reception")
    assert booked["overridden"]["at"] == booked["created_at"]
    path = f"/appointments/{booked['id']}"
    seen = {name: (await clinic.get(path, caller)).json()["overridden"] for name, caller in (("patient", ANNA), ("doctor", DR_WEISS))}
    assert seen == {"patient": None, "doctor": None}
    history = (await clinic.get(f"{path}/history", DESK)).json()["items"]
    assert history[-1]["override"] == {"code": "overbook", "reason": "In acute pain"}
    for caller in (ANNA, DR_WEISS):
        for place in (path, f"{path}/history", "/appointments", f"{path}/calendar.ics"):
            assert "overbook" not in (answer := await clinic.get(place, caller)).text
            assert "acute" not in answer.text
    cancelled = await clinic.do(booked, "cancel", ANNA)
    assert (cancelled.status_code, cancelled.json()["overridden"]) == (200, None)


async def test_events_and_exports_do_not_tell_of_an_override_and_the_audit_trail_has_its_code(clinic: RunningClinic) -> None:
    audited = list[AuditRecorded]()

    async def record(event: Any) -> None:
        audited.append(event)

    await clinic.service.bus.subscribe("audit", {AuditRecorded: record})
    booked = await overbook(clinic)
    await clinic.service.run_until_idle()
    (line,) = [line for line in audited if line.action == "appointment.overridden"]
    assert (line.action, line.relation, str(line.row_id), line.subject_id) == (
        "appointment.overridden", "overbook", booked["id"], PATIENT,
    )  # fmt: skip
    assert line.request_id
    assert not any("acute" in line.model_dump_json() for line in audited)
    assert not any("overbook" in event.model_dump_json() for event in clinic.service.published)
    export = await clinic.get(f"/internal/patients/{PATIENT}/appointments", service_bearer("patient-service"))
    assert (export.status_code, "overbook" in export.text, "acute" in export.text) == (200, False, False)


@pytest.mark.parametrize("caller", [ANNA, API_CLIENT], ids=["patient", "api_client"])
async def test_a_caller_who_is_not_staff_gets_403_and_nothing_is_stored(clinic: RunningClinic, caller: dict[str, str]) -> None:
    before = len(clinic.upstreams.reserve_bodies)
    response = await clinic.book(caller, patient_id=str(PATIENT), override=OVERBOOK)
    assert (response.status_code, response.json()["code"]) == (403, "override_not_allowed")
    assert len(clinic.upstreams.reserve_bodies) == before


async def test_a_guardian_may_not_override_for_a_dependant(clinic: RunningClinic) -> None:
    child = uuid4()
    clinic.upstreams.patients[child] = a_patient(id=child, guardian_ids=[PATIENT])
    response = await clinic.book(ANNA, patient_id=str(child), override=OVERBOOK)
    assert (response.status_code, response.json()["code"]) == (403, "override_not_allowed")


@pytest.mark.parametrize("code", EVERY_CODE)
async def test_the_reception_lifts_what_the_clinic_leaves_to_it_and_admins_everything(clinic: RunningClinic, code: OverrideCode) -> None:
    body = {"patient_id": str(PATIENT), "starts_at": TEN.isoformat(), "override": {"code": code, "reason": "x"}}
    response = await clinic.book(DESK, **body)
    assert response.status_code == (201 if code is OverrideCode.OVERBOOK else 403)
    response = await clinic.book(ADMIN, **body | {"patient_id": str(STRANGER), "doctor_id": "any"})
    assert response.status_code == 201
    assert clinic.upstreams.reserve_bodies[-1]["override"] == code


@pytest.mark.parametrize("override", [{}, {"code": "overbook"}, {"code": "all", "reason": "x"}, {"code": "overbook", "reason": " "}, "yes"])
async def test_an_override_needs_a_known_code_and_a_reason(clinic: RunningClinic, override: Any) -> None:
    response = await clinic.book(DESK, patient_id=str(PATIENT), override=override)
    assert (response.status_code, response.json()["errors"][0]["pointer"].startswith("/override")) == (422, True)


@pytest.mark.parametrize("caller", [ANNA, DR_WEISS, GUARDIAN, API_CLIENT, {}], ids=["patient", "doctor", "guardian", "client", "link"])
async def test_no_route_lets_others_than_staff_lift_a_rule(clinic: RunningClinic, caller: dict[str, str]) -> None:
    """Every route that takes a body is called with an override, also with a valid link of a mail; none reserves time by it."""
    clinic.upstreams.patients[PATIENT] = a_patient(id=PATIENT, guardian_ids=[GUARDIAN_ID])
    booked = await clinic.booked(ANNA, starts_at=TEN.isoformat())
    token = LINK_TOKENS.token_for(UUID(booked["id"]), PATIENT)
    bodies = [{"override": OVERBOOK, **fields} for fields in ({}, {"starts_at": "2026-03-09T09:00:00+01:00"}, {"reason": "x"})]
    routes = [route for route in clinic.service.app.routes if isinstance(route, APIRoute)]
    writing = [(route, method) for route in routes for method in sorted((route.methods or set()) - {"GET", "HEAD"})]
    assert len(writing) > 12
    for route, method in writing:
        path = route.path.replace("{appointment_id}", booked["id"]).replace("{token}", token).replace("{patient_id}", str(PATIENT))
        for body in bodies:
            response = await clinic.service.http.request(method, path, json=body, headers=caller | {"If-Match": "*"})
            assert response.status_code in (401, 403, 404, 405, 409, 422), (method, path, response.text)
    assert not any(body.get("override") for body in clinic.upstreams.reserve_bodies)
    assert clinic.service.app.state.use_cases[AppointmentActions].override_policy.reception == {OverrideCode.OVERBOOK}


async def edit(clinic: RunningClinic, appointment: dict[str, Any], role: str = "admin", **body: Any) -> Any:
    fields = {"by": {"id": str(UUID(int=0xF2)), "role": role}, "reason": "asked by phone", **body}
    return await clinic.service.http.put(f"/internal/appointments/{appointment['id']}", json=fields, headers=ADMIN_SERVICE)


async def test_an_edit_can_lift_a_rule_and_a_move_to_a_regular_time_clears_the_mark(clinic: RunningClinic) -> None:
    booked = await clinic.booked(ANNA, starts_at=TEN.isoformat())
    nine = "2026-03-09T08:00:00Z"
    assert (await edit(clinic, booked, starts_at=nine)).json()["code"] == "slot_taken"
    moved = await edit(clinic, booked, starts_at=nine, override=OVERBOOK)
    assert (moved.status_code, moved.json()["starts_at"], moved.json()["overridden"]["code"]) == (200, nine, "overbook")
    back = await edit(clinic, booked, starts_at=TEN.isoformat())
    assert (back.json()["overridden"], back.status_code) == (None, 200)


async def test_an_edit_by_the_reception_needs_the_right_and_one_that_takes_no_time_has_nothing_to_override(clinic: RunningClinic) -> None:
    booked = await clinic.booked(ANNA, starts_at=TEN.isoformat())
    refused = await edit(clinic, booked, "reception", starts_at="2026-03-09T08:00:00Z", override={"code": "cap", "reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "override_not_allowed")
    nothing = await edit(clinic, booked, status="cancelled", override=OVERBOOK)
    assert (nothing.status_code, nothing.json()["errors"][0]["code"]) == (422, "nothing_to_override")


async def test_a_repeated_booking_with_an_override_is_booked_once(clinic: RunningClinic) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await overbook(clinic, DESK | key)
    again = await overbook(clinic, DESK | key)
    assert again == first


async def test_appointments_are_looked_up_by_ids_for_admin_service_only(clinic: RunningClinic) -> None:
    booked = await overbook(clinic)
    body = {"ids": [booked["id"], booked["id"], str(uuid4())]}
    found = await clinic.service.http.post("/internal/appointments/lookup", json=body, headers=ADMIN_SERVICE)
    assert [(item["id"], item["overridden"]["code"]) for item in found.json()["items"]] == [(booked["id"], "overbook")]
    for caller in (ANNA, DESK, service_bearer("patient-service")):
        refused = await clinic.service.http.post("/internal/appointments/lookup", json=body, headers=caller)
        assert refused.status_code == 403
