"""The events that admin-service consumes."""

from __future__ import annotations

from admin_svc.usecases.audit import AuditTrail
from admin_svc.usecases.erasure import UserErasure
from admin_svc.usecases.report_model import ReportModel
from shared.contracts.events import AppointmentEvent, AuditRecorded, PatientErased, PatientMerged, ReminderSent
from shared.kit.bus import handlers_for
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, trail: AuditTrail, erasure: UserErasure, reports: ReportModel) -> None:
    """Handle what services report to the audit trail, patients who are erased or merged, and what the reports count."""
    await runtime.subscribe(
        {
            AuditRecorded: trail.append,
            PatientErased: erasure.erase,
            PatientMerged: trail.record_merge,
            **handlers_for(AppointmentEvent, reports.record_visit),
            ReminderSent: reports.record_reminder,
        }
    )
