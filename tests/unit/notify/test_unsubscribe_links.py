"""The tokens of the links that end reminders and digests."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from notify_svc.domain.doctor_preferences import DoctorPreferences
from notify_svc.domain.refusals import NoSuchUnsubscribeLink
from notify_svc.domain.unsubscribe_links import Subscription, SubscriptionKind, UnsubscribeLinks
from shared.contracts.refusals import Stale
from tests.running import NOON

LINKS = UnsubscribeLinks("https://clinic.example", "s" * 40)
MINA, ADA = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize("kind", list(SubscriptionKind))
def test_a_link_names_the_person_and_what_it_ends_and_is_the_same_each_time(kind: SubscriptionKind) -> None:
    link = LINKS.unsubscribe_link(MINA, kind)
    assert link == LINKS.unsubscribe_link(MINA, kind)
    base, _, token = link.rpartition("/")
    assert (base, len(token)) == ("https://clinic.example/unsubscribe", 64)
    assert LINKS.read(token) == Subscription(MINA, kind)


def test_no_two_links_have_the_same_token() -> None:
    subscriptions = [Subscription(person, kind) for person in (MINA, ADA) for kind in SubscriptionKind]
    tokens = {LINKS.token_for(subscription) for subscription in subscriptions}
    other_secret = {UnsubscribeLinks("", "t" * 40).token_for(subscription) for subscription in subscriptions}
    assert len(tokens | other_secret) == 8


def test_a_token_that_was_changed_anywhere_or_was_made_elsewhere_is_unknown() -> None:
    token = LINKS.token_for(Subscription(MINA, SubscriptionKind.REMINDERS))
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    foreign = UnsubscribeLinks("", "t" * 40).token_for(Subscription(MINA, SubscriptionKind.REMINDERS))
    for unknown in (*changed, foreign, token[:-1], token + "A", f"{token}\n", "", "=" * 64, "ä" * 64):
        with pytest.raises(NoSuchUnsubscribeLink):
            LINKS.read(unknown)


def test_the_instant_of_the_choice_changes_only_with_the_choice() -> None:
    undecided = DoctorPreferences.default(ADA, NOON)
    later = NOON + timedelta(hours=1)
    assert undecided.with_daily_digest(False, 1, later) == undecided
    chosen = undecided.with_daily_digest(True, 1, later)
    assert (chosen.daily_digest, chosen.switched_at, chosen.version) == (True, later, 2)
    assert chosen.with_daily_digest(True, 2, later + timedelta(days=1)) == chosen
    with pytest.raises(Stale):
        chosen.with_daily_digest(False, 1, later)
