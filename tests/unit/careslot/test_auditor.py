"""The auditor: how often it looks, and what one look at an appointment and its claim can see while the product works."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from admin_svc.domain.audit_chain import ChainFault, ChainFaultCode
from admin_svc.domain.report_visits import ReportVisit
from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks import ALL_CHECKS
from careslot.auditor.checks.audit import TRAIL, list_findings
from careslot.auditor.checks.claims import ClaimFacts
from careslot.auditor.checks.history import judge_visit
from careslot.auditor.checks.read_models import HandledEvents, is_settled
from careslot.auditor.checks.reports import judge_report_visit
from careslot.auditor.checks.reservations import judge_reservation
from careslot.auditor.command import COLUMNS, UNREACHABLE, ProgressBars, result_document, result_text, verify_stores
from careslot.auditor.findings import MAX_FINDINGS, Finding, Key
from careslot.auditor.repairs import CODES
from careslot.auditor.runner import PAUSE_SHARES, STUCK_AFTER, Auditor, AuditResult
from patient_svc.domain.visits import PatientVisit
from shared.contracts.events import AppointmentEvent
from shared.contracts.grains import grain_of
from shared.contracts.http import Actor
from shared.contracts.identity import Role
from shared.contracts.refusals import Unavailable
from tests.platform.corruptions import CORRUPTIONS

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
START = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
ID, DOCTOR, PATIENT, SERVICE = (UUID(int=number) for number in range(1, 5))


@dataclass
class ScriptedStores:
    """Stores whose clock stands still."""

    def now(self) -> datetime:
        return NOW


@dataclass
class ScriptedCheck:
    """Finds what a script says for each look; the last entry stays."""

    script: list[list[Finding]]
    name: str = "script"
    looks: int = 0

    async def pages(self, stores: Any) -> AsyncIterator[Sequence[Key]]:
        yield [("one",)]

    async def examine(self, stores: Any, keys: Sequence[Key]) -> list[Finding]:
        found = self.script[min(self.looks, len(self.script) - 1)]
        self.looks += 1
        return found

    __hash__ = object.__hash__


class SilentProgress:
    """Shows nothing."""

    def begin(self, check: str) -> None: ...

    def advance(self, count: int) -> None: ...

    def look_again(self, count: int) -> None: ...


async def audit_script(*script: list[Finding]) -> tuple[AuditResult, list[float]]:
    pauses = list[float]()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    auditor = Auditor(cast(Any, ScriptedStores()), [ScriptedCheck(list(script))], SilentProgress(), 30, sleep)
    return await auditor.run(), pauses


def finding(evidence: int = 1, since: datetime | None = None) -> Finding:
    return Finding("claim_differs", ("one",), {"appointment": "one"}, (evidence,), since)


async def test_what_stays_the_same_at_every_look_is_a_fault() -> None:
    result, pauses = await audit_script([finding()])
    assert [fault.code for fault in result.faults] == ["claim_differs"]
    assert len(pauses) == len(PAUSE_SHARES)
    assert abs(sum(pauses) - 30) < 1e-9


async def test_what_is_gone_at_a_later_look_is_no_fault() -> None:
    result, _ = await audit_script([finding()], [finding()], [])
    assert result.faults == result.waiting == []


async def test_what_changes_between_the_looks_is_under_way() -> None:
    result, pauses = await audit_script(*([finding(number)] for number in range(100)))
    assert result.faults == []
    assert len(result.waiting) == 1
    assert len(pauses) == 3 * len(PAUSE_SHARES)


async def test_a_fault_behind_a_change_is_found_in_the_next_round() -> None:
    result, _ = await audit_script([finding(1)], [finding(2)])
    assert len(result.faults) == 1


async def test_waiting_work_is_a_fault_only_when_it_is_stuck() -> None:
    waiting, _ = await audit_script([finding(since=NOW - STUCK_AFTER + timedelta(seconds=1))])
    assert (len(waiting.faults), len(waiting.waiting)) == (0, 1)
    stuck, _ = await audit_script([finding(since=NOW - STUCK_AFTER - timedelta(seconds=1))])
    assert (len(stuck.faults), len(stuck.waiting)) == (1, 0)


def test_a_fault_is_one_line_with_ids_and_advice_only_on_request() -> None:
    fault = Finding("visit_missing", ("one",), {"appointment": "one", "starts_at": "2026-03-03T09:00:00Z"})
    result = AuditResult(checked={"booking histories are right": 7}, faults=[fault], waiting=[finding(since=NOW)])
    first, last = result_text(result, with_repairs=False).splitlines()
    assert first == "visit_missing: A visit is missing in the booking history. appointment=one starts_at=2026-03-03T09:00:00Z"
    assert last == "1 fault: 7 things examined by 1 checks, 1 under way"
    assert result_text(result, with_repairs=True).splitlines()[1] == "  Run `careslot rebuild history`."
    document = result_document(result, with_repairs=True)
    assert document["faults"] == [
        {
            "code": "visit_missing",
            "meaning": "A visit is missing in the booking history.",
            "ids": fault.ids,
            "advice": "Run `careslot rebuild history`.",
        }
    ]
    assert (document["clean"], document["complete"], document["checked"]) == (False, True, {"booking histories are right": 7})
    assert document["waiting"][0]["since"] == "2026-03-02T12:00:00Z"
    clean = AuditResult(checked={"one": 3, "two": 4})
    assert result_text(clean, with_repairs=False) == "all promises hold: 7 things examined by 2 checks"


def test_a_terminal_shows_a_bar_for_each_check() -> None:
    output = io.StringIO()
    with Progress(*COLUMNS, console=Console(file=output, force_terminal=True, width=100)) as progress:
        bars = ProgressBars(progress)
        bars.begin("groups are not overfull")
        bars.advance(25)
        bars.look_again(3)
    assert "groups are not overfull" in output.getvalue()
    assert "25" in output.getvalue()
    assert "looking again at 3" in output.getvalue()


async def test_what_comes_from_one_key_is_examined_once_at_each_look_however_many_findings_there_are() -> None:
    check = ScriptedCheck([[Finding("audit_line_changed", ("one", str(number)), {}, examined_key=("one",)) for number in range(500)]])
    await Auditor(cast(Any, ScriptedStores()), [check], SilentProgress(), 0).run()
    assert check.looks == 1 + len(PAUSE_SHARES)


async def test_of_an_audit_trail_in_which_every_line_was_changed_only_the_first_lines_are_listed() -> None:
    async def faults() -> AsyncIterator[ChainFault]:
        for position in range(MAX_FINDINGS + 1):
            yield ChainFault(ChainFaultCode.LINE_CHANGED, NOW.date(), position)

    findings = await list_findings(faults())
    assert len({finding.key for finding in findings}) == MAX_FINDINGS
    assert {finding.examined_key for finding in findings} == {TRAIL}


def test_a_document_database_that_stops_answering_ends_the_command_as_an_unreadable_store(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass
    class StoppedStores(ScriptedStores):
        @property
        def sql(self) -> Any:
            raise Unavailable

    @asynccontextmanager
    async def open_stopped() -> AsyncIterator[Any]:
        yield StoppedStores()

    with pytest.raises(typer.Exit) as ended:
        verify_stores(open_stopped(), as_json=False, with_repairs=False, patience_seconds=0)
    assert ended.value.exit_code == UNREACHABLE
    assert "appointment-service cannot be read" in capsys.readouterr().err


async def test_of_very_many_findings_the_first_ones_are_listed() -> None:
    many = [Finding("claim_differs", (str(number),), {}) for number in range(MAX_FINDINGS + 1)]
    result, _ = await audit_script(many, [])
    assert result.complete is False
    assert "more faults than are listed" in result_text(result, with_repairs=False)


def test_every_check_has_a_name_of_its_own() -> None:
    assert len({check.name for check in ALL_CHECKS}) == len(ALL_CHECKS)
    assert all(repair.meaning.endswith(".") and repair.advice for repair in CODES.values())


@dataclass
class InterleavedProduct:
    """One appointment and its claim in two stores, changed by the steps of the product, one store at a time.

    The order of the steps is that of appointment-service: an intent is stored, then the calendar changes, then the appointment is
    completed. A leave of scheduling-service changes the claim first, with a higher revision, and the appointment follows its event.
    """

    appointment: AppointmentFacts | None = None
    claim: ClaimFacts | None = None
    steps: list[Any] = field(default_factory=list)

    def begin_booking(self) -> None:
        self.appointment = appointment_facts()
        self.steps += [self._claim_as_wanted, lambda: self._complete(status="booked")]

    def begin_move(self) -> None:
        if self._is_settled("booked"):
            assert self.appointment is not None
            moved = self.appointment.starts_at + timedelta(hours=1)
            self._write(intent_since=NOW)
            self.steps += [
                lambda: self._claim_as_wanted(moved),
                lambda: self._complete(starts_at=moved, ends_at=moved + timedelta(minutes=30)),
            ]

    def begin_cancelling(self) -> None:
        if self._is_settled("booked"):
            self._write(status="cancelled", intent_since=NOW)
            self.steps += [self._release, self._complete]

    def begin_leave(self) -> None:
        if self._is_settled("booked"):
            assert self.claim is not None
            self.claim = replace(self.claim, live=False, revision=self.claim.revision + 1, changed_at=NOW)
            revision = self.claim.revision
            self.steps += [lambda: self._write(status="cancelled", revision=revision, intent_since=NOW), self._release, self._complete]

    def run_step(self) -> None:
        if self.steps:
            self.steps.pop(0)()

    def _is_settled(self, status: str) -> bool:
        return not self.steps and self.appointment is not None and self.appointment.status == status

    def _claim_as_wanted(self, starts_at: datetime | None = None) -> None:
        assert self.appointment is not None
        start = grain_of(starts_at or self.appointment.starts_at)
        self.claim = claim_facts(visit_from=start, visit_to=start + 6, revision=self.appointment.revision + 1)

    def _release(self) -> None:
        if self.claim is not None:
            self.claim = replace(self.claim, live=False, changed_at=NOW)

    def _complete(self, **changes: Any) -> None:
        assert self.appointment is not None
        revision = max(self.appointment.revision, self.claim.revision if self.claim else 0)
        self._write(intent_since=None, revision=revision, **changes)

    def _write(self, **changes: Any) -> None:
        assert self.appointment is not None
        self.appointment = replace(self.appointment, edition=self.appointment.edition + 1, **changes)


def appointment_facts() -> AppointmentFacts:
    return AppointmentFacts(
        id=ID,
        edition=1,
        status="pending",
        doctor_id=DOCTOR,
        patient_id=PATIENT,
        service_id=SERVICE,
        starts_at=START,
        ends_at=START + timedelta(minutes=30),
        created_at=NOW,
        changed_at=NOW,
        version=1,
        revision=0,
        intent_since=NOW,
        capacity=1,
        unsent=0,
        event_count=0,
        pending=(),
        published=(),
        unreadable_events=0,
        former_patient_ids=frozenset(),
    )


def claim_facts(**changes: Any) -> ClaimFacts:
    claim = ClaimFacts(
        id=ID,
        kind="reservation",
        live=True,
        archived=False,
        may_overlap=False,
        revision=1,
        appointment_version=1,
        service_id=SERVICE,
        doctor_id=DOCTOR,
        patient_id=PATIENT,
        visit_from=grain_of(START),
        visit_to=grain_of(START) + 6,
        span_from=grain_of(START),
        span_to=grain_of(START) + 6,
        session_id=None,
        changed_at=NOW,
    )
    return replace(claim, **changes)


ACTIONS = ("begin_move", "begin_cancelling", "begin_leave", "run_step")


@given(st.lists(st.sampled_from(ACTIONS), max_size=20), st.lists(st.integers(0, 21), min_size=3, max_size=3))
def test_no_state_on_the_way_looks_like_a_fault(actions: list[str], instants: list[int]) -> None:
    """The auditor reads the appointment, the claim and the appointment at any three instants, in this order."""
    product, first, second, third = InterleavedProduct(), *sorted(instants)
    before = claim = after = None
    for instant, action in enumerate(["begin_booking", *actions, *["run_step"] * 21]):
        before = product.appointment if instant == first else before
        claim = product.claim if instant == second else claim
        after = product.appointment if instant == third else after
        getattr(product, action)()
    found = judge_reservation(ID, before, claim, after, NOW)
    assert found is None or found.since is not None


@given(st.lists(st.sampled_from(ACTIONS), max_size=12))
def test_at_rest_nothing_is_wrong_and_every_difference_is_found(actions: list[str]) -> None:
    product = InterleavedProduct()
    for action in ("begin_booking", *actions, *["run_step"] * 6):
        getattr(product, action)()
    appointment, claim = product.appointment, product.claim
    assert judge_reservation(ID, appointment, claim, appointment, NOW) is None
    assert appointment is not None
    assert claim is not None
    if claim.live:
        other = UUID(int=9)
        wrong = [replace(claim, live=False), None, replace(claim, doctor_id=other), replace(claim, visit_to=(claim.visit_to or 0) + 1)]
        assert all(judge_reservation(ID, appointment, item, appointment, NOW) for item in wrong)


@dataclass
class FollowedVisit:
    """An appointment whose events reach the booking history late, twice and in any order; the newest version stays, as in patient-service.

    An event is stored in the appointment with its change, published later, and delivered later still.
    """

    appointment: AppointmentFacts
    row: Any = None
    report_row: Any = None
    row_version: int = 0
    handled: frozenset[UUID] = frozenset()

    @classmethod
    def booked(cls) -> FollowedVisit:
        return cls(booked_appointment())

    def change(self, number: int) -> None:
        """Move, cancel or restore the visit."""
        before = self.appointment
        status, hours = [("booked", 1), ("cancelled", 0), ("booked", 2)][number % 3]
        times: dict[str, Any] = {"starts_at": before.starts_at + timedelta(hours=hours), "ends_at": before.ends_at + timedelta(hours=hours)}
        after = replace(before, edition=before.edition + 1, version=before.version + 1, status=status, **times)
        self.appointment = replace(after, pending=(*before.pending, visit_event(after)), event_count=before.event_count + 1)

    def publish(self, number: int) -> None:
        """Move an event to the published ones, which does not count as a write."""
        if self.appointment.pending:
            event = self.appointment.pending[number % len(self.appointment.pending)]
            pending = tuple(item for item in self.appointment.pending if item is not event)
            self.appointment = replace(self.appointment, pending=pending, published=(*self.appointment.published, event))

    def deliver(self, number: int) -> None:
        """Deliver a published event, perhaps again. Inbox and row are written together."""
        if self.appointment.published:
            event = self.appointment.published[number % len(self.appointment.published)]
            assert isinstance(event, AppointmentEvent)
            if event.id not in self.handled and event.version > self.row_version:
                self.row, self.report_row, self.row_version = PatientVisit.of(event), ReportVisit.of(event), event.version
            self.handled |= {event.id}

    def deliver_all(self) -> None:
        """Publish and deliver what is left."""
        for number in range(len(self.appointment.events)):
            self.publish(number)
        for number in range(len(self.appointment.published)):
            self.deliver(number)


def booked_appointment() -> AppointmentFacts:
    """Return a booked appointment whose event was not published yet."""
    booked = replace(appointment_facts(), status="booked", intent_since=None, event_count=1)
    return replace(booked, pending=(visit_event(booked),))


def visit_event(appointment: AppointmentFacts) -> AppointmentEvent:
    names = ("service_id", "doctor_id", "patient_id", "starts_at", "ends_at", "status", "version")
    facts: dict[str, Any] = {name: getattr(appointment, name) for name in names}
    facts |= {"booked_at": appointment.created_at, "booked_by": Actor(id=PATIENT, role=Role.PATIENT)}
    ids = {"id": uuid4(), "appointment_id": appointment.id, "event_number": appointment.event_count}
    topic = "appointment.cancelled.v1" if appointment.status == "cancelled" else "appointment.booked.v1"
    actor = Actor(id=PATIENT, role=Role.PATIENT)
    return AppointmentEvent.for_topic(topic, occurred_at=NOW, actor=actor, sequence=0, time_zone="UTC", **ids, **facts)


STEPS = st.lists(st.tuples(st.sampled_from(["change", "publish", "deliver"]), st.integers(0, 5)), max_size=25)


@given(STEPS, st.lists(st.integers(0, 25), min_size=3, max_size=3))
def test_a_copy_that_follows_late_never_looks_wrong(steps: list[tuple[str, int]], instants: list[int]) -> None:
    """The auditor reads the appointment, then the copy with the inbox, then the appointment, at any three instants."""
    product, (first, second, third) = FollowedVisit.booked(), sorted(instants)
    before = copy = after = None
    for instant, (action, number) in enumerate([*steps, *[("deliver", 0)] * (26 - len(steps))]):
        before = product.appointment if instant == first else before
        copy = (product.row, HandledEvents(product.handled, None), product.report_row) if instant == second else copy
        after = product.appointment if instant == third else after
        getattr(product, action)(number)
    assert copy is not None
    assert after is not None
    if is_settled(before, after):
        assert before is not None
        assert judge_visit(before, copy[0], copy[1], may_patient_differ=False, now=NOW) == []
        late = judge_report_visit(before, copy[2], since=before.changed_at, may_patient_differ=False, now=NOW)
        assert all(finding.since == before.changed_at for finding in late), "work under way"


@given(STEPS)
def test_a_copy_that_has_followed_is_the_same_and_any_difference_is_found(steps: list[tuple[str, int]]) -> None:
    product = FollowedVisit.booked()
    for action, number in steps:
        getattr(product, action)(number)
    product.deliver_all()
    handled, appointment = HandledEvents(product.handled, None), product.appointment
    assert judge_visit(appointment, product.row, handled, may_patient_differ=False, now=NOW) == []
    for wrong in (None, replace(product.row, status="missed"), replace(product.row, doctor_id=UUID(int=9))):
        assert judge_visit(appointment, wrong, handled, may_patient_differ=False, now=NOW)
    report = product.report_row
    assert judge_report_visit(appointment, report, since=NOW, may_patient_differ=False, now=NOW) == []
    wrong_reports = [
        replace(report, **changes) for changes in ({"status": "missed"}, {"minutes": 5}, {"channel": "admin"}, {"lead_days": 9})
    ]
    for wrong in (None, *wrong_reports):
        assert judge_report_visit(appointment, wrong, since=NOW, may_patient_differ=False, now=NOW)


PROMISES = (Path(__file__).parents[3] / "docs" / "promises.md").read_text(encoding="utf-8")
NOT_PLANTED = {
    *("lane_taken_twice", "audit_line_inserted", "audit_day_cut", "audit_head_differs", "audit_head_missing", "audit_signature_wrong"),
    *("audit_lines_deleted_early", "calendar_request_waits", "event_waits", "session_differs"),
}
"""A primary key prevents the first; those of the audit trail have tests of their own; the others are work that waits, and unit tests."""


def test_the_page_about_the_promises_has_every_check_and_every_code() -> None:
    assert [check.name for check in ALL_CHECKS if check.name not in PROMISES] == []
    assert [code for code in CODES if f"`{code}`" not in PROMISES] == []


def test_at_least_twenty_kinds_of_corruption_are_planted_and_the_page_says_how_many() -> None:
    planted = {code for code, _ in CORRUPTIONS.values()}
    assert len(CORRUPTIONS) >= len(planted) >= 20
    assert f"plants {len(CORRUPTIONS)} kinds of corruption" in PROMISES
    assert planted | NOT_PLANTED == CODES.keys()
    assert not planted & NOT_PLANTED


def test_the_output_of_json_has_the_fields_that_the_page_shows() -> None:
    shown = json.loads(PROMISES.partition("```json")[2].partition("```")[0])
    result = AuditResult(checked={"one": 1}, faults=[finding()], waiting=[finding(since=NOW)])
    document = result_document(result, with_repairs=True)
    assert document.keys() == shown.keys()
    assert (document["format"], document["faults"][0].keys()) == (shown["format"], shown["faults"][0].keys())
    assert document["waiting"][0].keys() == shown["waiting"][0].keys()
