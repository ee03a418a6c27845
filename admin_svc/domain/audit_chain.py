"""The chain of the audit trail: each line has the hash of the line before it, and the last hash of each recording day is signed.

A line that is changed, deleted, inserted or moved later breaks the chain at its place. Somebody who computes all later hashes anew still
changes the last hash of a day, which auth-service has signed and which others may have copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from admin_svc.domain.audit import AuditLine
from shared.contracts.values import years_before

FIRST_HASH = "0" * 64
"""What the first line of the trail has as the hash before it."""
SHORTEST_RETENTION_YEARS = 1
"""No setting allows to keep lines for a shorter time. Which one applied when lines were deleted is not known any more."""
CLOSE_AFTER = timedelta(minutes=5)
"""How long after the end of a day it is closed although no line of a later day has come: the clocks of instances may differ."""


@dataclass(frozen=True, slots=True)
class DayHead:
    """A recording day (UTC) that has ended: how many lines it has, the hash of the last one, and that of the last line before the day.

    `signature` is None until auth-service has signed the head. `lines_deleted_at` is when the clinic began to delete the lines, because
    they had been kept long enough; the head stays.
    """

    day: date
    lines: int
    hash: str
    previous_hash: str
    closed_at: datetime
    key_id: str | None = None
    signature: str | None = None
    signed_at: datetime | None = None
    lines_deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The end of the chain: the newest recording day, how many lines it has, and the hash of the last line of the trail.

    `recorded_at` is that of the last line, None before the first line. `is_closed` when the head of the day has been stored, so that the
    next line belongs to a later day.
    """

    day: date | None = None
    lines: int = 0
    hash: str = FIRST_HASH
    previous_hash: str = FIRST_HASH
    recorded_at: datetime | None = None
    is_closed: bool = False

    def append(self, line: AuditLine) -> tuple[Self, AuditLine]:
        """Return the new end and the line with its place in the chain.

        Instances whose clocks differ append in turn, so the line is recorded no earlier than the line before it, and not on a closed day.
        """
        recorded_at = line.recorded_at.astimezone(UTC)
        if self.recorded_at is not None:
            recorded_at = max(recorded_at, self.recorded_at)
        if self.day is not None and self.is_closed:
            recorded_at = max(recorded_at, _start_of(self.day + timedelta(days=1)))
        day, is_new_day = recorded_at.date(), recorded_at.date() != self.day
        placed = replace(line, recorded_at=recorded_at, day=day, position=1 if is_new_day else self.lines + 1)
        chained = replace(placed, hash=line_hash(placed, self.hash))
        previous_hash = self.hash if is_new_day else self.previous_hash
        return replace(
            self,
            day=day,
            lines=chained.position,
            hash=chained.hash,
            previous_hash=previous_hash,
            recorded_at=recorded_at,
            is_closed=False,
        ), chained

    def is_due(self, now: datetime) -> bool:
        """Return whether the newest day has ended, and no line comes to it any more."""
        return self.day is not None and not self.is_closed and _start_of(self.day + timedelta(days=1)) + CLOSE_AFTER <= now

    def head(self, closed_at: datetime) -> DayHead:
        """Return the head of the newest day. There must be one."""
        assert self.day is not None
        return DayHead(self.day, self.lines, self.hash, self.previous_hash, closed_at)

    def close(self) -> Self:
        """Return the end after the head of its day was stored."""
        return replace(self, is_closed=True)


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def line_hash(line: AuditLine, previous_hash: str) -> str:
    """Return the hash of a line: SHA-256 of the hash before it and of the line as canonical JSON, in hexadecimal digits."""
    return hashlib.sha256(previous_hash.encode() + canonical_json(line).encode()).hexdigest()


