"""The chain of the audit trail: what is found when somebody changes it, and what is not counted as a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from admin_svc.domain.audit import AuditLine
from admin_svc.domain.audit_chain import FIRST_HASH, ChainEnd, ChainFaultCode, DayCheck, DayHead, canonical_json, check_day, first_kept_day
from shared.contracts.identity import Role, Service

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Lines = list[AuditLine]


def a_line(number: int, recorded_at: datetime = NOON) -> AuditLine:
    return AuditLine(
        id=UUID(int=number),
        at=recorded_at,
        actor_id=UUID(int=1),
        actor_role=Role.DOCTOR,
        action="profile.read",
        subject_id=UUID(int=2),
        relation=None,
        outcome="refused",
        row_id=None,
        request_id=None,
        source=Service.PATIENT,
        recorded_at=recorded_at,
    )


def a_day(count: int = 5) -> tuple[Lines, DayHead]:
    """Return the lines and the head of the first day of a trail."""
    end, lines = ChainEnd(), Lines()
    for number in range(count):
        end, line = end.append(a_line(number, NOON + timedelta(seconds=number)))
        lines.append(line)
    return lines, end.head(NOON)


def change(lines: Lines) -> Lines:
    return [replace(line, subject_id=UUID(int=9)) if line.position == 3 else line for line in lines]


def delete(lines: Lines) -> Lines:
    return lines[:2] + lines[3:]


def insert(lines: Lines) -> Lines:
    return [*lines[:3], replace(lines[2], id=UUID(int=77)), *lines[3:]]


def reorder(lines: Lines) -> Lines:
    return [*lines[:1], replace(lines[2], position=2), replace(lines[1], position=3), *lines[3:]]


def cut(lines: Lines) -> Lines:
    return lines[:3]


def add(lines: Lines) -> Lines:
    end = ChainEnd(NOON.date(), 5, lines[-1].hash, FIRST_HASH, lines[-1].recorded_at)
    return [*lines, end.append(a_line(77))[1]]


def close_the_gap(lines: Lines) -> Lines:
    """Delete a line and number those after it anew."""
    return lines[:2] + [replace(line, position=line.position - 1) for line in lines[3:]]


def rewrite(lines: Lines) -> Lines:
    """Change a line and compute all hashes after it anew."""
    end, rewritten = ChainEnd(), Lines()
    for line in change(lines):
        end, chained = end.append(line)
        rewritten.append(chained)
    return rewritten


@pytest.mark.parametrize(
    ("tamper", "code", "position"),
    [
        (change, ChainFaultCode.LINE_CHANGED, 3),
        (delete, ChainFaultCode.LINES_MISSING, 3),
        (insert, ChainFaultCode.LINE_INSERTED, 3),
        (reorder, ChainFaultCode.LINE_CHANGED, 2),
        (cut, ChainFaultCode.DAY_CUT, 4),
        (add, ChainFaultCode.LINE_INSERTED, 6),
        (close_the_gap, ChainFaultCode.LINE_CHANGED, 3),
        (rewrite, ChainFaultCode.HEAD_DIFFERS, 5),
    ],
    ids=["changed", "deleted", "inserted", "reordered", "cut", "appended", "renumbered", "rewritten"],
)
def test_whatever_is_done_to_the_lines_of_a_closed_day_is_found(
    tamper: Callable[[Lines], Lines], code: ChainFaultCode, position: int
) -> None:
    lines, head = a_day()
    faults = check_day(tamper(lines), None, head)
    assert (faults[0].code, faults[0].position) == (code, position), faults
    assert check_day(lines, None, head) == []


def test_one_changed_line_is_one_fault_that_names_the_line() -> None:
    lines, head = a_day()
    (fault,) = check_day(change(lines), None, head)
    assert fault.line_id == UUID(int=2)
    assert fault.day == NOON.date()


def test_a_day_follows_the_head_of_the_day_before() -> None:
    end, first = ChainEnd().append(a_line(1))
    yesterday = end.head(NOON)
    end, second = end.append(a_line(2, NOON + timedelta(days=1)))
    today = end.head(NOON)
    assert second.position == 1
    assert check_day([second], yesterday, today) == []
    for previous in (None, replace(yesterday, hash="f" * 64)):
        (fault,) = check_day([second], previous, today)
        assert fault.code is ChainFaultCode.HEAD_MISSING
    assert check_day([first], None, yesterday) == []


def test_lines_that_are_appended_during_the_check_of_the_newest_day_are_no_fault() -> None:
    lines, head = a_day()
    check = DayCheck(head, is_open=True)
    for line in add(lines):
        check.compare_line(line)
    assert check.finish() == []


def test_the_clock_of_the_chain_never_goes_back() -> None:
    end, _ = ChainEnd().append(a_line(1))
    end, behind = end.append(a_line(2, NOON - timedelta(days=2)))
    assert (behind.recorded_at, behind.day, behind.position) == (NOON, NOON.date(), 2)
    assert behind.at == NOON - timedelta(days=2)
    end, late = end.close().append(a_line(3, NOON))
    assert (late.recorded_at, late.position) == (datetime(2026, 3, 3, tzinfo=UTC), 1)
    assert not end.is_closed


def test_a_day_is_closed_some_minutes_after_its_end_and_once() -> None:
    end, _ = ChainEnd().append(a_line(1))
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    assert not end.is_due(midnight + timedelta(minutes=4))
    assert end.is_due(midnight + timedelta(minutes=5))
    assert not end.close().is_due(midnight + timedelta(minutes=5))
    assert not ChainEnd().is_due(midnight)


def test_the_canonical_json_of_a_line_never_changes() -> None:
    """Hashes that were computed years ago are compared with it."""
    line = replace(a_line(1), before={"status": "booked", "doctor_id": None}, after={"status": "cancelled"}, day=NOON.date(), position=7)
    assert canonical_json(line) == (
        '{"action":"profile.read","actor_id":"00000000-0000-0000-0000-000000000001","actor_role":"doctor","after":{"status":"cancelled"},'
        '"at":"2026-03-02T12:00:00.000000+00:00","before":{"doctor_id":null,"status":"booked"},"day":"2026-03-02",'
        '"id":"00000000-0000-0000-0000-000000000001","outcome":"refused","position":7,"recorded_at":"2026-03-02T12:00:00.000000+00:00",'
        '"source":"patient-service","subject_id":"00000000-0000-0000-0000-000000000002"}'
    )


def test_only_days_that_ended_before_the_years_of_the_setting_are_old() -> None:
    assert first_kept_day(datetime(2036, 3, 3, 0, 0, tzinfo=UTC), 10) == date(2026, 3, 3)
    assert first_kept_day(datetime(2036, 3, 2, 23, 59, tzinfo=UTC), 10) == date(2026, 3, 2)
