"""Sessions and links by the clock; seals that only their maker can make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from auth_svc.domain.sessions import Reset, Session, reset_id_of, reset_token

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KEY, MOMENT = b"k" * 32, timedelta(microseconds=1)


def test_a_token_tells_its_reset_to_the_owner_of_the_key_only() -> None:
    reset_id = uuid4()
    token = reset_token(KEY, reset_id)
    assert reset_id_of(KEY, token) == reset_id
    assert reset_id_of(b"x" * 32, token) is None


@pytest.mark.parametrize("position", range(0, 64, 7))
def test_a_token_with_another_letter_is_none(position: int) -> None:
    token = reset_token(KEY, UUID(int=5))
    other = "A" if token[position] != "A" else "B"
    assert reset_id_of(KEY, token[:position] + other + token[position + 1 :]) is None


@pytest.mark.parametrize("token", ["", "x", "=" * 64, "A" * 64, "A" * 512, "é" * 64, "\ud800", "AAAA AAAA", "+/" * 32])
def test_what_is_no_token_is_none(token: str) -> None:
    assert reset_id_of(KEY, token) is None


def test_a_session_and_a_link_end_when_their_time_comes() -> None:
    session = Session(uuid4(), uuid4(), NOON, NOON, NOON + timedelta(days=30))
    reset = Reset(uuid4(), uuid4(), NOON + timedelta(hours=1))
    assert session.lives(session.expires_at - MOMENT)
    assert not session.lives(session.expires_at)
    assert reset.works(reset.expires_at - MOMENT)
    assert not reset.works(reset.expires_at)


def test_an_end_is_remembered_until_the_last_access_token_is_worth_nothing() -> None:
    session = Session(uuid4(), uuid4(), NOON, NOON, NOON + timedelta(days=30))
    event = session.ended_event(uuid4(), NOON, timedelta(minutes=10))
    assert event.expires_at == NOON + timedelta(minutes=11)
