"""What the use cases of scheduling-service need from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from scheduling_svc.domain.agenda import AgendaEntry
from scheduling_svc.domain.archive import ArchiveCursor
from scheduling_svc.domain.busy_times import BusyTimes
from scheduling_svc.domain.claims import Claim
from scheduling_svc.domain.feeds import CalendarFeed
from scheduling_svc.domain.holds import Hold
from scheduling_svc.domain.leaves import Closure, Leave, TimeBlock
from scheduling_svc.domain.terms import DoctorTerms, ServiceTerms
from scheduling_svc.domain.viewer import Viewer
from shared.contracts.events import Event
from shared.contracts.grains import Span
from shared.contracts.http import DoctorRules, PatientSummary, ServiceTypeRules
from shared.kit.retry import TransactionAborted


class LostRace(TransactionAborted):
    """Raised when another transaction took a grain or a seat, or changed the same row, after this one had read it.

    The transaction was rolled back as a whole and must be run again from its first read.
    """


class CalendarReader(Protocol):
    """Reads the calendar."""

    async def find_claim(self, appointment_id: UUID) -> Claim | None:
        """Return the claim of an appointment, also a released one."""

    async def find_hold(self, hold_id: UUID) -> Hold | None:
        """Return a hold, also one that has ended, while its row is still there."""

    async def list_busy_times(
        self, service: ServiceTerms, doctor_ids: Collection[UUID], within: Span, viewer: Viewer
    ) -> Mapping[UUID, BusyTimes]:
        """Return the busy times that touch a span, by person, for the doctors and the viewer's patient; people without any may be missing.

        `service` is the service in question: visits are counted against its caps. The number of queries depends neither on the length of
        the span nor on the number of doctors.
        """

    async def list_affected_claims(self, doctor_ids: Collection[UUID], span: Span, now: datetime, limit: int) -> list[Claim]:
        """Return the claims of these doctors whose visit touches a span and has not begun, in the order of time."""

    async def list_upcoming_claims(self, doctor_id: UUID, now: datetime, limit: int, after: Claim | None) -> list[Claim]:
        """Return the claims of a doctor whose visit has not begun, by start and id: those that come after a claim, if one is given."""

    async def find_leave(self, leave_id: UUID) -> Leave | None: ...

    async def find_closure(self, closure_id: UUID) -> Closure | None: ...

    async def find_service(self, service_id: UUID) -> ServiceTerms | None: ...

    async def list_doctors(self, ids: Collection[UUID]) -> list[DoctorTerms]:
        """Return those of the doctors whose rules are stored."""

    async def list_doctors_offering(self, service_id: UUID) -> list[DoctorTerms]: ...


class CalendarTransaction(CalendarReader, Protocol):
    """Commits on leaving and rolls back on any exception. Every read sees what other transactions have committed before it."""

    async def lock(self, *keys: UUID) -> None:
        """Acquire these locks, and hold them until the transaction ends. Rows that they protect can then be counted reliably."""

    async def save_claim(self, claim: Claim, previous: Claim | None, *, capacity: int = 1, from_hold: Hold | None = None) -> None:
        """Write a claim in place of the previous one, with its grains or its seat in a session of that capacity.

        The time or the seat of `from_hold`, which is exactly that of the claim, passes to the claim, and the hold ends. Raise LostRace if
        the previous claim or the hold has changed, or if a grain or the last seat is taken. Only the time of the claim's
        `overlapping_resource_ids` may be taken, and that of a patient into whom the patient of the claim was merged.
        """

    async def find_current_patient(self, patient_id: UUID) -> UUID:
        """Return the patient into whom a patient was merged, or the same one."""

    async def lock_merge(self, patient_id: UUID) -> bool:
        """Return True if a patient was merged into another one. A merge of them that is being stored is waited for."""

    async def insert_merged_patient(self, patient_id: UUID, into_id: UUID) -> None:
        """Store a merge; raise LostRace if another transaction has stored one of the same patient."""

    async def list_claims_of_patient(self, patient_id: UUID, limit: int) -> list[Claim]:
        """Return claims that take time of a patient, by id, and lock them. Claims that are being stored are waited for."""

    async def has_overlap(self, claim: Claim) -> bool:
        """Return True if another claim has some of the time that a claim takes of its patient, too."""

    async def insert_hold(self, hold: Hold, *, capacity: int = 1, from_hold: Hold | None = None) -> None:
        """Write a new hold with its grains or its seat, or with those of another hold of the same time, which ends.

        Raise LostRace if one of them is taken, or if the other hold has changed.
        """

    async def extend_hold(self, hold: Hold) -> None:
        """Write the new end of a hold; raise LostRace if it has changed since it was read."""

    async def drop_hold(self, hold: Hold) -> None:
        """Free the time of a hold. Its row stays until the owner's next hold, so that the id is still known. Harmless to repeat.

        Raise LostRace if the hold was extended since it was read.
        """

    async def list_holds_of_owner(self, owner_id: UUID) -> list[Hold]:
        """Return the holds that were not dropped, active or expired."""

    async def list_holds_overlapping(self, doctor_id: UUID, span: Span) -> list[Hold]:
        """Return the holds of a doctor's time that were not dropped, active or expired."""

    async def insert_block(self, block: TimeBlock) -> None:
        """Block time, in the lowest free lane of every grain; do nothing if the block exists."""

    async def delete_block(self, block: TimeBlock) -> None:
        """Free the grains of a block; claims in higher lanes move down. Harmless to repeat."""

    async def insert_leave(self, leave: Leave) -> None: ...

    async def delete_leave(self, leave: Leave) -> None:
        """Delete a leave; raise LostRace if another transaction has deleted it."""

    async def save_closure(self, closure: Closure) -> None: ...

    async def list_open_closures(self) -> list[Closure]:
        """Return the closures that are not over, and those whose blocks are not yet settled."""

    async def add_event(self, event: Event) -> None: ...

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction is the effect of an event; return False if it was handled before."""

    async def save_doctor_rules(self, rules: DoctorRules) -> bool:
        """Store the rules of a doctor if they are newer than the stored ones; return True if they were."""

    async def save_service_rules(self, rules: ServiceTypeRules) -> bool:
        """Store the rules of a service if they are newer than the stored ones; return True if they were."""

    async def mark_all_rules_saved(self) -> None:
        """Record that all rules were fetched once."""


class CalendarStore(Protocol):
    """Opens reads and transactions of the calendar, and lists pages of it."""

    def read(self) -> AbstractAsyncContextManager[CalendarReader]:
        """Open a snapshot: all reads in it see the calendar at the same moment."""

    def begin(self) -> AbstractAsyncContextManager[CalendarTransaction]: ...

    async def list_live_claims(self, limit: int, after: tuple[str, ...] | None, ends_after: datetime | None = None) -> list[Claim]:
        """Return claims that hold time, and end after an instant if one is given, in the order of their ends and ids."""

    async def list_leaves(self, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
        """Return the leaves of a doctor, the latest first."""

    async def list_closures(self, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
        """Return the closures that were not lifted, the latest first."""

    async def list_all_doctors(self, limit: int, after: UUID | None) -> list[DoctorTerms]:
        """Return all doctors whose rules are stored, in the order of their ids."""

    async def list_doctor_ids(self, limit: int, after: UUID | None) -> list[UUID]:
        """Return the ids of all doctors whose rules are stored, in order."""

    async def has_all_rules(self) -> bool:
        """Return True if all rules were fetched once."""


class ReportCalendar(CalendarStore, Protocol):
    """The calendar, as the figures of reports need it."""

    async def list_active_services(self, limit: int, after: UUID | None) -> list[ServiceTerms]:
        """Return up to `limit` active services whose rules are stored, in the order of their ids."""

    async def list_absences(self, doctor_ids: Collection[UUID], within: Span) -> Mapping[UUID, Sequence[tuple[int, int]]]:
        """Return the leaves and closures that touch a span, as (start, stop) by doctor; doctors without any are missing."""


class FeedTransaction(Protocol):
    """Changes the subscription links of accounts; commits on leaving."""

    async def save_feed(self, feed: CalendarFeed) -> None:
        """Store a link in place of the account's last one."""

    async def update_feed_content(self, feed: CalendarFeed) -> None:
        """Store content tag and time of change of a link that still exists."""

    async def delete_feed(self, account_id: UUID) -> bool:
        """Delete the link of an account; return whether there was one."""

    async def mark_handled(self, event_id: UUID) -> bool: ...


