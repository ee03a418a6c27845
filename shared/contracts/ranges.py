"""Ranges of time in requests: half open, and checked in one place."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.contracts.refusals import Invalid, facts


class RangeReversed(Invalid):
    """Raised when a range does not end after its start."""

    code = "range_reversed"
    detail = "The start of the range must lie before its end."
    remedy = "Send a start that lies before the end."
    example_pointers = ("/from", "/starts_at")


class RangeTooLong(Invalid):
    """Raised when a range is longer than the operation allows. The fact `longest_days` is the limit in days."""

    code = "range_too_long"
    detail = "The range is longer than this operation allows."
    remedy = "Ask for at most `longest_days` days at once."
    example_facts = facts(longest_days=62)
    example_pointers = ("/to", "/ends_at")


def check_range(starts_at: datetime, ends_at: datetime, longest: timedelta | None = None, fields: tuple[str, str] = ("from", "to")) -> None:
    """Raise RangeReversed or RangeTooLong unless `starts_at` < `ends_at` <= `starts_at` + `longest`; `fields` name them for the caller.

    Without `longest` a range may have any length.
    """
    start_field, end_field = fields
    if starts_at >= ends_at:
        raise RangeReversed(pointer=f"/{start_field}")
    if longest is not None and ends_at - starts_at > longest:
        raise RangeTooLong(pointer=f"/{end_field}", longest_days=longest.days)
