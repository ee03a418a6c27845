"""Which relation permits which action on a patient's data."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from patient_svc.domain.access import AccessAction, Relation
from patient_svc.domain.relations import HEALTH_ACTIONS, PERMITTED_RELATIONS, AccessPolicy, Relations, adults_born_until
from shared.contracts.clinic import ClinicProfile
from shared.contracts.identity import Role
from tests.running import NOON

ADULTS_BORN_UNTIL = date(2008, 3, 2)
CHILD, ADULT = date(2008, 3, 3), date(2008, 3, 2)


def permitting(action: AccessAction, role: Role, now: datetime = NOON, **facts: Any) -> Relation | None:
    return Relations(role, **{"is_known": True} | facts).permitting(action, now=now, adults_born_until=ADULTS_BORN_UNTIL)


@pytest.mark.parametrize("action", sorted(AccessAction))
@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR, Role.RECEPTION, Role.ADMIN, Role.SERVICE, Role.CLIENT])
def test_a_role_alone_never_permits_anything_about_health(action: AccessAction, role: Role) -> None:
    relation = permitting(action, role)
    assert relation is None or (relation.value == role.value and action not in HEALTH_ACTIONS)


@pytest.mark.parametrize("action", sorted(AccessAction))
def test_every_action_has_a_rule_and_an_unknown_patient_has_no_relation(action: AccessAction) -> None:
    assert action in PERMITTED_RELATIONS
    assert permitting(action, Role.ADMIN, is_known=False, is_self=True, is_guardian=True, born_on=CHILD) is None


@pytest.mark.parametrize("action", sorted(HEALTH_ACTIONS - {AccessAction.SUMMARY_READ}))
@pytest.mark.parametrize(
    ("role", "facts", "relation"),
    [
        (Role.PATIENT, {"is_self": True}, Relation.SELF),
        (Role.DOCTOR, {"is_self": True, "is_guardian": True, "born_on": CHILD}, None),
        (Role.RECEPTION, {"is_self": True, "is_guardian": True, "born_on": CHILD}, None),
        (Role.ADMIN, {"is_self": True, "is_guardian": True, "born_on": CHILD}, None),
        (Role.PATIENT, {"is_guardian": True, "born_on": CHILD}, Relation.GUARDIAN),
        (Role.PATIENT, {"is_guardian": True, "born_on": ADULT}, None),
        (Role.PATIENT, {"is_guardian": True}, None),
        (Role.DOCTOR, {"is_treating": True, "has_treated": True}, Relation.TREATING_DOCTOR),
        (Role.DOCTOR, {"has_treated": True}, None),
        (Role.PATIENT, {"is_treating": True}, None),
        (Role.ADMIN, {"is_treating": True}, None),
    ],
    ids=[
        "self",
        "is a doctor now",
        "is reception now",
        "is an admin now",
        "guardian",
        "of an adult",
        "age unknown",
        "treating",
        "former doctor",
        "was a doctor",
        "is an admin",
    ],
)
def test_the_history_is_for_the_patient_guardians_of_minors_and_treating_doctors(
    action: AccessAction, role: Role, facts: dict[str, Any], relation: Relation | None
) -> None:
    assert permitting(action, role, **facts) is relation


def test_break_glass_permits_an_admin_to_read_until_it_ends_and_never_to_write() -> None:
    end = NOON + timedelta(minutes=60)
    before, at_the_end = end - timedelta(seconds=1), end
    for action in (AccessAction.HISTORY_READ, AccessAction.SUMMARY_READ):
        assert permitting(action, Role.ADMIN, before, break_glass_until=end) is Relation.BREAK_GLASS
        assert permitting(action, Role.ADMIN, at_the_end, break_glass_until=end) is None
        assert permitting(action, Role.DOCTOR, before, break_glass_until=end) is None
    for action in HEALTH_ACTIONS - {AccessAction.HISTORY_READ, AccessAction.SUMMARY_READ}:
        assert permitting(action, Role.ADMIN, before, break_glass_until=end) is None


def test_a_former_doctor_still_sees_the_profile_and_a_guardian_of_an_adult_the_visits() -> None:
    assert permitting(AccessAction.PROFILE_READ, Role.DOCTOR, has_treated=True) is Relation.TREATING_DOCTOR
    assert permitting(AccessAction.VISITS_READ, Role.DOCTOR, has_treated=True) is None
    assert permitting(AccessAction.VISITS_READ, Role.PATIENT, is_guardian=True, born_on=ADULT) is Relation.GUARDIAN


def test_only_a_doctor_who_is_not_known_to_treat_a_known_patient_is_asked_about() -> None:
    doctor = Relations(Role.DOCTOR, is_known=True)
    assert doctor.may_be_treating(AccessAction.HISTORY_READ)
    assert not doctor.may_be_treating(AccessAction.BREAK_GLASS)
    assert not doctor.with_treatment().may_be_treating(AccessAction.HISTORY_READ)
    assert not Relations(Role.DOCTOR).may_be_treating(AccessAction.HISTORY_READ)
    assert not Relations(Role.ADMIN, is_known=True).may_be_treating(AccessAction.HISTORY_READ)


@pytest.mark.parametrize(
    ("today", "born_until"),
    [(date(2026, 3, 2), date(2008, 3, 2)), (date(2028, 2, 29), date(2010, 2, 28))],
    ids=["a day", "29 February"],
)
def test_a_patient_comes_of_age_on_the_birthday(today: date, born_until: date) -> None:
    assert adults_born_until(today, 18) == born_until


@pytest.mark.parametrize(
    ("now", "since"),
    [
        (datetime(2026, 3, 31, 12, tzinfo=UTC), datetime(2024, 3, 31, 12, tzinfo=UTC)),
        (NOON.replace(day=1), datetime(2024, 3, 1, 12, tzinfo=UTC)),
    ],
    ids=["end of a month", "start of a month"],
)
def test_a_treatment_counts_for_whole_months(now: datetime, since: datetime) -> None:
    assert AccessPolicy(24, 18, ClinicProfile).treated_since(now) == since
    assert AccessPolicy(1, 18, ClinicProfile).treated_since(datetime(2026, 3, 31, tzinfo=UTC)) == datetime(2026, 2, 28, tzinfo=UTC)


def test_a_patient_comes_of_age_at_midnight_in_the_clinic() -> None:
    evening = datetime(2026, 3, 2, 16, tzinfo=UTC)  # 3 March in Tokyo, from 15:00 UTC on
    assert AccessPolicy(24, 18, lambda: ClinicProfile(time_zone="Asia/Tokyo")).adults_born_until(evening) == date(2008, 3, 3)
    assert AccessPolicy(24, 18, lambda: ClinicProfile(time_zone="Europe/Berlin")).adults_born_until(evening) == date(2008, 3, 2)
