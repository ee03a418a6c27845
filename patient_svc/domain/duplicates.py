"""Which patients may be the same person as a new patient."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from patient_svc.domain.patients import Patient
from patient_svc.domain.phone_numbers import is_same_phone, longer_phone_ranges, phone_keys, reversed_digits, same_phone_ranges
from patient_svc.domain.search_keys import born_name_key, name_forms, name_keys
from patient_svc.domain.search_ranges import KeyKind, KeyRange, KeyTerm, KeyTerms

MAX_DUPLICATES = 10
MAX_CANDIDATES = 50
"""The largest number of patients that each lookup compares with a new one. Each lookup finds only patients with a reason."""


class DuplicateReason(StrEnum):
    """What a patient has in common with a new one. `similar_name`: a part of the name is the same."""

    SAME_NAME = "same_name"
    SAME_BORN_ON = "same_born_on"
    SAME_PHONE = "same_phone"
    SAME_EMAIL = "same_email"
    SIMILAR_NAME = "similar_name"


WEIGHTS = {
    DuplicateReason.SAME_NAME: 4,
    DuplicateReason.SAME_BORN_ON: 3,
    DuplicateReason.SAME_PHONE: 3,
    DuplicateReason.SAME_EMAIL: 3,
    DuplicateReason.SIMILAR_NAME: 2,
}
"""How much a reason counts in the order of possible duplicates."""


@dataclass(frozen=True, slots=True)
class PossibleDuplicate:
    """A patient who may be the same person as a new one, with the reasons."""

    patient: Patient
    reasons: tuple[DuplicateReason, ...]

    @property
    def sort_key(self) -> tuple[int, UUID]:
        """The place in the order: the most likely first."""
        return -sum(WEIGHTS[reason] for reason in self.reasons), self.patient.id


def duplicate_lookups(patient: Patient) -> list[KeyTerms]:
    """Return the lookups that together find the possible duplicates. Names are looked up together with the day of birth."""
    terms = [*_name_terms(patient)]
    if phone_keys(patient.phone or ""):
        digits = reversed_digits(patient.phone or "")
        terms.append((*same_phone_ranges(digits), *longer_phone_ranges(digits)))
    if patient.email is not None:
        terms.append((KeyRange.equal(KeyKind.EMAIL, patient.email),))
    return [(term,) for term in terms]


def _name_terms(patient: Patient) -> Iterator[KeyTerm]:
    """Yield the same name, of patients who may have the same day of birth, and a part of the name with the same day."""
    names = sorted(name_keys(patient.full_name))
    if patient.born_on is None:
        yield tuple(KeyRange.equal(KeyKind.FULL_NAME, name) for name in names)
        return
    yield tuple(KeyRange.equal(KeyKind.BORN_NAME, born_name_key(day, name)) for day in (patient.born_on, None) for name in names)
    forms = dict.fromkeys(form for forms in name_forms(patient.full_name) for form in forms)
    yield tuple(KeyRange.equal(KeyKind.BORN_NAME, born_name_key(patient.born_on, form)) for form in forms)


def possible_duplicates(patient: Patient, candidates: Iterable[Patient], account_ids: Collection[UUID] = ()) -> list[PossibleDuplicate]:
    """Return the candidates that may be the same person, the most likely first. `account_ids` have the address of the patient."""
    others = (PossibleDuplicate(other, duplicate_reasons(patient, other, account_ids)) for other in candidates if other.id != patient.id)
    return sorted((other for other in others if other.reasons), key=lambda other: other.sort_key)


def duplicate_reasons(patient: Patient, other: Patient, account_ids: Collection[UUID] = ()) -> tuple[DuplicateReason, ...]:
    """Return what makes two patients possibly the same person, or nothing if it is not likely.

    One reason is enough if it is the name, the phone number or the address. The same day of birth needs a similar name, and the same name
    is no reason if the days of birth differ.
    """
    reasons = tuple(_common_reasons(patient, other, account_ids))
    has_other_birth = None not in (patient.born_on, other.born_on) and patient.born_on != other.born_on
    if DuplicateReason.SAME_PHONE in reasons or DuplicateReason.SAME_EMAIL in reasons:
        return reasons
    if DuplicateReason.SAME_NAME in reasons:
        return () if has_other_birth else reasons
    return reasons if {DuplicateReason.SAME_BORN_ON, DuplicateReason.SIMILAR_NAME} <= set(reasons) else ()


def _common_reasons(patient: Patient, other: Patient, account_ids: Collection[UUID]) -> Iterable[DuplicateReason]:
    if name_keys(patient.full_name) & name_keys(other.full_name):
        yield DuplicateReason.SAME_NAME
    elif _forms(patient) & _forms(other):
        yield DuplicateReason.SIMILAR_NAME
    if patient.born_on is not None and patient.born_on == other.born_on:
        yield DuplicateReason.SAME_BORN_ON
    if is_same_phone(patient.phone, other.phone):
        yield DuplicateReason.SAME_PHONE
    if (patient.email is not None and patient.email == other.email) or other.id in account_ids:
        yield DuplicateReason.SAME_EMAIL


def _forms(patient: Patient) -> set[str]:
    return {form for forms in name_forms(patient.full_name) for form in forms}
