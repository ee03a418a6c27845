"""Which relation between a caller and a patient permits which action. One query reads the facts, and the decision is made here."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from patient_svc.domain.access import AccessAction, Relation
from patient_svc.domain.merges import merged_refusal
from shared.contracts.clinic import CurrentClinic
from shared.contracts.identity import Role
from shared.contracts.refusals import Forbidden, Refusal
from shared.contracts.relayed_refusals import NoSuchPatient

CLINICAL = frozenset({Relation.SELF, Relation.GUARDIAN, Relation.TREATING_DOCTOR})
PERMITTED_RELATIONS: dict[AccessAction, frozenset[Relation]] = {
    AccessAction.PROFILE_READ: frozenset({Relation.SELF, Relation.TREATING_DOCTOR, Relation.RECEPTION, Relation.ADMIN, Relation.SERVICE}),
    AccessAction.PROFILE_CHANGED: frozenset({Relation.SELF, Relation.RECEPTION, Relation.ADMIN, Relation.SERVICE}),
    AccessAction.PROFILE_CREATED: frozenset({Relation.GUARDIAN, Relation.RECEPTION, Relation.ADMIN, Relation.SERVICE}),
    AccessAction.HISTORY_READ: CLINICAL | {Relation.BREAK_GLASS},
    AccessAction.HISTORY_ADDED: CLINICAL,
    AccessAction.HISTORY_CORRECTED: CLINICAL,
    AccessAction.HISTORY_RETRACTED: CLINICAL,
    AccessAction.SUMMARY_READ: frozenset({Relation.TREATING_DOCTOR, Relation.BREAK_GLASS}),
    AccessAction.VISITS_READ: CLINICAL | {Relation.RECEPTION, Relation.ADMIN},
    AccessAction.BREAK_GLASS: frozenset({Relation.ADMIN}),
    AccessAction.BREAK_GLASS_READ: frozenset({Relation.ADMIN}),
    AccessAction.GUARDIANS_READ: frozenset({Relation.RECEPTION, Relation.ADMIN}),
    AccessAction.DEPENDANT_READ: frozenset({Relation.GUARDIAN}),
    AccessAction.DEPENDANT_CHANGED: frozenset({Relation.GUARDIAN}),
    AccessAction.ACCESS_LOG_READ: frozenset({Relation.GUARDIAN}),
    AccessAction.PATIENT_EXPORTED: frozenset({Relation.SELF}),
    AccessAction.PATIENT_ERASED: frozenset({Relation.SELF, Relation.SERVICE}),
    AccessAction.ERASURE_READ: frozenset({Relation.ADMIN}),
    AccessAction.PROFILE_MERGED: frozenset({Relation.ADMIN}),
}
"""The relations that permit an action. Routes narrow this where the role of the caller alone decides."""
HEALTH_ACTIONS = frozenset(
    {
        AccessAction.HISTORY_READ,
        AccessAction.HISTORY_ADDED,
        AccessAction.HISTORY_CORRECTED,
        AccessAction.HISTORY_RETRACTED,
        AccessAction.SUMMARY_READ,
    }
)
"""The actions on the medical history: permitted to guardians only while the dependant is a minor.

What else guardians may do ends when the dependant is an adult and has an account.
"""
TREATING_STATUSES = frozenset({"requested", "booked", "checked_in", "in_progress", "completed", "missed"})
"""The statuses of appointments whose doctor treats the patient."""
UNRECORDED = frozenset({(Relation.SELF, AccessAction.VISITS_READ)})
"""What is not written into the access log, although it is permitted: patients see only what others read of their visits."""
RELATION_BY_ROLE = {Role.RECEPTION: Relation.RECEPTION, Role.ADMIN: Relation.ADMIN, Role.SERVICE: Relation.SERVICE}


class NotForReception(Forbidden):
    """Raised when reception asks for a medical history."""

    code = "not_for_reception"
    detail = "Reception does not read medical histories."
    remedy = "Ask the patient's doctor. The same request by reception is refused again."


class BreakGlassRequired(Forbidden):
    """Raised when an admin asks for a medical history that they have not opened, or opened too long ago."""

    code = "break_glass_required"
    detail = "Admins read a medical history only after they opened it for a reason."
    remedy = "Open it with `POST /patients/{id}/break-glass`; the patient is told."


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """For how many months after a visit its doctor counts as treating, and from which age patients are adults, by the clinic's date."""

    treatment_months: int
    adult_age_years: int
    clinic: CurrentClinic

    def treated_since(self, now: datetime) -> datetime:
        """Return the earliest end of a visit that still makes its doctor a treating one."""
        months = now.year * 12 + now.month - 1 - self.treatment_months
        year, month = months // 12, months % 12 + 1
        return now.replace(year=year, month=month, day=min(now.day, monthrange(year, month)[1]))

    def adults_born_until(self, now: datetime) -> date:
        """Return the latest date of birth of an adult, by the date in the clinic."""
        return adults_born_until(now.astimezone(ZoneInfo(self.clinic().time_zone)).date(), self.adult_age_years)


