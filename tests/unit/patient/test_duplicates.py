"""Which patients may be the same person as a new one."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from patient_svc.domain.duplicates import DuplicateReason, duplicate_lookups, duplicate_reasons, possible_duplicates
from patient_svc.domain.patients import Patient
from patient_svc.domain.search_keys import search_keys

NAME, SIMILAR, BORN, PHONE, EMAIL = (
    DuplicateReason.SAME_NAME,
    DuplicateReason.SIMILAR_NAME,
    DuplicateReason.SAME_BORN_ON,
    DuplicateReason.SAME_PHONE,
    DuplicateReason.SAME_EMAIL,
)


def a_patient(number: int = 1, full_name: str = "Jo Roe", **fields: Any) -> Patient:
    born_on = {"born_on": date(1950, 1, 31)} if "born_on" not in fields else {}
    return Patient(UUID(int=number), full_name, None, None, **fields | born_on)


def is_looked_up(patient: Patient, other: Patient) -> bool:
    """Return whether the lookups for a new patient find the other one."""
    lookups, keys = duplicate_lookups(patient), search_keys(other)
    return any(
        all(any(key.kind is span.kind and span.first <= key.key <= span.last for key in keys for span in term) for term in terms)
        for terms in lookups
    )


NEW = a_patient(phone="+49 30 1234567", email="jo@example.com")


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, (NAME, BORN)),
        ({"full_name": "ROE, Jó"}, (NAME, BORN)),
        ({"full_name": "Jo Rowe"}, (SIMILAR, BORN)),
        ({"full_name": "Jo Rowe", "born_on": date(1950, 1, 30)}, ()),
        ({"full_name": "Al Bo"}, ()),
        ({"born_on": None}, (NAME,)),
        ({"born_on": date(1980, 1, 31)}, ()),
        ({"born_on": date(1980, 1, 31), "phone": "030 1234567"}, (NAME, PHONE)),
        ({"full_name": "Al Bo", "phone": "1234567"}, (BORN, PHONE)),
        ({"full_name": "Al Bo", "born_on": None, "email": "jo@example.com"}, (EMAIL,)),
        ({"full_name": "Al Bo", "born_on": None, "phone": "4567"}, ()),
    ],
)
def test_a_patient_with_the_same_data_may_be_the_same_person(changes: dict[str, Any], reasons: tuple[DuplicateReason, ...]) -> None:
    other = a_patient(2, **changes)
    assert duplicate_reasons(NEW, other) == reasons
    if reasons:
        assert is_looked_up(NEW, other)


def test_short_and_missing_phone_numbers_are_no_reason() -> None:
    assert duplicate_reasons(a_patient(full_name="Al", phone="110"), a_patient(2, "Bo", phone="030 123110")) == ()
    assert duplicate_reasons(a_patient(full_name="Al"), a_patient(2, "Bo")) == ()
    assert duplicate_reasons(a_patient(full_name="Al", phone="110"), a_patient(2, "Bo", phone="1-1-0")) == (BORN, PHONE)


def test_the_most_likely_come_first_and_their_number_is_bounded() -> None:
    likely, same_name = a_patient(50, phone=NEW.phone), a_patient(49, born_on=None)
    others = [a_patient(number, "Al Bo", phone=NEW.phone, born_on=None) for number in range(2, 20)]
    listed = possible_duplicates(NEW, [NEW, *others, same_name, likely, a_patient(60, "Al Bo", born_on=None)])
    assert [duplicate.patient for duplicate in listed] == [likely, same_name, *others]


@pytest.mark.parametrize(
    ("name", "other_name"),
    [
        ("Jürgen Grünzeug", "Jurgen Grunzeug"),
        ("Jürgen Grünzeug", "Juergen Gruenzeug"),
        ("Jürgen Gruenzeug", "Jurgen Grünzeug"),
        ("Juergen Grunzeug", "Grünzeug, Jürgen"),
        ("Zoë Brontë", "BRONTE ZOE"),
        ("Søren Åberg", "Soren Aaberg"),
        ("Siobhán O'Brien", "Siobhan OBrien"),
        ("Ä Ö Ü Å Ø", "A O U A O"),
        ("Ä Ö Ü Å Ø", "Ae Oe Ue Aa Oe"),
    ],
)
@pytest.mark.parametrize("born_on", [None, date(1950, 1, 31)], ids=["day unknown", "same day"])
def test_the_same_name_is_recognised_in_every_form_of_its_letters(name: str, other_name: str, born_on: date | None) -> None:
    patient, other = a_patient(1, name, born_on=born_on), a_patient(2, other_name, born_on=born_on)
    for new, stored in ((patient, other), (other, patient)):
        assert NAME in duplicate_reasons(new, stored)
        assert is_looked_up(new, stored)


@pytest.mark.parametrize(
    ("phone", "other_phone"),
    [("+49 (0)30 7654321", "+49 30 7654321"), ("+49 (0)30 7654321", "030 7654321"), ("0049 30 7654321", "+49 030 7654321")],
)
def test_the_same_phone_number_is_recognised_with_and_without_the_zero_of_the_city(phone: str, other_phone: str) -> None:
    patient, other = a_patient(1, "Al Bo", phone=phone), a_patient(2, "Mo Li", phone=other_phone)
    for new, stored in ((patient, other), (other, patient)):
        assert duplicate_reasons(new, stored) == (BORN, PHONE)
        assert is_looked_up(new, stored)


def test_the_address_of_an_account_is_a_reason() -> None:
    account = a_patient(2, "Al Bo", has_account=True)
    assert duplicate_reasons(NEW, account, [account.id]) == (BORN, EMAIL)
    assert possible_duplicates(NEW, [account], [NEW.id]) == []


def test_patients_who_only_have_the_same_day_of_birth_are_not_looked_up() -> None:
    assert not is_looked_up(a_patient(), a_patient(2, "Al Bo"))
    assert not is_looked_up(a_patient(), a_patient(2, born_on=date(1950, 1, 30))), "the same name with another day"
