"""Merging a patient into another one, because both are the same person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from patient_svc.domain.guardians import MAX_DEPENDANTS, MAX_GUARDIANS, TooManyDependants, TooManyGuardians
from patient_svc.domain.identifiers import MAX_IDENTIFIERS, Identifier
from patient_svc.domain.patients import Patient
from shared.contracts.events import PatientMerged
from shared.contracts.identity import STAFF, Caller, Role
from shared.contracts.refusals import Conflict, Invalid, Refusal, facts
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.contracts.relayed_refusals import PatientWasMerged as PatientWasMerged

FILLED_FIELDS = ("phone", "email", "born_on", "sex", "address", "emergency_contact", "preferred_contact", "time_zone", "locale")
"""The fields of a profile that are filled from the merged one where they are empty. Preferences are never taken over."""
EXAMPLE_ID, OTHER_EXAMPLE_ID = "01a206b9-ffc9-726c-b520-6c5fbdafecf3", "01a206b9-ffc9-726c-b520-6c5fbdafecf4"


class NoSuchMergeTarget(Invalid):
    """Raised when there is no patient into whom the other one could be merged."""

    code = "no_such_target"
    detail = "The patient to merge into does not exist, or was itself merged into another one."
    remedy = "Send the id of a patient whom `GET /patients/{id}` shows."
    example_pointers = ("/into",)


class MergedIntoSelf(Invalid):
    """Raised when a patient would be merged into themselves."""

    code = "same_patient"
    detail = "A patient cannot be merged into themselves."
    remedy = "Send the id of the other profile of this person in `into`."
    example_pointers = ("/into",)


class SourceHasAccount(Conflict):
    """Raised when a patient with an account would be merged into another one: an account and its profile share one id."""

    code = "source_has_account"
    detail = "This patient has an account, and can only be the target of a merge."
    remedy = "Merge the profile without an account into this one."


class GuardianAndDependant(Conflict):
    """Raised when one of the two patients is a guardian of the other: they are not the same person."""

    code = "guardian_and_dependant"
    detail = "One of the two patients is a guardian of the other."
    remedy = "If they are the same person, end the guardianship with `DELETE /patients/{id}/guardians/{guardian_id}` first."


class VisitsOverlap(Conflict):
    """Raised when both patients have visits at the same time. The fact `overlapping` lists the pairs."""

    code = "visits_overlap"
    detail = "The two patients have visits at the same time."
    remedy = "Move or cancel one visit of each pair in `overlapping`."
    example_facts = facts(overlapping=[{"appointment_id": EXAMPLE_ID, "appointment_id_of_target": OTHER_EXAMPLE_ID}])


class TooManyIdentifiers(Conflict):
    """Raised when both patients together have more identifiers than one may have. The fact `limit` is that number."""

    code = "too_many_identifiers"
    detail = "Together the two patients have more identifiers than one patient may have."
    remedy = "Remove identifiers that are no longer needed with `PATCH /patients/{id}` first."
    example_facts = facts(limit=MAX_IDENTIFIERS)


@dataclass(frozen=True, slots=True)
class LiveVisit:
    """A visit that is not over and takes time of a patient. Times are UTC."""

    appointment_id: UUID
    patient_id: UUID
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class MovedCounts:
    """How much belongs to the other patient after a merge. Visits and entries of every state count."""

    visits: int
    medical_entries: int
    identifiers: int
    guardians: int
    dependants: int


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge did. `filled` names the fields of the target's profile that were empty before.

    `reminders_consent` is among them where the target loses it, because the email is that of a patient who did not want reminders.
    """

    patient_id: UUID
    into_id: UUID
    moved: MovedCounts
    filled: tuple[str, ...]
    merged_at: datetime


