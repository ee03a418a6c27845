"""What the checks of the auditor decide about rows: the states that are legal, and those that are not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.repository.documents import micros
from careslot.auditor.appointment_store import facts_of
from careslot.auditor.checks.accounts import Profiles, judge_account
from careslot.auditor.checks.claims import ClaimFacts
from careslot.auditor.checks.grains import judge_grain
from careslot.auditor.checks.groups import judge_session
from careslot.auditor.checks.planned_reminders import ClinicOffsets, ReminderChoices, judge_plan
from careslot.auditor.checks.reservations import judge_reservation
from careslot.auditor.runner import STUCK_AFTER
from scheduling_svc.repository.tables import ClaimKind
from shared.contracts.events import AuditRecorded
from shared.contracts.grains import grain_of
from shared.contracts.identity import Role, Service
from tests.unit.careslot.test_auditor import DOCTOR, ID, NOW, PATIENT, START, appointment_facts, claim_facts, visit_event

GRAIN = grain_of(START)
A, B, C = (UUID(int=number) for number in (101, 102, 103))


def visit(claim_id: UUID, **changes: Any) -> ClaimFacts:
    return replace(claim_facts(id=claim_id), **changes)


def leave(claim_id: UUID) -> ClaimFacts:
    return visit(claim_id, kind=ClaimKind.LEAVE, may_overlap=True, patient_id=None)


LEGAL_GRAINS: dict[str, tuple[UUID, Sequence[tuple[int, ClaimFacts]]]] = {
    "one visit": (DOCTOR, [(0, visit(A))]),
    "of the patient": (PATIENT, [(0, visit(A))]),
    "kept under a leave": (DOCTOR, [(0, visit(A)), (1, leave(B))]),
    "overbooked": (DOCTOR, [(0, visit(A)), (1, visit(B, may_overlap=True)), (2, visit(C, may_overlap=True))]),
    "a lane between is free": (DOCTOR, [(0, visit(A)), (2, leave(C))]),
    "an overbooked visit after the other was cancelled": (DOCTOR, [(0, visit(A, may_overlap=True))]),
    "overlap after a merge": (PATIENT, [(0, visit(A)), (1, visit(B, doctor_id=C))]),
    "a hold": (DOCTOR, [(0, visit(A, kind=ClaimKind.HOLD, patient_id=None))]),
    "a group": (DOCTOR, [(0, visit(A, kind=ClaimKind.SESSION, patient_id=None))]),
}


@pytest.mark.parametrize("name", LEGAL_GRAINS)
def test_a_legal_grain_is_no_fault(name: str) -> None:
    resource, rows = LEGAL_GRAINS[name]
    claims = {claim.id: claim for _, claim in rows}
    assert list(judge_grain(resource, GRAIN, [(lane, claim.id) for lane, claim in rows], claims)) == []


WRONG_GRAINS: dict[str, tuple[str, Sequence[tuple[int, ClaimFacts]]]] = {
    "lane 0 is free": ("lane_0_is_free", [(1, visit(A))]),
    "twice in a lane": ("lane_taken_twice", [(0, visit(A)), (0, leave(B))]),
    "two ordinary visits": ("double_booking", [(0, visit(A)), (1, visit(B))]),
    "a visit over a hold": ("double_booking", [(0, visit(A, kind=ClaimKind.HOLD, patient_id=None)), (1, visit(B))]),
    "a released claim": ("grain_without_claim", [(0, visit(A, live=False))]),
    "an archived claim": ("grain_without_claim", [(0, visit(A, archived=True))]),
    "a claim of another time": ("grain_without_claim", [(0, visit(A, span_from=GRAIN + 9, span_to=GRAIN + 12))]),
    "a claim of another doctor": ("grain_without_claim", [(0, visit(A, doctor_id=C))]),
    "a seat": ("grain_without_claim", [(0, visit(A, session_id=B))]),
}


@pytest.mark.parametrize("name", WRONG_GRAINS)
def test_a_wrong_grain_is_the_fault_with_its_code(name: str) -> None:
    code, rows = WRONG_GRAINS[name]
    claims = {claim.id: claim for _, claim in rows}
    assert [fault.code for fault in judge_grain(DOCTOR, GRAIN, [(lane, claim.id) for lane, claim in rows], claims)] == [code]


def test_a_grain_of_a_claim_that_does_not_exist_is_a_fault() -> None:
    assert [fault.code for fault in judge_grain(DOCTOR, GRAIN, [(0, A)], {})] == ["grain_without_claim"]


SESSION = visit(C, kind=ClaimKind.SESSION, patient_id=None)


@pytest.mark.parametrize(
    ("session", "seats", "members", "codes"),
    [
        pytest.param(SESSION, {0: A, 1: B}, [A, B], [], id="full"),
        pytest.param(SESSION, {1: B}, [B], [], id="a seat was given back"),
        pytest.param(replace(SESSION, live=False), {}, [], [], id="ended"),
        pytest.param(None, {}, [], [], id="never made"),
        pytest.param(SESSION, {0: A, 1: B, 2: C}, [A, B, C], ["group_overfull"], id="overfull"),
        pytest.param(SESSION, {5: A}, [A], ["group_overfull"], id="too high a seat"),
        pytest.param(SESSION, {0: A}, [A, B], ["seat_differs"], id="a visit without a seat"),
        pytest.param(SESSION, {0: A, 1: B}, [A], ["seat_differs"], id="a seat without a visit"),
        pytest.param(SESSION, {}, [], ["session_differs"], id="an empty session has time"),
        pytest.param(replace(SESSION, live=False), {0: A}, [A], ["session_differs"], id="seats of an ended session"),
        pytest.param(None, {0: A}, [A], ["session_differs"], id="seats of no session"),
    ],
)
def test_seats_and_visits_of_a_group_are_the_same(
    session: ClaimFacts | None, seats: dict[int, UUID], members: list[UUID], codes: list[str]
) -> None:
    assert [fault.code for fault in judge_session(C, session, seats, members, capacity=2)] == codes


class FoundRow:
    """A row with some columns."""

    def __init__(self, **columns: Any) -> None:
        self.__dict__ |= columns


@pytest.mark.parametrize(
    ("role", "status", "profiles", "is_pending", "code"),
    [
        pytest.param("patient", "active", Profiles(FoundRow(has_account=True), None, None), False, None, id="patient"),
        pytest.param("doctor", "invited", Profiles(None, FoundRow(has_account=True), None), False, None, id="doctor"),
        pytest.param("reception", "active", Profiles(None, None, None), False, None, id="reception"),
        pytest.param("patient", "pending", Profiles(None, None, None), False, None, id="pending"),
        pytest.param("patient", "active", Profiles(None, None, None), True, None, id="a profile that is created"),
        pytest.param("patient", "active", Profiles(None, None, None), False, "account_without_patient", id="no patient"),
        pytest.param("doctor", "active", Profiles(None, None, None), False, "account_without_doctor", id="no doctor"),
    ],
)
def test_accounts_have_the_profile_of_their_role(role: str, status: str, profiles: Profiles, is_pending: bool, code: str | None) -> None:
    account = FoundRow(id=A, role=role, status=status, version=1)
    assert [fault.code for fault in judge_account(A, account, profiles, is_pending=is_pending)] == ([code] if code else [])


@pytest.mark.parametrize(
    ("profiles", "code"),
    [
        pytest.param(Profiles(None, None, None), None, id="nothing"),
        pytest.param(Profiles(FoundRow(has_account=False), None, None), None, id="walk-in"),
        pytest.param(Profiles(None, FoundRow(has_account=False), None), None, id="former doctor"),
        pytest.param(Profiles(FoundRow(has_account=True), None, None), "patient_without_account", id="patient"),
        pytest.param(Profiles(None, FoundRow(has_account=True), None), "doctor_without_account", id="doctor"),
    ],
)
def test_profiles_with_an_account_have_it(profiles: Profiles, code: str | None) -> None:
    assert [fault.code for fault in judge_account(A, None, profiles, is_pending=False)] == ([code] if code else [])


def test_the_account_of_a_patient_who_is_being_erased_waits() -> None:
    erased = Profiles(None, None, FoundRow(requested_at=NOW))
    (finding,) = judge_account(A, FoundRow(id=A, role="patient", status="active", version=1), erased, is_pending=False)
    assert finding.since == NOW


def test_a_visit_of_long_ago_may_have_lost_its_claim_or_its_appointment() -> None:
    old = NOW + timedelta(days=500)
    booked = replace(appointment_facts(), status="completed", intent_since=None)
    archived = claim_facts(archived=True)
    assert judge_reservation(ID, booked, None, booked, old) is None
    assert judge_reservation(ID, None, archived, None, old) is None
    assert judge_reservation(ID, booked, None, booked, NOW) is not None
    assert judge_reservation(ID, None, archived, None, NOW) is not None


def test_a_leave_that_was_not_followed_yet_waits_and_a_merge_too() -> None:
    booked = replace(appointment_facts(), status="booked", intent_since=None, revision=1)
    by_leave = claim_facts(live=False, revision=2, changed_at=NOW)
    found = judge_reservation(ID, booked, by_leave, booked, NOW)
    assert found is not None
    assert (found.code, found.since) == ("appointment_without_claim", NOW)
    merged = replace(booked, former_patient_ids=frozenset({C}))
    found = judge_reservation(ID, merged, claim_facts(patient_id=C), merged, NOW + STUCK_AFTER)
    assert found is not None
    assert (found.code, found.since) == ("claim_differs", NOW)
    moved_first = judge_reservation(ID, booked, claim_facts(patient_id=C), booked, NOW, {PATIENT: [B, C]})
    assert moved_first is not None
    assert moved_first.since == NOW
    wrong = judge_reservation(ID, booked, claim_facts(patient_id=A), booked, NOW, {PATIENT: [B, C]})
    assert wrong is not None
    assert wrong.since is None


def planned_visit(**changes: Any) -> FoundRow:
    times = {"starts_at": START, "wanted_since": NOW - timedelta(days=1)}
    return FoundRow(**{"appointment_id": A, "revision": 1, "version": 1, **times, **changes})


def chooser(**changes: Any) -> FoundRow:
    state = {"active": True, "has_account": True, "reminders_consent": True, "quiet_hours": None, "version": 1, "preferences_version": 2}
    return FoundRow(**{"id": PATIENT, "reminder_offsets_minutes": [120, 30], "offsets_changed_at": NOW, **state, **changes})


SERVICE_OFFSETS = FoundRow(id=C, version=1, reminder_offsets_minutes=[15])
KNOWN = {(PATIENT, "preferences"): 2}
BOTH = {(PATIENT, START, 120), (PATIENT, START, 30)}


@pytest.mark.parametrize(
    ("patient", "service", "reminders", "missing"),
    [
        pytest.param(chooser(), None, BOTH, [], id="both are there"),
        pytest.param(chooser(), None, {(PATIENT, START, 120)}, ["30"], id="one is missing"),
        pytest.param(chooser(), None, {(PATIENT, NOW, 120), (PATIENT, NOW, 30)}, ["120", "30"], id="for another start"),
        pytest.param(chooser(offsets_changed_at=START - timedelta(minutes=60)), None, {(PATIENT, START, 30)}, [], id="wanted too late"),
        pytest.param(chooser(reminder_offsets_minutes=[]), None, set(), [], id="none are wanted"),
        pytest.param(chooser(reminder_offsets_minutes=None), None, set(), [], id="those of the clinic"),
        pytest.param(
            chooser(reminder_offsets_minutes=None),
            FoundRow(id=C, version=1, reminder_offsets_minutes=[15]),
            set(),
            ["15"],
            id="of the service",
        ),
        pytest.param(chooser(preferences_version=3), None, set(), [], id="a change is on its way"),
        pytest.param(chooser(version=2), None, set(), [], id="a change of the profile is on its way"),
        pytest.param(chooser(reminders_consent=False), None, set(), [], id="no consent"),
        pytest.param(chooser(active=False), None, set(), [], id="inactive"),
        pytest.param(chooser(has_account=False), None, set(), [], id="no account"),
        pytest.param(chooser(quiet_hours={"since": "22:00"}), None, set(), [], id="quiet hours"),
    ],
)
def test_a_visit_has_the_reminders_that_were_chosen(
    patient: FoundRow, service: FoundRow | None, reminders: set[tuple[UUID, Any, int]], missing: list[str]
) -> None:
    choices = ReminderChoices(patient, service, ClinicOffsets())
    assert [fault.ids["minutes_before"] for fault in judge_plan(planned_visit(), choices, KNOWN, reminders)] == missing


@pytest.mark.parametrize(
    ("patient", "service", "missing"),
    [
        pytest.param(chooser(reminder_offsets_minutes=None), FoundRow(id=C, version=1, reminder_offsets_minutes=None), ["60"], id="clinic"),
        pytest.param(chooser(reminder_offsets_minutes=None), SERVICE_OFFSETS, ["15"], id="of the service"),
        pytest.param(chooser(reminder_offsets_minutes=[]), SERVICE_OFFSETS, [], id="the patient wants none"),
        pytest.param(chooser(reminder_offsets_minutes=None), None, [], id="the service type is not known"),
        pytest.param(
            chooser(reminder_offsets_minutes=None),
            FoundRow(id=C, version=2, reminder_offsets_minutes=None),
            [],
            id="a change of the service type is on its way",
        ),
    ],
)
def test_a_visit_has_the_reminders_of_the_clinic_where_nobody_else_says_anything(
    patient: FoundRow, service: FoundRow | None, missing: list[str]
) -> None:
    choices = ReminderChoices(patient, service, ClinicOffsets((60,), changed_at=NOW))
    findings = list(judge_plan(planned_visit(), choices, KNOWN, set()))
    assert [fault.ids["minutes_before"] for fault in findings] == missing
    assert all(fault.since == (NOW if fault.ids["minutes_before"] == "60" else None) for fault in findings), "a change is followed later"


def stored_document(**changes: Any) -> dict[str, Any]:
    """Return a booked appointment as it is stored, with its event and the line about it for the audit trail."""
    booked = replace(appointment_facts(), status="booked", intent_since=None)
    line = AuditRecorded(
        id=A,
        occurred_at=NOW,
        subject_id=PATIENT,
        actor_id=PATIENT,
        actor_role=Role.PATIENT,
        action="appointment.booked",
        relation="self",
        outcome="done",
        source=Service.APPOINTMENT,
    )
    ids = {name: str(getattr(booked, name)) for name in ("id", "doctor_id", "patient_id", "service_id")}
    times = {name: micros(getattr(booked, f"{name[:-3]}_at")) for name in ("starts_us", "ends_us", "created_us", "changed_us")}
    events = [json.dumps(event.to_cloudevent("appointment-service")) for event in (visit_event(booked), line)]
    state = {"status": "booked", "edition": 1, "version": 1, "revision": 1, "intent": None, "service": {"capacity": 1}}
    return ids | times | state | {"unsent": 2, "event_count": 1, "pending_events": events, "published_events": []} | changes


def test_lines_for_the_audit_trail_wait_in_an_appointment_as_its_events_do() -> None:
    facts = facts_of(stored_document())
    assert [event.topic for event in facts.pending] == ["appointment.booked.v1", "audit.recorded.v1"]
    assert [event.topic for event in facts.events] == ["appointment.booked.v1"]
    assert facts.unreadable_events == 0
    assert facts_of(stored_document(pending_events=['{"type": "audit.recorded.v1"}'])).unreadable_events == 1
