"""Bulk changes over HTTP: outcomes, previews, what is refused, and what is finished later."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from admin_svc.domain.bulk import MAX_ITEMS
from admin_svc.usecases.bulk import BulkChanges
from shared.contracts.identity import Role
from tests.running import RunningService
from tests.service.admin.fake_services import FakeServices
from tests.tokens import bearer

DOCTOR, COLLEAGUE = str(uuid4()), str(uuid4())
RECEPTION = bearer(Role.RECEPTION, uuid4())
URL = "/admin/appointments/bulk"


async def post(admin: RunningService, caller: dict[str, str] = RECEPTION, **body: Any) -> httpx.Response:
    return await admin.http.post(URL, json=body, headers=caller)


async def change(admin: RunningService, caller: dict[str, str] = RECEPTION, **body: Any) -> httpx.Response:
    """Send a bulk change, and return its outcomes when all appointments have one, also on a machine that is too slow for one request.

    As a client does, it repeats a request with its Idempotency-Key while the service does not answer in time.
    """
    caller = {"Idempotency-Key": uuid4().hex} | caller
    response = await post(admin, caller, **body)
    for _ in range(20):
        if response.status_code != 503:
            break
        response = await post(admin, caller, **body)
    assert response.status_code in (200, 202), response.text
    await admin.run_until_idle()
    return await admin.http.get(response.headers["location"], headers=RECEPTION)


def add(services: FakeServices, *hours: int, status: str = "booked") -> list[str]:
    doctor = {"doctor": {"id": DOCTOR}}
    return [services.add_appointment(DOCTOR, f"2026-03-09T{hour:02}:00:00Z", status, **doctor)["id"] for hour in hours]


def statuses(response: httpx.Response) -> list[str]:
    return [item["status"] for item in response.json()["items"]]


async def test_many_appointments_are_cancelled_with_an_outcome_for_each(admin: RunningService, services: FakeServices) -> None:
    ids = [*add(services, 8), *add(services, 10, status="cancelled"), *add(services, 11, status="checked_in"), str(uuid4())]
    response = await change(admin, ids=ids, action="cancel", reason="Burst pipe")
    assert (response.json()["finished"], statuses(response)) == (True, ["done", "unchanged", "refused", "refused"])
    assert [item["code"] for item in response.json()["items"]] == [None, None, "illegal_move", "no_such_appointment"]
    assert [item["id"] for item in response.json()["items"]] == ids


async def test_a_preview_of_a_move_shows_proposals_and_the_real_run_takes_them(admin: RunningService, services: FakeServices) -> None:
    ids = add(services, 8, 9, 12)
    proposed = "2026-03-09T09:30:00Z"
    services.move_previews[ids[1]] = {"code": "taken", "detail": "The doctor has another patient.", "starts_at": proposed}
    body: dict[str, Any] = {"ids": ids, "action": "move", "doctor_id": COLLEAGUE, "reason": "Ill"}
    preview = await post(admin, **body, dry_run=True)
    assert (preview.status_code, preview.json()["id"], statuses(preview)) == (200, None, ["done", "refused", "done"])
    assert preview.json()["items"][1]["proposal"] == {"doctor_id": COLLEAGUE, "starts_at": proposed}
    assert not any(method == "PUT" for method, _, _ in services.requests)
    moved = await change(admin, **body, moves=[{"id": ids[1], "starts_at": proposed}])
    assert statuses(moved) == ["done", "done", "done"]
    sent = {path.rpartition("/")[2]: sent for method, path, sent in services.requests if method == "PUT"}
    assert (sent[ids[1]]["starts_at"], sent[ids[1]]["doctor_id"]) == (proposed, COLLEAGUE)
    assert ("starts_at" in sent[ids[0]], sent[ids[0]]["by"]["role"]) == (False, "reception")


async def test_a_refused_move_has_the_code_of_its_refusal_and_does_not_stop_the_others(
    admin: RunningService, services: FakeServices
) -> None:
    ids = add(services, 8, 10)
    moves = [{"id": ids[0], "starts_at": "2026-03-09T09:00:00Z"}, {"id": ids[1], "starts_at": "2026-03-09T11:00:00Z"}]
    response = await change(admin, ids=ids, action="move", moves=moves)
    assert [(item["status"], item["code"]) for item in response.json()["items"]] == [("refused", "slot_taken"), ("done", None)]


async def test_a_message_goes_to_each_patient_once(admin: RunningService, services: FakeServices) -> None:
    ids = add(services, 8, 10)
    body: dict[str, Any] = {"ids": ids, "action": "message", "text": "Please bring your card."}
    key = {"Idempotency-Key": "once"}
    assert statuses(await change(admin, RECEPTION | key, **body)) == ["done", "done"]
    assert statuses(await change(admin, RECEPTION | key, **body)) == ["done", "done"]
    assert [sent["text"] for sent in services.clinic_messages.values()] == ["Please bring your card."] * 2
    assert {sent["patient_id"] for sent in services.clinic_messages.values()} == {
        services.appointments[item_id]["patient_id"] for item_id in ids
    }


async def test_what_cannot_be_finished_now_is_finished_by_the_job(admin: RunningService, services: FakeServices) -> None:
    ids = add(services, 8, 10)
    services.unreachable = {"notification-service"}
    response = await post(admin, ids=ids, action="message", text="x")
    assert (response.status_code, response.json()["finished"], statuses(response)) == (202, False, ["pending", "pending"])
    services.unreachable = set()
    await admin.run_until_idle()
    later = await admin.http.get(response.headers["location"], headers=RECEPTION)
    assert (later.json()["finished"], statuses(later), len(services.clinic_messages)) == (True, ["done", "done"], 2)


async def test_200_appointments_are_changed_once_each_where_one_request_has_time_for_some_only(
    admin: RunningService, services: FakeServices
) -> None:
    ids, turns = add(services, *[8] * MAX_ITEMS), iter(range(50))
    use_cases = admin.app.state.use_cases
    use_cases[BulkChanges] = replace(use_cases[BulkChanges], may_go_on=lambda: next(turns, None) is not None)
    key = {"Idempotency-Key": uuid4().hex}
    first = await post(admin, RECEPTION | key, ids=ids, action="cancel")
    assert (first.status_code, first.json()["finished"], statuses(first).count("done") <= 50) == (202, False, True)
    repeated = await post(admin, RECEPTION | key, ids=ids, action="cancel")
    assert (repeated.status_code, repeated.headers["location"]) == (202, first.headers["location"])
    await admin.run_until_idle()
    later = await admin.http.get(first.headers["location"], headers=RECEPTION)
    assert (later.json()["finished"], statuses(later)) == (True, ["done"] * MAX_ITEMS)
    cancelled = Counter(path.split("/")[-2] for method, path, _ in services.requests if method == "POST" and path.endswith("/cancel"))
    assert cancelled == dict.fromkeys(ids, 1)


async def test_a_filter_previews_what_it_matches(admin: RunningService, services: FakeServices) -> None:
    ids = add(services, 8, 10)
    selected = {"doctor_id": [DOCTOR], "status": ["booked"], "from": "2026-03-09T00:00:00+01:00", "to": "2026-03-10T00:00:00+01:00"}
    response = await post(admin, filter=selected, action="cancel", dry_run=True)
    assert (response.status_code, [item["id"] for item in response.json()["items"]], response.json()["complete"]) == (200, ids, True)
    assert ("from", "2026-03-08T23:00:00Z") in services.queries[-1]
    assert {appointment["status"] for appointment in services.appointments.values()} == {"booked"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"action": "cancel"}, "ids_or_filter"),
        ({"ids": ["ID"], "filter": {}, "action": "cancel", "dry_run": True}, "ids_or_filter"),
        ({"filter": {}, "action": "cancel"}, "dry_run_required"),
        ({"ids": ["ID", "ID"], "action": "cancel"}, "ids_not_unique"),
        ({"ids": ["ID"], "action": "move"}, "target_mismatch"),
        ({"ids": ["ID"], "action": "cancel", "doctor_id": "ID"}, "target_mismatch"),
        ({"ids": ["ID"], "action": "move", "moves": [{"id": DOCTOR, "starts_at": "2026-03-09T09:00:00Z"}]}, "ids_not_unique"),
        ({"ids": ["ID"], "action": "message"}, "text_mismatch"),
        ({"ids": ["ID"], "action": "cancel", "text": "x"}, "text_mismatch"),
        ({"ids": ["ID"], "action": "message", "text": " "}, "validation_failed"),
        ({"ids": [], "action": "cancel"}, "validation_failed"),
        ({"ids": ["ID"], "action": "delete"}, "validation_failed"),
        ({"ids": ["ID"], "action": "cancel", "override": {"code": "overbook", "reason": "x"}}, "validation_failed"),
    ],
)
async def test_an_inconsistent_request_is_refused(admin: RunningService, services: FakeServices, body: dict[str, Any], code: str) -> None:
    fixed = {"ids": [str(COLLEAGUE) for _ in body["ids"]]} if "ids" in body else {}
    doctor = {"doctor_id": COLLEAGUE} if "doctor_id" in body else {}
    response = await post(admin, **body | fixed | doctor)
    codes = {response.json()["code"], *(error["code"] for error in response.json()["errors"])}
    assert (response.status_code, code in codes) == (422, True), response.text
    assert services.requests == []


async def test_more_than_200_appointments_are_refused(admin: RunningService, services: FakeServices) -> None:
    response = await post(admin, ids=[str(uuid4()) for _ in range(201)], action="cancel")
    assert (response.status_code, services.requests) == (422, [])


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR])
async def test_only_staff_reach_it(admin: RunningService, services: FakeServices, role: Role) -> None:
    caller = bearer(role, uuid4())
    assert (await post(admin, caller, ids=add(services, 8), action="cancel")).status_code == 403
    assert (await admin.http.get(f"{URL}/{uuid4()}", headers=caller)).status_code == 403
    unknown = await admin.http.get(f"{URL}/{uuid4()}", headers=RECEPTION)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no_such_bulk_change")
