"""The rules of accounts."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from auth_svc.domain.accounts import Account, AccountStatus
from shared.contracts.identity import Role
from shared.contracts.refusals import Stale
from tests.running import NOON

PAT = Account(UUID(int=1), "pat@example.com", "Pat", Role.PATIENT, AccountStatus.ACTIVE, "en", NOON, "hash", version=3)


@pytest.mark.parametrize(("password_hash", "status"), [("hash", AccountStatus.ACTIVE), (None, AccountStatus.INVITED)])
def test_a_completed_account_is_active_or_invited(password_hash: str | None, status: AccountStatus) -> None:
    completed = replace(PAT, status=AccountStatus.PENDING, password_hash=password_hash).complete()
    assert (completed.status, completed.version) == (status, 4)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (AccountStatus.INVITED, AccountStatus.ACTIVE),
        (AccountStatus.ACTIVE, AccountStatus.ACTIVE),
        (AccountStatus.DISABLED, AccountStatus.DISABLED),
        (AccountStatus.PENDING, AccountStatus.PENDING),
    ],
)
def test_choosing_a_password_accepts_an_invitation_and_changes_no_other_status(before: AccountStatus, after: AccountStatus) -> None:
    assert replace(PAT, status=before).with_password("new").status is after


@pytest.mark.parametrize("status", AccountStatus)
@pytest.mark.parametrize("password_hash", ["hash", None])
def test_only_an_active_account_with_a_password_may_sign_in(status: AccountStatus, password_hash: str | None) -> None:
    may_sign_in = replace(PAT, status=status, password_hash=password_hash).may_sign_in
    assert may_sign_in is (status is AccountStatus.ACTIVE and password_hash is not None)


def test_setting_fields_to_the_values_that_they_have_changes_nothing() -> None:
    assert PAT.update({"full_name": "Pat", "status": AccountStatus.ACTIVE}, 3) is PAT
    assert PAT.update({"full_name": "Pat Lee"}, None).version == 4


def test_a_change_of_another_version_than_the_current_one_is_refused() -> None:
    with pytest.raises(Stale):
        PAT.update({"full_name": "Pat"}, 2)


def test_an_account_without_a_password_is_invited_when_it_is_enabled_again() -> None:
    disabled = replace(PAT, status=AccountStatus.DISABLED, password_hash=None)
    assert disabled.update({"status": AccountStatus.ACTIVE}, None).status is AccountStatus.INVITED


def test_the_name_is_copied_from_the_newest_profile_of_the_accounts_role() -> None:
    renamed = PAT.copy_profile({"full_name": "Pat Lee"}, Role.PATIENT, 2)
    assert (renamed.full_name, renamed.name_version, renamed.version) == ("Pat Lee", 2, 4)
    assert renamed.copy_profile({"full_name": "Old"}, Role.PATIENT, 2) is renamed
    assert renamed.copy_profile({"full_name": "Doctor"}, Role.DOCTOR, 9) is renamed
    assert renamed.copy_profile({"full_name": "Pat Lee"}, Role.PATIENT, 5).version == 4
    changed_role = renamed.update({"role": Role.DOCTOR}, None)
    assert changed_role.copy_profile({"full_name": "Dr Pat Lee"}, Role.DOCTOR, 1).full_name == "Dr Pat Lee"


def test_a_rehashed_password_keeps_the_version_and_is_not_printed() -> None:
    assert PAT.with_rehashed_password("new").version == PAT.version
    assert "hash" not in repr(PAT).replace("password_hash", "")