@dataclass(frozen=True, slots=True)
class Relations:
    """What connects a caller with a patient at one moment.

    Being the patient, or a guardian, counts only for callers with the role patient: a patient who has become staff has the rights
    of the new role.
    `is_known`: the patient exists. `is_treating`: the caller is a doctor with an appointment that is ahead, or that ended within the time
    for which a treatment counts. `has_treated`: with an appointment of any time that was not cancelled, declined, refused or expired.
    `has_account`: the patient can sign in. `break_glass_until` (UTC) is when the caller's latest access by break-glass ends, or ended.
    `merged_into` is who a patient was merged into; then the patient is not known any more.
    """

    role: Role
    is_known: bool = False
    is_self: bool = False
    is_guardian: bool = False
    is_treating: bool = False
    has_treated: bool = False
    born_on: date | None = None
    has_account: bool = False
    break_glass_until: datetime | None = None
    merged_into: UUID | None = None

    def permitting(self, action: AccessAction, *, now: datetime, adults_born_until: date) -> Relation | None:
        """Return the first relation, in the order of Relation, that permits the action, or None. `adults_born_until` as in `is_minor`."""
        permitted = PERMITTED_RELATIONS[action]
        existing = set(self._relations_for(action, now, adults_born_until)) if self.is_known else set()
        return next((relation for relation in Relation if relation in permitted and relation in existing), None)

    def is_minor(self, adults_born_until: date) -> bool:
        """Return whether the patient is a minor: born after `adults_born_until`. A patient whose date of birth is unknown is none."""
        return self.born_on is not None and self.born_on > adults_born_until

    @property
    def has_log(self) -> bool:
        """Whether what is refused is recorded: the patient exists, or was merged into another one, who reads the log of the former id."""
        return self.is_known or self.merged_into is not None

    def may_be_treating(self, action: AccessAction) -> bool:
        """Return whether the action is permitted to treating doctors, and the caller is a doctor who is not known to treat the patient."""
        is_open = self.is_known and self.role is Role.DOCTOR and not self.is_treating
        return is_open and Relation.TREATING_DOCTOR in PERMITTED_RELATIONS[action]

    def refusal(self, action: AccessAction) -> Refusal:
        """Return why a caller without a relation that permits the action is refused. Who may not know the patient is told of none."""
        if self.role is Role.RECEPTION and action in HEALTH_ACTIONS:
            return NotForReception()
        if self.merged_into is not None:
            return merged_refusal(self.merged_into, self.role)
        if self.role is Role.ADMIN and self.is_known and Relation.BREAK_GLASS in PERMITTED_RELATIONS[action]:
            return BreakGlassRequired()
        return NoSuchPatient()

    def with_treatment(self) -> Self:
        """Return the relations of a doctor who treats the patient, as appointment-service says."""
        return replace(self, is_treating=True, has_treated=True)

    def _relations_for(self, action: AccessAction, now: datetime, adults_born_until: date) -> Iterator[Relation]:
        is_patient, is_about_health = self.role is Role.PATIENT, action in HEALTH_ACTIONS
        if is_patient and self.is_self:
            yield Relation.SELF
        if is_patient and self.is_guardian and (self.is_minor(adults_born_until) or not (is_about_health or self.has_account)):
            yield Relation.GUARDIAN
        if self.role is Role.DOCTOR and (self.is_treating or (action is AccessAction.PROFILE_READ and self.has_treated)):
            yield Relation.TREATING_DOCTOR
        if self.role is Role.ADMIN and self.break_glass_until is not None and now < self.break_glass_until:
            yield Relation.BREAK_GLASS
        if self.role in RELATION_BY_ROLE:
            yield RELATION_BY_ROLE[self.role]


def adults_born_until(today: date, adult_age_years: int) -> date:
    """Return the latest date of birth of somebody who is an adult on `today`. Who was born on 29 February comes of age on 1 March."""
    year = today.year - adult_age_years
    try:
        return today.replace(year=year)
    except ValueError:
        return date(year, 2, 28)