@dataclass(frozen=True, slots=True)
class MergePlan:
    """The two patients, and what a merge would move. Guardians and dependants are ids.

    `former_ids` are the ids of patients who were merged into one of the two before, each with the one of the two who has their data.
    """

    source: Patient
    target: Patient
    source_guardians: frozenset[UUID]
    target_guardians: frozenset[UUID]
    source_dependants: frozenset[UUID]
    target_dependants: frozenset[UUID]
    visit_count: int
    entry_count: int
    former_ids: Mapping[UUID, UUID]

    @property
    def filled(self) -> dict[str, Any]:
        """The values that fill empty fields of the target. An account has an address, so that its profile gets none.

        Where the target gets the address of the other patient, it consents to reminders only if both did: who refused them, or chose to get
        none, must not get them at that address by the merge.
        """
        names = [name for name in FILLED_FIELDS if name != "email" or not self.target.has_account]
        values = {name: getattr(self.source, name) for name in names if getattr(self.target, name) is None}
        filled = {name: value for name, value in values.items() if value is not None}
        if "email" in filled and self.target.reminders_consent and not self.source.wants_reminders:
            filled["reminders_consent"] = False
        return filled

    @property
    def identifiers(self) -> tuple[Identifier, ...]:
        """The identifiers of both."""
        return tuple(dict.fromkeys((*self.target.identifiers, *self.source.identifiers)))

    @property
    def moved(self) -> MovedCounts:
        """What would be moved. A guardian of both, or a dependant of both, is not counted."""
        return MovedCounts(
            visits=self.visit_count,
            medical_entries=self.entry_count,
            identifiers=len(self.source.identifiers),
            guardians=len(self.source_guardians - self.target_guardians),
            dependants=len(self.source_dependants - self.target_dependants),
        )

    def target_after(self, now: datetime) -> Patient:
        """Return the profile of the target with what the other one had more."""
        return self.target.fill(self.filled | {"identifiers": self.identifiers}, now)

    def result(self, now: datetime) -> Merge:
        """Return what is stored of the merge."""
        return Merge(self.source.id, self.target.id, self.moved, tuple(self.filled), now)

    def refusals(self, visits: Iterable[LiveVisit]) -> Iterable[Refusal]:
        """Yield why the patients cannot be merged.

        `visits` are those of both that are not over. They may have former ids, because other services follow a merge a little later. The
        medical histories together may have more entries than can be added: nothing of them is lost.
        """
        if self.source.has_account:
            yield SourceHasAccount()
        if self.target.id in self.source_guardians | self.source_dependants:
            yield GuardianAndDependant()
        if len(self.source_guardians | self.target_guardians) > MAX_GUARDIANS:
            yield TooManyGuardians(limit=MAX_GUARDIANS)
        if len(self.source_dependants | self.target_dependants) > MAX_DEPENDANTS:
            yield TooManyDependants(limit=MAX_DEPENDANTS)
        if len(self.identifiers) > MAX_IDENTIFIERS:
            yield TooManyIdentifiers(limit=MAX_IDENTIFIERS)
        if pairs := overlapping_pairs([self._with_current_id(visit) for visit in visits], self.source.id):
            yield VisitsOverlap(overlapping=pairs)

    def _with_current_id(self, visit: LiveVisit) -> LiveVisit:
        return replace(visit, patient_id=self.former_ids.get(visit.patient_id, visit.patient_id))


@dataclass(frozen=True, slots=True)
class MergePreview:
    """What a merge would do, and the first reason why it would be refused."""

    plan: MergePlan
    refusal: Refusal | None


def overlapping_pairs(visits: Sequence[LiveVisit], source_id: UUID) -> list[Mapping[str, str]]:
    """Return the pairs of visits of the two patients that overlap, in the order of time."""
    own = [visit for visit in visits if visit.patient_id == source_id]
    others = [visit for visit in visits if visit.patient_id != source_id]
    pairs = ((visit, other) for visit in own for other in others if visit.starts_at < other.ends_at and other.starts_at < visit.ends_at)
    return [
        {"appointment_id": str(visit.appointment_id), "appointment_id_of_target": str(other.appointment_id)}
        for visit, other in sorted(pairs, key=lambda pair: (pair[0].starts_at, pair[1].starts_at))
    ]


def merged_refusal(merged_into: UUID, role: Role) -> Refusal:
    """Return the refusal for a patient who was merged into another one: only staff are told who that is."""
    return PatientWasMerged(merged_into=str(merged_into)) if role in STAFF else NoSuchPatient()


def missing_refusal(successor_id: UUID | None) -> Refusal:
    """Return the refusal for a service that asks for a patient who was merged into another one, or else does not exist."""
    return NoSuchPatient() if successor_id is None else PatientWasMerged(merged_into=str(successor_id))


def require_current(patient: Patient | None, by: Caller) -> Patient:
    """Return the patient. Raises NoSuchPatient, or PatientWasMerged where the caller is staff."""
    if patient is None:
        raise NoSuchPatient
    if patient.merged_into is not None:
        raise merged_refusal(patient.merged_into, by.role)
    return patient


def require_target(target: Patient | None) -> Patient:
    """Return the target of a merge. Raises NoSuchMergeTarget, also for a patient who was merged into another one."""
    if target is None or target.merged_into is not None:
        raise NoSuchMergeTarget(pointer="/into")
    return target


def require_other(source_id: UUID, into: UUID) -> None:
    """Raise MergedIntoSelf if both ids are the same."""
    if source_id == into:
        raise MergedIntoSelf(pointer="/into")


def merged_event(remainder: Patient, into: UUID, event_id: UUID, occurred_at: datetime) -> PatientMerged:
    """Return the event that tells the other services. `remainder` is what remains of the merged patient."""
    return PatientMerged(id=event_id, occurred_at=occurred_at, patient_id=remainder.id, into=into, version=remainder.version)
