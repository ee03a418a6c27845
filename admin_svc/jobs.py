"""The jobs of admin-service."""

from __future__ import annotations

from collections.abc import Callable

from admin_svc.usecases.audit import AuditRetention
from admin_svc.usecases.audit_heads import AuditHeads
from admin_svc.usecases.bulk import DELETED_AT_ONCE as BULK_CHANGES_AT_ONCE
from admin_svc.usecases.bulk import BulkChanges
from admin_svc.usecases.create_user import UserCreation
from admin_svc.usecases.imports import DELETED_AT_ONCE as DELETED_IMPORTS_AT_ONCE
from admin_svc.usecases.imports import ImportRetention, ImportRunner
from admin_svc.usecases.report_model import AccessNotes, ReportRetention
from shared.kit.batch_deletion import MAX_DELETED
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder
from shared.kit.rebuilding import ReadModelRebuilding


def schedule_imports(jobs: Jobs, runner: ImportRunner, retention: ImportRetention, holder: LeaseHolder) -> Callable[[], None]:
    """Add the jobs of imports; return the function that wakes the one that creates rows."""
    jobs.add("delete_old_imports", retention.delete_old, every_seconds=3600, holder=holder, batch=DELETED_IMPORTS_AT_ONCE)
    return jobs.add("create_imported", runner.create_waiting, every_seconds=5, holder=holder)


def schedule_jobs(
    jobs: Jobs, creation: UserCreation, heads: AuditHeads, retention: AuditRetention | None, bulk: BulkChanges, holder: LeaseHolder
) -> None:
    """Add the jobs; each runs on one instance at a time, the holder of its lease."""
    jobs.add("complete_pending_users", creation.complete_pending, every_seconds=10, holder=holder)
    jobs.add("complete_bulk_changes", bulk.complete_pending, every_seconds=5, holder=holder)
    jobs.add("delete_old_bulk_changes", bulk.delete_old, every_seconds=3600, holder=holder, batch=BULK_CHANGES_AT_ONCE)
    jobs.add("sign_audit_heads", heads.close_and_sign, every_seconds=60, holder=holder)
    if retention is not None:
        jobs.add("delete_old_audit_lines", retention.delete_old, every_seconds=3600, holder=holder, batch=MAX_DELETED)


def schedule_report_jobs(
    jobs: Jobs, notes: AccessNotes, rebuilding: ReadModelRebuilding, retention: ReportRetention, holder: LeaseHolder
) -> None:
    """Add the jobs that note measures of access, go on with a rebuild of the reports, and delete what is not kept any longer."""
    jobs.add("note_access", notes.note_today, every_seconds=600, holder=holder)
    jobs.add("rebuild_reports", rebuilding.advance, every_seconds=5, holder=holder)
    jobs.add("delete_old_reports", retention.delete_old, every_seconds=3600, holder=holder, batch=MAX_DELETED)
