"""Which patients may be the same person as a new patient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from patient_svc.domain.patients import Patient
from patient_svc.domain.search import MIN_LOCAL_DIGITS, KeyTerm, phone_ranges
from patient_svc.domain.search_keys import KeyKind, KeyRange, name_key, phone_key, split_words, word_forms

MAX_DUPLICATES = 10
MAX_CANDIDATES = 50
"""The largest number of patients of each term who are compared with a new one."""


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


def duplicate_terms(patient: Patient) -> list[KeyTerm]:
    """Return terms of which possible duplicates have at least one."""
    terms: list[KeyTerm] = [(KeyRange.equal(KeyKind.FULL_NAME, name_key(patient.full_name)),)]
    if patient.born_on is not None:
        terms.append((KeyRange.equal(KeyKind.BORN_ON, patient.born_on.isoformat()),))
    if phone := phone_key(patient.phone or ""):
        longer = (KeyRange.beginning(KeyKind.PHONE, phone),) if len(phone) >= MIN_LOCAL_DIGITS else ()
        terms.append((*phone_ranges(phone), *longer))
    if patient.email is not None:
        terms.append((KeyRange.equal(KeyKind.EMAIL, patient.email),))
    return terms


def possible_duplicates(patient: Patient, candidates: Iterable[Patient]) -> list[PossibleDuplicate]:
    """Return up to MAX_DUPLICATES of the candidates that may be the same person, the most likely first."""
    others = (PossibleDuplicate(other, duplicate_reasons(patient, other)) for other in candidates if other.id != patient.id)
    return sorted((other for other in others if other.reasons), key=lambda other: other.sort_key)[:MAX_DUPLICATES]


def duplicate_reasons(patient: Patient, other: Patient) -> tuple[DuplicateReason, ...]:
    """Return what makes two patients possibly the same person, or nothing if it is not likely.

    One reason is enough if it is the name, the phone number or the address. The same day of birth needs a similar name, and the same name
    is no reason if the days of birth differ.
    """
    reasons = tuple(_common(patient, other))
    has_other_birth = None not in (patient.born_on, other.born_on) and patient.born_on != other.born_on
    if DuplicateReason.SAME_PHONE in reasons or DuplicateReason.SAME_EMAIL in reasons:
        return reasons
    if DuplicateReason.SAME_NAME in reasons:
        return () if has_other_birth else reasons
    return reasons if {DuplicateReason.SAME_BORN_ON, DuplicateReason.SIMILAR_NAME} <= set(reasons) else ()


def _common(patient: Patient, other: Patient) -> Iterable[DuplicateReason]:
    if name_key(patient.full_name) == name_key(other.full_name):
        yield DuplicateReason.SAME_NAME
    elif _name_forms(patient) & _name_forms(other):
        yield DuplicateReason.SIMILAR_NAME
    if patient.born_on is not None and patient.born_on == other.born_on:
        yield DuplicateReason.SAME_BORN_ON
    if _is_same_phone(phone_key(patient.phone or ""), phone_key(other.phone or "")):
        yield DuplicateReason.SAME_PHONE
    if patient.email is not None and patient.email == other.email:
        yield DuplicateReason.SAME_EMAIL


def _name_forms(patient: Patient) -> set[str]:
    return {form for word in split_words(patient.full_name) for form in word_forms(word)}


def _is_same_phone(key: str, other: str) -> bool:
    """Return whether two numbers are the same, also if one lacks the code of the country or the city."""
    shorter, longer = sorted((key, other), key=len)
    return longer.startswith(shorter) and (len(shorter) >= MIN_LOCAL_DIGITS or key == other != "")
