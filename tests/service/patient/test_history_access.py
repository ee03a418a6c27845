"""Who may read and write medical histories at which time, and what is recorded about it. test_access_matrix has roles and relations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from patient_svc.repository.tables import ACCESSES, GUARDIANS, PATIENTS
from shared.contracts.events import AuditRecorded, BreakGlassOpened
from tests.running import NOON
from tests.service.patient.medical_histories import (
    ADMIN,
    ASTHMA,
    BREAK_GLASS,
    CALLERS,
    FORMER_DOCTOR,
    HISTORY,
    STRANGER,
    SUMMARY,
    Histories,
    change_database,
    count_access_lines,
    publish_visit,
    run_histories,
)
from tests.service.patient.running_patient import DOCTOR, SAM

REASON = {"reason": "The patient is unconscious"}
HIDDEN, NOT_ALLOWED = (404, "no_such_patient"), (403, "forbidden")
RECEPTION_REFUSED, CLOSED = (403, "not_for_reception"), (403, "break_glass_required")


@pytest.fixture
async def histories(tmp_path: Path, sql_url: str) -> AsyncIterator[Histories]:
    """The service on SQLite and on MariaDB."""
    async with run_histories(tmp_path, sql_url) as running:
        yield running


@pytest.mark.parametrize("caller", [caller for caller in CALLERS if caller != "service"])
async def test_nobody_learns_which_patients_exist(histories: Histories, caller: str) -> None:
    refused = await histories.call("GET", f"/patients/{UUID(int=404)}/medical-history", caller)
    assert (refused.status_code, refused.json()["code"]) == (RECEPTION_REFUSED if caller == "reception" else HIDDEN)
    assert await histories.list_accesses() == []


@pytest.mark.parametrize(
    ("starts_after", "status", "allowed"),
    [
        (timedelta(days=-730), "completed", True),
        (timedelta(days=-732), "completed", False),
        (timedelta(days=-3), "missed", True),
        (timedelta(days=90), "requested", True),
        *((timedelta(days=3), status, False) for status in ("cancelled", "declined", "refused", "expired")),
    ],
    ids=["within 24 months", "before 24 months", "missed", "requested", "cancelled", "declined", "refused", "expired"],
)
async def test_a_doctor_treats_from_the_request_for_a_visit_until_24_months_after_it(
    histories: Histories, starts_after: timedelta, status: str, allowed: bool
) -> None:
    await publish_visit(histories.service, FORMER_DOCTOR, NOON + starts_after, status, version=2)
    response = await histories.call("GET", HISTORY, "former doctor")
    assert response.status_code == (200 if allowed else 404)


async def test_where_the_read_model_says_no_appointment_service_is_asked_once(histories: Histories) -> None:
    histories.appointments.treating.add(STRANGER)
    assert (await histories.call("GET", HISTORY, "other doctor")).status_code == 200
    (request,) = histories.appointments.requests
    parameters = request.url.params
    assert (parameters["doctor_id"], parameters["patient_id"], parameters["from"]) == (str(STRANGER), str(SAM), "2024-03-02T12:00:00Z")
    assert set(parameters.get_list("status")) == {"requested", "booked", "checked_in", "in_progress", "completed", "missed"}
    await histories.call("GET", HISTORY, "treating doctor")
    await histories.call("GET", HISTORY, "other patient")
    await histories.call("GET", HISTORY, "admin")
    assert len(histories.appointments.requests) == 1


async def test_without_an_answer_of_appointment_service_the_read_is_refused_and_recorded(histories: Histories) -> None:
    histories.appointments.answers = False
    refused = await histories.call("GET", HISTORY, "other doctor")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert (await histories.call("GET", HISTORY, "treating doctor")).status_code == 200
    assert await histories.list_accesses() == [
        ("medical_history.read", "doctor", "refused", None),
        ("medical_history.read", "doctor", "done", "treating_doctor"),
    ]


async def test_a_guardian_reads_until_the_child_is_an_adult_and_while_the_guardianship_lasts(histories: Histories, sql_url: str) -> None:
    eighteen = NOON.date().replace(year=NOON.year - 18)
    for born_on, status in ((eighteen + timedelta(days=1), 200), (eighteen, 404), (None, 404)):
        await change_database(sql_url, sa.update(PATIENTS).values(born_on=born_on))
        assert (await histories.call("GET", HISTORY, "guardian")).status_code == status, born_on
    await change_database(sql_url, sa.update(PATIENTS).values(born_on=NOON.date()), sa.delete(GUARDIANS))
    assert (await histories.call("GET", HISTORY, "guardian")).status_code == 404


async def test_every_read_change_and_refusal_is_recorded_with_who_why_and_which_request(histories: Histories) -> None:
    entry = await histories.add("self")
    path = f"{HISTORY}/{entry['id']}"
    await histories.call("GET", HISTORY, "guardian")
    await histories.call("GET", path, "treating doctor", X_Request_ID="0123456789abcdef")
    await histories.call("GET", f"{path}/versions", "self")
    await histories.call("PATCH", path, "treating doctor", {"title": "Other"}, If_Match='"1"')
    await histories.call("POST", f"{path}/retract", "treating doctor")
    await histories.call("GET", SUMMARY, "treating doctor")
    for caller in ("other patient", "reception", "admin", "former doctor"):
        await histories.call("GET", path, caller)
    assert await histories.list_accesses() == [
        ("medical_history.add", "patient", "done", "self"),
        ("medical_history.read", "patient", "done", "guardian"),
        ("medical_history.read", "doctor", "done", "treating_doctor"),
        ("medical_history.read", "patient", "done", "self"),
        ("medical_history.correct", "doctor", "done", "treating_doctor"),
        ("medical_history.retract", "doctor", "done", "treating_doctor"),
        ("summary.read", "doctor", "done", "treating_doctor"),
        *(("medical_history.read", role, "refused", None) for role in ("patient", "reception", "admin", "doctor")),
    ]
    events = {event.request_id: event for event in histories.service.published if isinstance(event, AuditRecorded)}
    read = events["0123456789abcdef"]
    assert (read.actor_id, read.subject_id, str(read.row_id)) == (DOCTOR, SAM, entry["id"])
    assert None not in events


async def test_what_cannot_be_recorded_is_not_shown(histories: Histories, sql_url: str) -> None:
    await histories.add("self")
    await histories.service.run_until_idle()
    await change_database(sql_url, sa.text("ALTER TABLE accesses RENAME TO accesses_away"))
    for path, caller in ((HISTORY, "self"), (SUMMARY, "treating doctor")):
        response = await histories.call("GET", path, caller)
        assert (response.status_code, "Asthma" in response.text) == (500, False)


async def test_break_glass_opens_a_history_for_an_hour_to_one_admin_and_tells_the_patient(histories: Histories) -> None:
    await histories.add("self")
    opened = await histories.call("POST", BREAK_GLASS, "admin", REASON, Idempotency_Key="k1")
    times = {"opened_at": "2026-03-02T12:00:00Z", "expires_at": "2026-03-02T13:00:00Z"}
    assert opened.status_code == 201
    assert opened.json() == times | {"patient_id": str(SAM), "id": opened.json()["id"]}
    repeated = await histories.call("POST", BREAK_GLASS, "admin", REASON, Idempotency_Key="k1")
    assert (repeated.json(), repeated.headers["idempotent-replayed"]) == (opened.json(), "true")
    histories.service.clock.set(NOON + timedelta(minutes=59, seconds=59))
    assert (await histories.list_titles(caller="admin"), (await histories.call("GET", SUMMARY, "admin")).status_code) == (["Asthma"], 200)
    assert (await histories.call("POST", HISTORY, "admin", ASTHMA)).status_code == 403
    other_patient = await histories.call("GET", f"/patients/{UUID(int=404)}/medical-history", "admin")
    assert other_patient.status_code == 404
    histories.service.clock.set(NOON + timedelta(minutes=60))
    closed = await histories.call("GET", HISTORY, "admin")
    assert (closed.status_code, closed.json()["code"]) == CLOSED
    assert [line for line in await histories.list_accesses() if line[1] == "admin"] == [
        ("break_glass.open", "admin", "done", "admin"),
        ("medical_history.read", "admin", "done", "break_glass"),
        ("summary.read", "admin", "done", "break_glass"),
        ("medical_history.add", "admin", "refused", None),
        ("medical_history.read", "admin", "refused", None),
    ]
    (event,) = [event for event in histories.service.published if isinstance(event, BreakGlassOpened)]
    assert (event.patient_id, event.admin_id, str(event.break_glass_id)) == (SAM, ADMIN, opened.json()["id"])


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " \n"}, {"reason": "x" * 501}], ids=["none", "empty", "blank", "long"])
async def test_break_glass_needs_a_reason(histories: Histories, body: dict[str, str], sql_url: str) -> None:
    assert (await histories.call("POST", BREAK_GLASS, "admin", body)).status_code == 422
    assert (await histories.call("GET", HISTORY, "admin")).status_code == 403
    assert await count_access_lines(sql_url) == 1


async def test_a_refusal_leaves_no_other_trace_than_its_line(histories: Histories, sql_url: str) -> None:
    await histories.call("POST", HISTORY, "other patient", ASTHMA)
    await change_database(sql_url, sa.delete(ACCESSES))
    assert await histories.list_titles() == []
