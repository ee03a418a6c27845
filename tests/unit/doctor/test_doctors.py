"""A doctor's rules: who may change what, and how the doctor follows the account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from doctor_svc.domain.doctors import OWN_FIELDS, Doctor
from doctor_svc.domain.refusals import DoctorAccountInactive, NotYoursToChange
from shared.contracts.http import AccountSummary
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Stale
from shared.contracts.relayed_refusals import NoSuchDoctor

ADA, BOB = UUID(int=1), UUID(int=2)
ADMIN, ADA_HERSELF, COLLEAGUE = Caller(BOB, Role.ADMIN), Caller(ADA, Role.DOCTOR), Caller(BOB, Role.DOCTOR)
EVERY_FIELD = OWN_FIELDS | {"full_name", "time_zone", "specialties", "services", "active"}


def a_doctor(**changes: Any) -> Doctor:
    fields: dict[str, Any] = {"id": ADA, "email": "ada@clinic.example", "full_name": "Ada Weiss", "time_zone": "UTC", "pending": False}
    return Doctor(**fields | changes)


@pytest.mark.parametrize("field", sorted(EVERY_FIELD))
def test_doctors_change_only_their_own_fields_and_admins_all(field: str) -> None:
    for by in (ADMIN, ADA_HERSELF, None):
        if by is ADA_HERSELF and field not in OWN_FIELDS:
            with pytest.raises(NotYoursToChange):
                a_doctor().update({field: "new"}, None, by)
        else:
            assert a_doctor().update({field: "new"}, 1, by).version == 2


def test_a_missing_permission_is_reported_before_a_stale_version() -> None:
    with pytest.raises(NotYoursToChange):
        a_doctor().update({"full_name": "x"}, 7, ADA_HERSELF)
    with pytest.raises(Stale):
        a_doctor().update({"bio": "x"}, 7, ADA_HERSELF)


@pytest.mark.parametrize("by", [None, ADA_HERSELF, COLLEAGUE, ADMIN, Caller(BOB, Role.PATIENT), Caller(BOB, Role.RECEPTION)])
def test_active_doctors_are_public_and_pending_ones_invisible(by: Caller | None) -> None:
    assert a_doctor().view_for(by) == a_doctor()
    with pytest.raises(NoSuchDoctor):
        a_doctor(pending=True).view_for(by)
    if by in (ADA_HERSELF, ADMIN):
        assert a_doctor(active=False).view_for(by)
    else:
        with pytest.raises(NoSuchDoctor):
            a_doctor(active=False).view_for(by)


def test_a_pending_doctor_is_inactive_to_the_calendar() -> None:
    assert not a_doctor(pending=True).rules().active
    assert a_doctor(pending=True).confirm(an_account()).rules().active


def test_a_doctor_whose_account_is_disabled_is_confirmed_as_inactive() -> None:
    confirmed = a_doctor(pending=True).confirm(an_account(status="disabled", version=4))
    assert (confirmed.active, confirmed.account_version) == (False, 4)


def an_account(**changes: Any) -> AccountSummary:
    account = {"id": ADA, "email": "ada@clinic.test", "full_name": "Ada", "role": "doctor", "status": "active", "version": 1}
    return AccountSummary.model_validate(account | {"created_at": "2026-03-02T12:00:00Z"} | changes)


def test_the_version_of_the_rules_grows_with_profile_and_hours() -> None:
    doctor = a_doctor()
    assert doctor.rules().version == 2
    assert doctor.update({"bio": "x"}, None, ADMIN).rules().version == 3
    assert doctor.with_schedule(doctor.schedule.with_weekly_hours([], None)).rules().version == 3


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
def test_a_doctor_follows_the_newest_version_of_the_account(role: Role, status: str, version: int, active: bool) -> None:
    doctor = a_doctor(account_version=2).apply_account(role, status, version)
    assert (doctor.active, doctor.account_version, doctor.version) == (active, max(version, 2), 1 if active else 2)


def test_a_doctor_without_account_is_inactive_until_the_account_is_active_again() -> None:
    disabled = a_doctor().apply_account(Role.DOCTOR, "disabled", 2)
    with pytest.raises(DoctorAccountInactive):
        disabled.update({"active": True}, None, ADMIN)
    assert disabled.update({"bio": "x"}, None, ADMIN).active is False
    assert disabled.apply_account(Role.DOCTOR, "active", 3).active is True


def test_accepting_an_invitation_does_not_activate_a_doctor_whom_the_clinic_deactivated() -> None:
    inactive = a_doctor().apply_account(Role.DOCTOR, "invited", 1).update({"active": False}, None, ADMIN)
    accepted = inactive.apply_account(Role.DOCTOR, "active", 2)
    assert (accepted.active, accepted.version) == (False, inactive.version)