def canonical_json(line: AuditLine) -> str:
    """Return a line as JSON that is the same on every server and in every release.

    It is ASCII without spaces, with sorted names; fields without a value are left out, so that a later release may add fields. Instants
    are UTC to the microsecond.
    """
    fields = {name: getattr(line, name) for name in line.__slots__ if name != "hash"}
    present = {name: _json_value(value) for name, value in fields.items() if value is not None}
    return json.dumps(present, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | str):
        return value if isinstance(value, int) else str(value)
    return dict(value) if hasattr(value, "items") else str(value)


class ChainFaultCode(StrEnum):
    """What is wrong with the chain of a day."""

    LINE_CHANGED = "audit_line_changed"
    LINES_MISSING = "audit_lines_missing"
    LINE_INSERTED = "audit_line_inserted"
    DAY_CUT = "audit_day_cut"
    HEAD_DIFFERS = "audit_head_differs"
    HEAD_MISSING = "audit_head_missing"
    SIGNATURE_WRONG = "audit_signature_wrong"
    LINES_DELETED_EARLY = "audit_lines_deleted_early"


@dataclass(frozen=True, slots=True)
class ChainFault:
    """A fault of the chain: on which recording day (UTC), at which position, and the id of the line there, if it has them."""

    code: ChainFaultCode
    day: date
    position: int | None = None
    line_id: UUID | None = None


def check_day(lines: Iterable[AuditLine], previous_head: DayHead | None, head: DayHead) -> list[ChainFault]:
    """Return the faults of one recording day, whose lines come in the order of their positions.

    `previous_head` is the head of the day before that has one, None for the first day of the trail. For the newest day, `head` is that of
    the chain's end. After a fault the check goes on with the stored hash, so that one changed line is one fault.
    """
    check = DayCheck(head)
    check.compare_heads(previous_head)
    for line in lines:
        check.compare_line(line)
    return check.finish()


class DayCheck:
    """The check of one day, for readers that read its lines in pages: where it is, and the faults so far.

    `is_open` for the newest day, to which lines are appended meanwhile: those after the last line of the head are ignored.
    """

    def __init__(self, head: DayHead, *, is_open: bool = False) -> None:
        self._head, self._is_open, self._faults = head, is_open, list[ChainFault]()
        self._position, self._hash = 0, head.previous_hash

    def compare_heads(self, previous: DayHead | None) -> list[ChainFault]:
        """Add a fault when the head does not follow the head before it. Return the faults so far."""
        if self._head.previous_hash != (previous.hash if previous is not None else FIRST_HASH):
            self._add(ChainFaultCode.HEAD_MISSING)
        return self._faults

    def compare_line(self, line: AuditLine) -> None:
        """Add a fault when the line is not the one that was appended after the line before it."""
        expected = self._position + 1
        if line.position > self._head.lines and self._is_open:
            return
        if line.position < expected or line.day != self._head.day or line.position > self._head.lines:
            self._add(ChainFaultCode.LINE_INSERTED, line.position, line.id)
            return
        if line.position > expected:
            self._add(ChainFaultCode.LINES_MISSING, expected, line.id)
        elif line.hash != line_hash(line, self._hash):
            self._add(ChainFaultCode.LINE_CHANGED, line.position, line.id)
        self._position, self._hash = line.position, line.hash

    def finish(self) -> list[ChainFault]:
        """Add a fault when lines are missing at the end of the day, or its last hash is another one. Return all faults."""
        if self._position < self._head.lines:
            self._add(ChainFaultCode.DAY_CUT, self._position + 1)
        elif self._hash != self._head.hash:
            self._add(ChainFaultCode.HEAD_DIFFERS, self._position)
        return self._faults

    def _add(self, code: ChainFaultCode, position: int | None = None, line_id: UUID | None = None) -> None:
        self._faults.append(ChainFault(code, self._head.day, position, line_id))


def first_kept_day(now: datetime, keep_years: int) -> date:
    """Return the oldest recording day (UTC) whose lines are kept at an instant; those of earlier days may be deleted."""
    return years_before(now, keep_years).astimezone(UTC).date()
