"""Busy times that a transaction reads in several statements: a session that appears between two of them is read in part."""

from __future__ import annotations

from uuid import UUID

from scheduling_svc.domain.busy_times import BookedTime, BusyTimes, GroupOccupancy

VISIT = BookedTime(100, 106, 99, 108)


def an_occupancy(number: int, booked_seats: int, held_seats: int = 0) -> GroupOccupancy:
    return GroupOccupancy(UUID(int=number), UUID(int=9), VISIT, booked_seats, held_seats)


def test_a_session_that_appeared_meanwhile_counts_as_held_and_not_as_a_visit() -> None:
    busy_times = BusyTimes(sessions=[an_occupancy(1, booked_seats=0, held_seats=1)]).without_empty_sessions()
    assert (list(busy_times.visits), list(busy_times.held_from(None))) == ([], [(99, 108)])


def test_a_session_that_appeared_meanwhile_without_a_seat_that_counts_is_left_out() -> None:
    busy_times = BusyTimes(sessions=[an_occupancy(1, booked_seats=0)]).without_empty_sessions()
    assert (list(busy_times.visits), list(busy_times.held_from(None)), list(busy_times.sessions)) == ([], [], [])


def test_of_two_sessions_at_the_same_time_only_the_empty_one_is_left_out() -> None:
    sessions = [an_occupancy(1, booked_seats=0), an_occupancy(2, booked_seats=1)]
    busy_times = BusyTimes([VISIT, VISIT], sessions=sessions).without_empty_sessions()
    assert (list(busy_times.visits), [session.session_id for session in busy_times.sessions]) == ([VISIT], [UUID(int=2)])
