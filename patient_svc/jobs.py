"""The periodic jobs of patient-service; each runs on one instance at a time, under a lease."""

from __future__ import annotations

from patient_svc.usecases.access_log import AccessRetention
from patient_svc.usecases.erasures import Erasures
from patient_svc.usecases.guardians import Guardianships
from patient_svc.usecases.retention import ERASED_AT_ONCE, RecordRetention, VisitRetention
from patient_svc.usecases.search import PatientSearch
from shared.kit.batch_deletion import MAX_DELETED
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder
from shared.kit.rebuilding import ReadModelRebuilding


def schedule_jobs(
    jobs: Jobs,
    holder: LeaseHolder,
    rebuilding: ReadModelRebuilding,
    retention: AccessRetention,
    search: PatientSearch,
    guardianships: Guardianships,
) -> None:
    """Schedule going on with a rebuild of the booking history, deleting old lines of access logs, indexing, and ending guardianships."""
    jobs.add("rebuild_history", rebuilding.advance, every_seconds=5, holder=holder)
    jobs.add("delete_old_accesses", retention.delete_old, every_seconds=3600, holder=holder)
    jobs.add("index_patients", search.index_outdated, every_seconds=15, holder=holder)
    jobs.add("end_guardianships", guardianships.end_outdated, every_seconds=300, holder=holder)


def schedule_erasures(jobs: Jobs, holder: LeaseHolder, erasures: Erasures, records: RecordRetention, visits: VisitRetention) -> None:
    """Schedule asking services that have not reported about an erasure, and removing records and visits that are not kept any longer."""
    jobs.add("advance_erasures", erasures.advance_open, every_seconds=10, holder=holder)
    jobs.add("erase_expired_patients", records.erase_expired, every_seconds=3600, holder=holder, batch=ERASED_AT_ONCE)
    jobs.add("delete_old_visits", visits.delete_old, every_seconds=3600, holder=holder, batch=MAX_DELETED)
