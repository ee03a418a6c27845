"""The rules of accounts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from auth_svc.domain.accounts import Account, Status
from shared.contracts.identity import Role
from shared.contracts.refusals import Stale

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PAT = Account(UUID(int=1), "pat@example.com", "Pat", Role.PATIENT, Status.ACTIVE, "en", NOON, "hash", version=3)


@pytest.mark.parametrize(("password_hash", "status"), [("hash", Status.ACTIVE), (None, Status.INVITED)])
def test_a_completed_account_is_active_or_invited(password_hash: str | None, status: Status) -> None:
    whole = replace(PAT, status=Status.PENDING, password_hash=password_hash).completed()
    assert (whole.status, whole.version) == (status, 4)


@pytest.mark.parametrize(
    ("before", "after"),
    [(Status.INVITED, Status.ACTIVE), (Status.ACTIVE, Status.ACTIVE), (Status.DISABLED, Status.DISABLED), (Status.PENDING, Status.PENDING)],
)
def test_a_password_accepts_an_invitation_and_lifts_nothing_else(before: Status, after: Status) -> None:
    assert replace(PAT, status=before).with_password("new").status is after


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("password_hash", ["hash", None])
def test_only_an_active_account_with_a_password_signs_in(status: Status, password_hash: str | None) -> None:
    may = replace(PAT, status=status, password_hash=password_hash).may_sign_in
    assert may is (status is Status.ACTIVE and password_hash is not None)


def test_an_amendment_that_changes_nothing_is_none() -> None:
    assert PAT.amended(3, full_name="Pat", status=Status.ACTIVE) is PAT
    assert PAT.amended(None, full_name="Pat Lee").version == 4


def test_an_amendment_of_what_one_did_not_see_is_refused() -> None:
    with pytest.raises(Stale):
        PAT.amended(2, full_name="Pat")


def test_a_reactivated_account_without_a_password_is_invited() -> None:
    disabled = replace(PAT, status=Status.DISABLED, password_hash=None)
    assert disabled.amended(None, status=Status.ACTIVE).status is Status.INVITED


def test_a_name_is_taken_from_the_newest_profile_of_ones_role() -> None:
    named = PAT.named("Pat Lee", Role.PATIENT, 2)
    assert (named.full_name, named.name_version, named.version) == ("Pat Lee", 2, 4)
    assert named.named("Old", Role.PATIENT, 2) is named
    assert named.named("Doctor", Role.DOCTOR, 9) is named
    assert named.named("Pat Lee", Role.PATIENT, 5).version == 4
    became = named.amended(None, role=Role.DOCTOR)
    assert became.named("Dr Pat Lee", Role.DOCTOR, 1).full_name == "Dr Pat Lee"


def test_a_rehash_is_nobodys_business() -> None:
    assert PAT.rehashed("new").version == PAT.version
    assert "hash" not in repr(PAT).replace("password_hash", "")
