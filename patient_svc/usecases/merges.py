"""Merging a patient into another one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from patient_svc.domain.access import AccessAction, Relation
from patient_svc.domain.merges import (
    LiveVisit,
    Merge,
    MergePlan,
    MergePreview,
    merged_event,
    require_current,
    require_other,
    require_target,
)
from patient_svc.ports.merges import CalendarMerges, LiveVisits, MergeStore, MergeTransaction
from patient_svc.usecases.access_control import AccessControl
from patient_svc.usecases.accesses import access_line
from patient_svc.usecases.patients import save_patient
from shared.contracts.identity import Caller
from shared.contracts.refusals import require_version
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import TransactionAborted, retry_on_abort

LONGEST_VISIT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _LiveVisitsOf:
    """The visits that appointment-service has for these ids."""

    patient_ids: frozenset[UUID]
    visits: tuple[LiveVisit, ...]

    def of(self, plan: MergePlan) -> tuple[LiveVisit, ...]:
        """Return the visits. Raises TransactionAborted when somebody was merged into one of the two after the question: ask again."""
        if not self.patient_ids >= plan.former_ids.keys():
            raise TransactionAborted
        return self.visits


@dataclass(frozen=True, slots=True)
class Merges:
    """The use cases of admins. appointment-service is asked about visits at the same time before the transaction.

    The calendar follows a merge before it is answered, so that no booking of the target overlaps a visit of the source from then on. A
    booking that is stored after appointment-service was asked, or that is under way at that moment, may overlap: the calendar keeps both.
    """

    store: MergeStore
    visits: LiveVisits
    calendar: CalendarMerges
    access: AccessControl
    now: Clock

    async def merge(self, source_id: UUID, into: UUID, expected_version: int | None, by: Caller) -> Merge:
        """Merge a patient into another one. The same merge again changes nothing and returns what the first one did.

        Raises NoSuchPatient, PatientWasMerged, NoSuchMergeTarget, MergedIntoSelf, Stale for a `expected_version` that is not that of the
        source, what `MergePlan.refusals` yields, RecordsUnreadable, or Unavailable if appointment-service does not answer. If
        scheduling-service does not, the merge is done all the same, and Unavailable asks the admin to repeat it.
        """
        require_other(source_id, into)
        async with self.access.record_attempt(by, source_id, AccessAction.PROFILE_MERGED):
            earlier = await self._find_earlier(source_id, into)
            merge = earlier or await self._carry_out(source_id, into, expected_version, by)
        await self.calendar.follow_merge(source_id, into)
        return merge

    async def preview(self, source_id: UUID, into: UUID, expected_version: int | None, by: Caller) -> Merge | MergePreview:
        """Return what a merge would do and why it would be refused, or what it did if it is done already.

        Raises the refusals of `merge` that are about ids and the version.
        """
        require_other(source_id, into)
        async with self.access.record_attempt(by, source_id, AccessAction.PROFILE_READ):
            earlier = await self._find_earlier(source_id, into)
            return earlier or await self._read_preview(source_id, into, expected_version, by)

    async def _list_live(self, source_id: UUID, into: UUID) -> _LiveVisitsOf:
        """Return the visits of both that end after this moment, also those that appointment-service still has with a former id."""
        async with self.store.begin() as tx:
            patient_ids = frozenset({source_id, into, *await tx.list_former_ids((source_id, into))})
        now = self.now()
        visits = await self.visits.list_live(patient_ids, now - LONGEST_VISIT)
        return _LiveVisitsOf(patient_ids, tuple(visit for visit in visits if visit.ends_at > now))

    @retry_on_abort
    async def _find_earlier(self, source_id: UUID, into: UUID) -> Merge | None:
        async with self.store.begin() as tx:
            merge = await tx.find_merge(source_id)
        return merge if merge is not None and merge.into_id == into else None

    @retry_on_abort
    async def _read_preview(self, source_id: UUID, into: UUID, expected_version: int | None, by: Caller) -> MergePreview:
        live = await self._list_live(source_id, into)
        async with self.store.begin() as tx:
            plan = await self._load_plan(tx, source_id, into, expected_version, by)
            await self._record(tx, plan, by, AccessAction.PROFILE_READ)
        return MergePreview(plan, next(iter(plan.refusals(live.of(plan))), None))

    @retry_on_abort
    async def _carry_out(self, source_id: UUID, into: UUID, expected_version: int | None, by: Caller) -> Merge:
        live = await self._list_live(source_id, into)
        async with self.store.begin() as tx:
            plan = await self._load_plan(tx, source_id, into, expected_version, by)
            merge, refusal = plan.result(self.now()), next(iter(plan.refusals(live.of(plan))), None)
            if refusal is None:
                await self._move_all(tx, plan, merge)
            await self._record(tx, plan, by, AccessAction.PROFILE_MERGED, is_refused=refusal is not None)
        if refusal is not None:
            raise refusal
        return merge

    async def _load_plan(self, tx: MergeTransaction, source_id: UUID, into: UUID, expected_version: int | None, by: Caller) -> MergePlan:
        """Lock both patients in the order of their ids, and return what a merge would move."""
        patients = {patient_id: await tx.find_patient(patient_id) for patient_id in sorted((source_id, into))}
        source, target = require_current(patients[source_id], by), require_target(patients[into])
        require_version(source.version, expected_version)
        adults_born_until = self.access.policy.adults_born_until(self.now())
        return MergePlan(
            source,
            target,
            source_guardians=frozenset(
                [guardian.id for guardian in await tx.list_guardians(source_id, adults_born_until=adults_born_until)]
            ),
            target_guardians=frozenset([guardian.id for guardian in await tx.list_guardians(into, adults_born_until=adults_born_until)]),
            source_dependants=frozenset(await tx.list_all_dependants(source_id)),
            target_dependants=frozenset(await tx.list_all_dependants(into)),
            visit_count=await tx.count_visits(source_id),
            entry_count=await tx.count_all_entries(source_id),
            former_ids=await tx.list_former_ids((source_id, into)),
        )

    async def _move_all(self, tx: MergeTransaction, plan: MergePlan, merge: Merge) -> None:
        """Move everything. What remains of the source is stored first, so that its identifiers are free for the target."""
        now, remainder = merge.merged_at, plan.source.remove_identity(plan.target.id)
        adults_born_until = self.access.policy.adults_born_until(now)
        await tx.delete_ended_guardianships(plan.target.id, adults_born_until=adults_born_until)  # the source may fill in another date
        await tx.update_patient(remainder)
        await tx.insert_merge(merge)
        await tx.move_visits(remainder.id, plan.target.id)
        await tx.move_guardianships(remainder.id, plan.target.id)
        await tx.move_records(remainder.id, plan.target.id, now)
        await save_patient(tx, plan.target, plan.target_after(now), self.now)
        await tx.delete_ended_guardianships(plan.target.id, adults_born_until=adults_born_until)  # an adult with an account has none
        for dependant_id in sorted(plan.source_dependants):
            dependant = await tx.get_patient(dependant_id)
            await save_patient(tx, dependant, dependant.next_version(), self.now)
        await tx.add_event(merged_event(remainder, plan.target.id, new_id(), now))

    async def _record(self, tx: MergeTransaction, plan: MergePlan, by: Caller, action: AccessAction, *, is_refused: bool = False) -> None:
        """Record in the logs of both patients what the admin did, or was refused; the line of each names the other.

        A refusal can show the admin something of both, such as the times at which they have visits.
        """
        for patient, other in ((plan.source, plan.target), (plan.target, plan.source)):
            relation = None if is_refused else Relation.ADMIN
            await tx.record_access(access_line(by, patient.id, action, relation, now=self.now(), row_id=other.id))
