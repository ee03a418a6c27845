"""When sessions and reset links expire, and which reset tokens are accepted."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from auth_svc.domain.password_resets import PasswordReset, reset_id_from_token, reset_token
from auth_svc.domain.sessions import Session
from tests.running import NOON

KEY, MOMENT = b"k" * 32, timedelta(microseconds=1)


def test_a_token_gives_its_reset_id_only_with_the_key_that_signed_it() -> None:
    reset_id = uuid4()
    token = reset_token(KEY, reset_id)
    assert reset_id_from_token(KEY, token) == reset_id
    assert reset_id_from_token(b"x" * 32, token) is None


@pytest.mark.parametrize("position", range(0, 64, 7))
def test_a_token_with_a_changed_letter_is_rejected(position: int) -> None:
    token = reset_token(KEY, UUID(int=5))
    other = "A" if token[position] != "A" else "B"
    assert reset_id_from_token(KEY, token[:position] + other + token[position + 1 :]) is None


@pytest.mark.parametrize("token", ["", "x", "=" * 64, "A" * 64, "A" * 512, "é" * 64, "\ud800", "AAAA AAAA", "+/" * 32])
def test_a_text_that_is_not_a_token_is_rejected(token: str) -> None:
    assert reset_id_from_token(KEY, token) is None


def test_sessions_and_resets_expire_at_their_instant() -> None:
    session = Session(uuid4(), uuid4(), NOON, NOON, NOON + timedelta(days=30))
    reset = PasswordReset(uuid4(), uuid4(), NOON + timedelta(hours=1))
    assert session.is_live(session.expires_at - MOMENT)
    assert not session.is_live(session.expires_at)
    assert reset.is_valid(reset.expires_at - MOMENT)
    assert not reset.is_valid(reset.expires_at)


def test_the_end_of_a_session_is_announced_until_its_last_access_token_has_expired() -> None:
    session = Session(uuid4(), uuid4(), NOON, NOON, NOON + timedelta(days=30))
    event = session.ended_event(uuid4(), NOON, timedelta(minutes=10))
    assert event.expires_at == NOON + timedelta(minutes=11)
