"""Which patients may be the same person as a new one."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from patient_svc.domain.duplicates import MAX_DUPLICATES, DuplicateReason, duplicate_reasons, duplicate_terms, possible_duplicates
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
        keys = search_keys(other)
        ranges = [key_range for term in duplicate_terms(NEW) for key_range in term]
        assert any(key.kind is span.kind and span.first <= key.key <= span.last for key in keys for span in ranges)


def test_short_and_missing_phone_numbers_are_no_reason() -> None:
    assert duplicate_reasons(a_patient(full_name="Al", phone="110"), a_patient(2, "Bo", phone="030 123110")) == ()
    assert duplicate_reasons(a_patient(full_name="Al"), a_patient(2, "Bo")) == ()
    assert duplicate_reasons(a_patient(full_name="Al", phone="110"), a_patient(2, "Bo", phone="1-1-0")) == (BORN, PHONE)


def test_the_most_likely_come_first_and_their_number_is_bounded() -> None:
    likely, same_name = a_patient(50, phone=NEW.phone), a_patient(49, born_on=None)
    others = [a_patient(number, "Al Bo", phone=NEW.phone, born_on=None) for number in range(2, 20)]
    listed = possible_duplicates(NEW, [NEW, *others, same_name, likely, a_patient(60, "Al Bo", born_on=None)])
    assert [duplicate.patient for duplicate in listed] == [likely, same_name, *others[: MAX_DUPLICATES - 2]]
