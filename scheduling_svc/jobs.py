"""The periodic jobs of scheduling-service."""

from __future__ import annotations

from scheduling_svc.usecases.archive import Archive
from scheduling_svc.usecases.closures import Closures
from scheduling_svc.usecases.retention import CalendarRetention
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.kit.batch_deletion import MAX_DELETED
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(jobs: Jobs, rules: RuleCache, closures: Closures, archive: Archive, holder: LeaseHolder) -> None:
    """Schedule the jobs; each runs on one instance at a time, the holder of its lease."""
    jobs.add("fetch_rules", rules.fetch_all, every_seconds=3, holder=holder)
    jobs.add("archive_past", archive.archive_past, every_seconds=60, holder=holder)
    jobs.add("settle_closures", closures.settle_pending, every_seconds=5, holder=holder)


def schedule_retention(jobs: Jobs, retention: CalendarRetention, holder: LeaseHolder) -> None:
    """Schedule the deletion of what is not kept any longer. A run that deletes as much as it may is followed by another one at once."""
    jobs.add("delete_old_claims", retention.delete_old, every_seconds=3600, holder=holder, batch=MAX_DELETED)
