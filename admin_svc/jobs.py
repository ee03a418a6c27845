"""The jobs of admin-service."""

from __future__ import annotations

from collections.abc import Callable

from admin_svc.usecases.audit import DELETED_AT_ONCE, MAX_DELETIONS, AuditRetention
from admin_svc.usecases.create_user import UserCreation
from admin_svc.usecases.imports import DELETED_AT_ONCE as DELETED_IMPORTS_AT_ONCE
from admin_svc.usecases.imports import ImportRetention, ImportRunner
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_imports(jobs: Jobs, runner: ImportRunner, retention: ImportRetention, holder: LeaseHolder) -> Callable[[], None]:
    """Add the jobs of imports; return the function that wakes the one that creates rows."""
    jobs.add("delete_old_imports", retention.delete_old, every_seconds=3600, holder=holder, batch=DELETED_IMPORTS_AT_ONCE)
    return jobs.add("create_imported", runner.create_waiting, every_seconds=5, holder=holder)


def schedule_jobs(jobs: Jobs, creation: UserCreation, retention: AuditRetention, holder: LeaseHolder) -> None:
    """Add the jobs; each runs on one instance at a time, the holder of its lease."""
    jobs.add("complete_pending_users", creation.complete_pending, every_seconds=10, holder=holder)
    jobs.add("delete_old_audit_lines", retention.delete_old, every_seconds=3600, holder=holder, batch=DELETED_AT_ONCE * MAX_DELETIONS)
