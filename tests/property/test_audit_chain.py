"""The chain of the audit trail: whatever the clocks of the instances say it is whole, and whatever is done to a line is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from admin_svc.domain.audit import AuditLine
from admin_svc.domain.audit_chain import ChainEnd, ChainFault, DayHead, check_day
from shared.contracts.identity import Role, Service

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
STATES = st.none() | st.dictionaries(st.sampled_from(["status", "doctor_id", "role"]), st.none() | st.text(max_size=20), max_size=3)
MOMENTS = st.integers(0, 4 * 86_400 * 10**6).map(lambda micros: MONDAY + timedelta(microseconds=micros))


@st.composite
def appended_lines(draw: st.DrawFn) -> list[AuditLine]:
    """Return lines as instances with different clocks append them."""
    moments = draw(st.lists(MOMENTS, min_size=1, max_size=12))
    return [
        AuditLine(
            id=UUID(int=number),
            at=draw(MOMENTS),
            actor_id=UUID(int=draw(st.integers(0, 3))),
            actor_role=draw(st.sampled_from(Role)),
            action=draw(st.sampled_from(["profile.read", "account.sign_in"])),
            subject_id=UUID(int=draw(st.integers(0, 3))),
            relation=draw(st.none() | st.just("self")),
            outcome=draw(st.sampled_from(["done", "refused"])),
            row_id=draw(st.none() | st.just(UUID(int=9))),
            request_id=draw(st.none() | st.text(max_size=12)),
            source=draw(st.sampled_from(Service)),
            recorded_at=moment,
            before=draw(STATES),
            after=draw(STATES),
        )
        for number, moment in enumerate(moments)
    ]


def chain(lines: list[AuditLine], closings: set[int]) -> tuple[list[AuditLine], list[DayHead]]:
    """Return the chained lines and the heads of all days. A day is closed before the lines whose numbers are in `closings`."""
    end, chained, heads = ChainEnd(), list[AuditLine](), list[DayHead]()
    for number, line in enumerate(lines):
        if number in closings and end.day is not None and not end.is_closed:
            heads.append(end.head(MONDAY))
            end = end.close()
        new_end, placed = end.append(line)
        if end.day is not None and not end.is_closed and new_end.day != end.day:
            heads.append(end.head(MONDAY))
        end = new_end
        chained.append(placed)
    return chained, [*heads, end.head(MONDAY)]


def check(lines: list[AuditLine], heads: list[DayHead]) -> list[ChainFault]:
    """Return the faults of all days."""
    of_day = {day: list(group) for day, group in groupby(lines, lambda line: line.day)}
    pairs = zip([None, *heads], heads, strict=False)
    return [fault for previous, head in pairs for fault in check_day(of_day.get(head.day, []), previous, head)]


@given(appended_lines(), st.sets(st.integers(0, 11)))
def test_a_chain_is_whole_and_its_lines_stay_in_the_order_in_which_they_were_appended(lines: list[AuditLine], closings: set[int]) -> None:
    chained, heads = chain(lines, closings)
    assert check(chained, heads) == []
    assert [line.id for line in chained] == [line.id for line in lines]
    assert chained == sorted(chained, key=lambda line: (line.day, line.position))
    assert [line.recorded_at for line in chained] == sorted(line.recorded_at for line in chained)
    assert sum(head.lines for head in heads) == len(lines)


@given(appended_lines(), st.data())
def test_a_line_that_is_changed_or_missing_or_exchanged_is_found(lines: list[AuditLine], data: st.DataObject) -> None:
    chained, heads = chain(lines, set())
    index = data.draw(st.integers(0, len(chained) - 1))
    line = chained[index]
    changed = data.draw(
        st.sampled_from(
            [
                replace(line, actor_id=UUID(int=77)),
                replace(line, outcome="done" if line.outcome == "refused" else "refused"),
                replace(line, at=line.at + timedelta(microseconds=1)),
                replace(line, after={"status": "another state"}),
                replace(line, hash="f" * 64),
            ]
        )
    )
    assert check([*chained[:index], changed, *chained[index + 1 :]], heads)
    assert check([*chained[:index], *chained[index + 1 :]], heads)
    assert check([*chained[:index], line, *chained[index:]], heads)