class AgendaStore(Protocol):
    """Reads the agendas of accounts, and opens transactions on their subscription links."""

    def begin(self) -> AbstractAsyncContextManager[FeedTransaction]: ...

    async def list_entries(self, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[AgendaEntry]:
        """Return the entries of an account that touch a span, by start and id, in two queries; raise BadCursor for a bad `after`."""

    async def find_feed(self, token_hash: str) -> CalendarFeed | None:
        """Return the link with this hash."""


class OwnerTransaction(Protocol):
    """Deletes what belongs to one person; commits on leaving."""

    async def lock(self, *keys: UUID) -> None:
        """Acquire these locks, and hold them until the transaction ends."""

    async def delete_feed(self, account_id: UUID) -> bool:
        """Delete the link of an account; return whether there was one."""

    async def delete_holds_of_owner(self, owner_id: UUID) -> int:
        """Free the time of all holds of a person and delete their rows, also of those that have ended; return how many.

        Lock the owner before. Raise LostRace if a hold was changed since it was read.
        """

    async def delete_lock(self, key: UUID) -> None:
        """Delete the row of a lock that this transaction has acquired. The next transaction that acquires the lock creates it again."""


class OwnerStore(Protocol):
    """The calendar, as far as it concerns what belongs to one person."""

    def begin(self) -> AbstractAsyncContextManager[OwnerTransaction]: ...


class ArchiveTransaction(Protocol):
    """Archives claims; commits on leaving."""

    async def archive(self, claim_id: UUID, ended_before: int) -> bool:
        """Delete the grains of a claim that ended before a grain, and mark it; return False if it is not due any more."""


class ArchiveStore(Protocol):
    """Lists and archives the claims whose time is over."""

    def begin(self) -> AbstractAsyncContextManager[ArchiveTransaction]: ...

    async def list_archivable(self, ended_before: int, limit: int, after: ArchiveCursor | None) -> list[ArchiveCursor]:
        """Return claims that ended before a grain and are not archived, in the order of their ends and ids."""


class EndedTimes(Protocol):
    """Deletes claims, leaves and closures that ended long ago, each call in a transaction of its own."""

    async def delete_ended_claims(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` claims without grains that ended before an instant, with their seats; return how many."""

    async def delete_ended_blocks(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` leaves, and as many settled closures, that ended before an instant; return how many."""


class PatientDirectory(Protocol):
    """patient-service, which knows who may book for whom. It is asked each time, because that right ends at once."""

    async def get_summary(self, patient_id: UUID) -> PatientSummary:
        """Return a patient with the guardians.

        Raises NoSuchPatient, PatientWasMerged for a patient merged into another one, or Unavailable if patient-service does not answer.
        """


class RuleOwner(Protocol):
    """doctor-service, the owner of the rules of doctors and services."""

    async def find_doctor(self, doctor_id: UUID) -> DoctorRules | None: ...

    async def find_service(self, service_id: UUID) -> ServiceTypeRules | None: ...

    def iterate_doctors(self) -> AsyncIterator[Sequence[DoctorRules]]:
        """Yield the rules of all doctors, page by page."""

    def iterate_services(self) -> AsyncIterator[Sequence[ServiceTypeRules]]:
        """Yield the rules of all services, page by page."""
