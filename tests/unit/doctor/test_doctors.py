"""A profile's rules: who changes what, and what an account's fate does to it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from doctor_svc.domain.doctors import OWN_FIELDS, Doctor
from doctor_svc.domain.refusals import AccountDismissed, NoSuchDoctor, NotYoursToChange
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Stale

ADA, BOB = UUID(int=1), UUID(int=2)
ADMIN, HERSELF, COLLEAGUE = Caller(BOB, Role.ADMIN), Caller(ADA, Role.DOCTOR), Caller(BOB, Role.DOCTOR)
EVERY_FIELD = OWN_FIELDS | {"full_name", "time_zone", "specialties", "services", "active"}


def a_doctor(**changes: Any) -> Doctor:
    fields: dict[str, Any] = {"id": ADA, "email": "ada@clinic.example", "full_name": "Ada Weiss", "time_zone": "UTC", "pending": False}
    return Doctor(**fields | changes)


@pytest.mark.parametrize("field", sorted(EVERY_FIELD))
def test_doctors_change_only_their_own_fields_and_admins_all(field: str) -> None:
    for by in (ADMIN, HERSELF, None):
        if by is HERSELF and field not in OWN_FIELDS:
            with pytest.raises(NotYoursToChange):
                a_doctor().amended({field: "new"}, None, by)
        else:
            assert a_doctor().amended({field: "new"}, 1, by).version == 2


def test_who_may_not_is_told_before_who_is_late() -> None:
    with pytest.raises(NotYoursToChange):
        a_doctor().amended({"full_name": "x"}, 7, HERSELF)
    with pytest.raises(Stale):
        a_doctor().amended({"bio": "x"}, 7, HERSELF)


@pytest.mark.parametrize("by", [None, HERSELF, COLLEAGUE, ADMIN, Caller(BOB, Role.PATIENT), Caller(BOB, Role.RECEPTION)])
def test_an_active_doctor_is_shown_to_everyone_and_a_pending_one_to_nobody(by: Caller | None) -> None:
    assert a_doctor().shown_to(by) == a_doctor()
    with pytest.raises(NoSuchDoctor):
        a_doctor(pending=True).shown_to(by)
    if by in (HERSELF, ADMIN):
        assert a_doctor(active=False).shown_to(by)
    else:
        with pytest.raises(NoSuchDoctor):
            a_doctor(active=False).shown_to(by)


def test_a_pending_doctor_is_inactive_to_the_calendar() -> None:
    assert not a_doctor(pending=True).rules().active
    assert a_doctor(pending=True).completed().rules().active


def test_the_version_of_the_rules_grows_with_profile_and_hours() -> None:
    doctor = a_doctor()
    assert doctor.rules().version == 2
    assert doctor.amended({"bio": "x"}, None, ADMIN).rules().version == 3
    assert doctor.scheduled(doctor.schedule.with_weekly([], None)).rules().version == 3


@pytest.mark.parametrize(
    ("role", "status", "version", "active"),
    [
        (Role.DOCTOR, "active", 3, True),
        (Role.DOCTOR, "invited", 3, True),
        (Role.DOCTOR, "disabled", 3, False),
        (Role.RECEPTION, "active", 3, False),
        (Role.DOCTOR, "disabled", 2, True),
    ],
)
def test_a_doctor_is_active_as_the_newest_word_of_the_account_says(role: Role, status: str, version: int, active: bool) -> None:
    known = a_doctor(account_version=2).with_account(role, status, version)
    assert (known.active, known.account_version, known.version) == (active, max(version, 2), 1 if active else 2)


def test_who_was_dismissed_is_active_again_with_the_account_and_not_before() -> None:
    dismissed = a_doctor().with_account(Role.DOCTOR, "disabled", 2)
    with pytest.raises(AccountDismissed):
        dismissed.amended({"active": True}, None, ADMIN)
    assert dismissed.amended({"bio": "x"}, None, ADMIN).active is False
    assert dismissed.with_account(Role.DOCTOR, "active", 3).active is True


def test_whom_the_clinic_took_off_the_list_stays_off_it_when_the_invitation_is_accepted() -> None:
    off = a_doctor().with_account(Role.DOCTOR, "invited", 1).amended({"active": False}, None, ADMIN)
    accepted = off.with_account(Role.DOCTOR, "active", 2)
    assert (accepted.active, accepted.version) == (False, off.version)
