"""A diary in which a transaction reads while others write: what came in between is there in part."""

from __future__ import annotations

from uuid import UUID

from scheduling_svc.domain.diary import Diary, Engagement, Group

VISIT = Engagement(100, 106, 99, 108)


def group(number: int, booked: int, held: int = 0) -> Group:
    return Group(UUID(int=number), UUID(int=9), VISIT, booked, held)


def test_a_group_that_came_meanwhile_is_held_and_no_visit_yet() -> None:
    diary = Diary(groups=[group(1, booked=0, held=1)]).without_empty_groups()
    assert (list(diary.visits), list(diary.kept_from(None))) == ([], [(99, 108)])


def test_a_group_that_came_and_in_which_nobody_counts_is_as_good_as_gone() -> None:
    diary = Diary(groups=[group(1, booked=0)]).without_empty_groups()
    assert (list(diary.visits), list(diary.kept_from(None)), list(diary.groups)) == ([], [], [])


def test_of_two_at_the_same_time_one_goes() -> None:
    diary = Diary([VISIT, VISIT], groups=[group(1, booked=0), group(2, booked=1)]).without_empty_groups()
    assert (list(diary.visits), [left.session_id for left in diary.groups]) == ([VISIT], [UUID(int=2)])
